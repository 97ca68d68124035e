"""HTML reports: hostile text stays text, charts carry their numbers, and a browser draws them."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from parascrape.system.html_report import Chart, ChartSeries, HtmlReport
from tests.helpers.browser import needs_browser, show_page
from tests.helpers.html_elements import Elements

HOSTILE = "</script></title><script>alert(1)</script><img src=http://evil.example/x>"
HOSTILE += " \x1b[31m\u202e<!-- &amp; \ud800"


def chart(text: str = "text", value: float = 1.0) -> Chart:
    """A chart with this text in every place."""
    series = ChartSeries(text, [value, None], ["#1f6fb2"], [(0.5, 1.5), (1.0, 1.0)])
    return Chart("rows", text, text, [text, text], text, [series])


def report(text: str) -> str:
    """A report with this text in every place."""
    page = HtmlReport(text)
    page.heading(text)
    page.paragraph(text, "warning")
    page.code([text])
    page.table([text, text], [[text, text]], best=0)
    page.charts([chart(text)])
    return page.page(text)


@given(st.text() | st.just(HOSTILE))
def test_no_text_becomes_markup(text: str) -> None:
    """A report has the same elements and scripts, whatever its texts are."""
    plain, hostile = Elements(report("text")), Elements(report(text))
    assert hostile.found == plain.found or [name for name, _ in hostile.found] == [
        name for name, _ in plain.found
    ]
    assert hostile.scripts() == plain.scripts()
    assert json.loads(hostile.data()[0])["type"] == "bar"


def test_hostile_text_is_shown_as_escapes() -> None:
    """The page can be encoded and holds no control character."""
    page = report(HOSTILE)
    assert page.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", page)
    assert "alert(1)" in Elements(page).text


def test_only_the_two_scripts_of_the_page_may_run() -> None:
    """The content security policy names them by their hashes and forbids everything else."""
    elements = Elements(report("text"))
    policy = next(
        str(attributes["content"]) for _, attributes in elements.found if "http-equiv" in attributes
    )
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in elements.scripts()]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"
    assert len(hashes) == 2


def test_a_report_without_charts_has_no_script() -> None:
    """It is small, and its policy forbids scripts."""
    page = HtmlReport("title")
    page.charts([])
    text = page.page("end")
    assert Elements(text).scripts() == []
    assert "script-src 'none'" in text


def test_a_chart_shows_its_numbers_as_text() -> None:
    """Unknown values are left empty; ranges stand beside their values."""
    assert chart(value=1234.5).rows_of_numbers() == [["text", "1,234 (0.5-1.5)"], ["text", " (1-1)"]]
    assert "1,234 (0.5-1.5)" in Elements(report_of(chart(value=1234.5))).text


def report_of(one: Chart) -> str:
    """A report with one chart."""
    page = HtmlReport("title")
    page.charts([one])
    return page.page("end")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_unknown(value: float) -> None:
    """JSON has no such numbers."""
    (data,) = Elements(report_of(chart(value=value))).data()
    assert json.loads(data, parse_constant=pytest.fail)["data"]["datasets"][0]["data"] == [None, None]


@pytest.mark.parametrize("kind", ["rows", "columns", "lines"])
def test_ranges_are_thin_bars_over_the_values(kind: str) -> None:
    """Chart.js cannot draw error bars itself."""
    datasets = chart()._replace(kind=kind).config()["data"]["datasets"]
    assert [dataset["data"] for dataset in datasets] == [[1.0, None], [[0.5, 1.5], [1.0, 1.0]]]
    assert datasets[1]["type"] == "bar"


@needs_browser
@pytest.mark.parametrize("width", [500, 1200])
def test_a_browser_draws_every_chart(width: int, tmp_path: Path) -> None:
    """It logs no error, the policy lets the charts be drawn, and what is wide scrolls in itself."""
    page = HtmlReport(HOSTILE)
    page.charts([chart(HOSTILE), chart()._replace(kind="columns"), chart()._replace(kind="lines")])
    layout = show_page(page.page(HOSTILE), width, tmp_path)
    assert "CONSOLE" not in layout.log
    assert len(layout.charts) == 3
    assert min(layout.charts) > 60
    assert layout.width <= layout.window
