"""A headless browser that shows a page and measures it."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["PageLayout", "needs_browser", "show_page"]

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(_CHROMIUM is None, reason="no chromium on this machine")

_MEASURE = """
    const charts = [...document.querySelectorAll("canvas")].filter(canvas => Chart.getChart(canvas));
    const heights = charts.map(canvas => canvas.getBoundingClientRect().height);
    document.title = [document.documentElement.scrollWidth, innerWidth, ...heights];
"""


class PageLayout(NamedTuple):
    """A shown page in CSS pixels, and what the browser logged."""

    width: float
    window: float
    charts: list[float]  # the heights of those that were drawn
    log: str


def show_page(page: str, width: int, folder: Path) -> PageLayout:
    """Show the page in a window of this width. The page's policy allows the script that measures, too."""
    digest = base64.b64encode(hashlib.sha256(_MEASURE.encode()).digest()).decode()
    measured = page.replace("script-src ", f"script-src 'sha256-{digest}' ")
    file = folder / "page.html"
    file.write_text(measured.replace("</body>", f"<script>{_MEASURE}</script></body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    profile, size = f"--user-data-dir={folder / 'profile'}", f"--window-size={width},2000"
    command = [str(_CHROMIUM), *options, profile, size, file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    title = re.search(r"<title>([0-9.,]+)</title>", done.stdout)
    assert title is not None, done.stderr
    shown, window, *heights = map(float, title[1].split(","))
    return PageLayout(shown, window, heights, done.stderr)
