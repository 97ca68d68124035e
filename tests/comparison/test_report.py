"""The HTML page and the plots: they need nothing beside them, and hostile text stays text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from parascrape.comparison.comparison import Comparison, Disagreement
from parascrape.comparison.differences import Difference
from parascrape.comparison.plots import draw_plots
from parascrape.comparison.report import as_data, make_page
from tests.helpers.comparisons import make_comparison, make_figures

pytest.importorskip("matplotlib")

HOSTILE = "</title><script>alert(1)</script><img src=http://evil.example/x> \x1b[31m\u202e$x^2$ &amp; \ud800"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


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


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_nothing_is_loaded(page: str) -> None:
    """No script, image, link or style from elsewhere; the page forbids it to itself as well."""
    elements = Elements(page).found
    assert {tag for tag, _ in elements}.isdisjoint({"script", "img", "link", "iframe", "object", "image"})
    references = [value for _, attributes in elements for name, value in attributes.items()
                  if name in ("href", "src", "xlink:href", "data", "action")]  # fmt: skip
    assert all(str(value).startswith("#") for value in references)
    assert "@import" not in page
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert "default-src 'none'" in page


def test_hostile_text_is_text(page: str) -> None:
    """Escaped, without control characters, and encodable."""
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", page)
    assert page.encode()


def test_ids_are_unique_over_all_plots(page: str) -> None:
    """Or a plot would be clipped by another's path."""
    ids = [str(attributes["id"]) for _, attributes in Elements(page).found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_plots_that_a_person_would_draw() -> None:
    """Each with its words, for those who cannot see it."""
    plots = draw_plots(comparison())
    assert [plot.title for plot in plots] == [
        "Pages a second",
        "Speed-up against threads",
        "Speed-up against processes",
        "A page alone",
        "What the threads do",
        "What the network took, as recorded",
        "How busy the processor is",
        "Memory",
    ]
    assert all(plot.words and plot.svg.startswith("<svg") and plot.svg.endswith("</svg>") for plot in plots)


def test_a_plot_without_figures_is_left_out() -> None:
    """CPU time and memory that nobody knows, a curve of one point."""
    titles = [
        plot.title
        for plot in draw_plots(make_comparison([make_figures("thread:8", 5, cpu=None, memory=None)]))
    ]
    assert titles == [
        "Pages a second",
        "A page alone",
        "What the threads do",
        "What the network took, as recorded",
    ]


def test_nothing_that_worked_is_a_page_as_well() -> None:
    """It says so, and draws nothing."""
    page = make_page(make_comparison([]), "list", "scrape list")
    assert "No strategy did its work." in page
    assert "<svg" not in page


def test_the_figures_are_json() -> None:
    """With what is unknown as null, and the disagreements."""
    data = json.loads(json.dumps(as_data(comparison(), "scrape x"), default=str))
    assert data["verdict"]["strategy"] == "process:2x8"
    assert next(strategy["name"] for strategy in data["strategies"]) == "sequential"
    assert data["disagreements"][0]["urls"] == 1
    unknown = as_data(make_comparison([make_figures("thread:8", 5, cpu=None, memory=None)]), "")[
        "strategies"
    ][0]
    assert (unknown["cpu_seconds_per_page"], unknown["memory"]) == (None, None)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_shows_the_page(page: str, width: int, tmp_path: Path) -> None:
    """Without a console error, with all plots, and no wider than a phone: what is wide scrolls in itself.

    The page forbids scripts; the copy that is shown allows the one that measures.
    """
    file = tmp_path / "page.html"
    measured = page.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    script = """
        const plots = [...document.querySelectorAll("svg")], page = document.documentElement;
        const lowest = Math.min(...plots.map(plot => plot.getBoundingClientRect().height));
        document.title = [page.scrollWidth, innerWidth, plots.length, lowest];
    """
    file.write_text(measured.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    folder, size = f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},2000"
    done = subprocess.run(
        [str(CHROMIUM), *options, folder, size, file.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    title = re.search(r"<title>([0-9.,]+)</title>", done.stdout)
    assert title is not None
    wide, window, plots, lowest = map(float, title[1].split(","))
    assert wide <= window
    assert plots == 8
    assert lowest > 60
