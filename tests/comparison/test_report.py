"""The HTML page, its charts and the JSON of a comparison: hostile text stays text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from parascrape.comparison.comparison import Comparison, Disagreement
from parascrape.comparison.differences import Difference
from parascrape.comparison.report import as_data, draw_charts, make_page
from tests.helpers.browser import needs_browser, show_page
from tests.helpers.comparisons import make_comparison, make_figures
from tests.helpers.html_elements import Elements

HOSTILE = "</title><script>alert(1)</script><img src=http://evil.example/x> \x1b[31m\u202e$x^2$ &amp; \ud800"


def comparison() -> Comparison:
    """One with everything to show, and with hostile text wherever text comes from outside."""
    figures = [
        make_figures("sequential", 20, 21, 22),
        make_figures("thread:8", 5, 5.5, 6, errors={"status": 9}),
        make_figures("thread:32", 5, 5.1, 5.2, host=f"http://{HOSTILE}:80"),
        make_figures("process:1x8", 5, 5.1, 5.2),
        make_figures("process:2x8", 3, 3.1, 3.2),
    ]
    one = Difference(HOSTILE, ({"url": "u", "title": HOSTILE[:-1]},), ({"url": "u", "title": "x"},))
    return make_comparison(figures, [Disagreement(figures[0].strategy, figures[1].strategy, 1, (one,))])


@pytest.fixture(scope="module")
def page() -> str:
    return make_page(comparison(), HOSTILE, f"scrape '{HOSTILE}'")


def test_nothing_is_loaded(page: str) -> None:
    """No script, image, link or style comes from elsewhere, and the page's policy forbids it."""
    elements = Elements(page)
    names = {name for name, _ in elements.found}
    assert names.isdisjoint({"img", "link", "iframe", "object", "image", "a"})
    assert not any(key in ("href", "src", "data", "action") for _, keys in elements.found for key in keys)
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_hostile_text_is_text(page: str) -> None:
    """It is escaped, without control characters, and can be encoded; it adds no script."""
    elements = Elements(page)
    assert len(elements.scripts()) == 2
    assert "<script>alert(1)</script>" in elements.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", page)
    assert page.encode()


def test_the_charts_that_a_person_would_draw() -> None:
    """Each has its numbers in words, for those who cannot see it."""
    charts = draw_charts(comparison())
    assert [chart.title for chart in charts] == [
        "Pages a second",
        "Speed-up against threads",
        "Speed-up against processes",
        "A page alone",
        "What the threads do",
        "What the network took, as recorded",
        "How busy the processor is",
        "Memory",
    ]
    assert charts[0].rows_of_numbers()[1] == ["thread:8", "18.2 (16.7-20)"]
    assert charts[1].rows_of_numbers()[-1] == ["32", "4.12 (4.04-4.2)", "32"]
    assert charts[3].rows_of_numbers()[0] == ["waiting", "100"]
    assert charts[7].rows_of_numbers()[0] == ["sequential", "50"]


def test_the_shares_of_the_threads_add_up() -> None:
    """They are percentages of all threads' time."""
    chart = draw_charts(comparison())[4]
    for strategy in zip(*(series.values for series in chart.series), strict=True):
        assert sum(share or 0 for share in strategy) == pytest.approx(100, abs=2)


def test_a_chart_without_figures_is_left_out() -> None:
    """CPU time and memory that are unknown, and a curve of one point."""
    charts = draw_charts(make_comparison([make_figures("thread:8", 5, cpu=None, memory=None)]))
    assert [chart.title for chart in charts] == [
        "Pages a second",
        "A page alone",
        "What the threads do",
        "What the network took, as recorded",
    ]


def test_nothing_that_worked_is_a_page_as_well() -> None:
    """It says so, and has no chart."""
    page = make_page(make_comparison([]), "list", "scrape list")
    assert "All strategies failed." in page
    assert "<canvas" not in page


def test_the_figures_are_json() -> None:
    """Unknown figures are null, and the disagreements are listed."""
    data = json.loads(json.dumps(as_data(comparison(), "scrape x"), default=str))
    assert data["verdict"]["strategy"] == "process:2x8"
    assert next(strategy["name"] for strategy in data["strategies"]) == "sequential"
    assert data["disagreements"][0]["urls"] == 1
    unknown = as_data(make_comparison([make_figures("thread:8", 5, cpu=None, memory=None)]), "")[
        "strategies"
    ][0]
    assert (unknown["cpu_seconds_per_page"], unknown["memory"]) == (None, None)


@needs_browser
@pytest.mark.parametrize("width", [500, 1200])
def test_a_browser_shows_the_page(page: str, width: int, tmp_path: Path) -> None:
    """It logs no error, draws all charts, and is no wider than a phone: what is wide scrolls in itself."""
    layout = show_page(page, width, tmp_path)
    assert "CONSOLE" not in layout.log
    assert layout.width <= layout.window
    assert len(layout.charts) == 8
    assert min(layout.charts) > 60
