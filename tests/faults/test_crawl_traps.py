"""Sites without end: the crawl ends by itself, says why by name, and leaves honest sites alone."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.command import finish, read_records, start_scrape, until
from tests.sites.crawl_site import Answer, CrawlSite, crawl, number_of, page

pytestmark = pytest.mark.slow


def text(*links: str, words: str) -> Answer:
    """A page that says something."""
    plain = page(*links, title=words)
    return Answer(
        plain.body.replace(b"<ul>", f"<h1>{words}</h1><p>{words} is what is said here</p><ul>".encode())
    )


def calendar(path: str) -> Answer | None:
    """A month leads to the next, and there is nothing in any of them."""
    found = re.fullmatch(r"/calendar/(\d+)/(\d+)/", path)
    if path == "/":
        return text("/calendar/2026/1/", words="welcome")
    if not found:
        return None
    year, month = map(int, found.groups())
    after, before = divmod(12 * year + month, 12), divmod(12 * year + month - 2, 12)
    links = (f"/calendar/{after[0]}/{after[1] + 1}/", f"/calendar/{before[0]}/{before[1] + 1}/")
    return text(*links, words=f"Events of {year}-{month:02}: no events in this month")


def chain(path: str) -> Answer | None:
    """Each page leads to one more."""
    number = number_of(path) if path != "/" else 0
    return None if number is None else text(f"/{number + 1}", words=f"Page {number} of the endless story")


def facets(path: str) -> Answer | None:
    """A listing that can be filtered by everything at once, and is the same each time."""
    _, _, query = path.partition("?")
    chosen = set(query.split("&")) - {""}
    links = ["/shop?" + "&".join(sorted({*chosen, f"f{n}=1"})) for n in range(24) if f"f{n}=1" not in chosen]
    filters = "".join(f'<a href="{link}">filter</a>' for link in links) + "<b>filter</b>" * len(chosen)
    return Answer(f"<h1>All our shoes</h1>{filters}".encode())


def sessions(path: str) -> Answer | None:
    """Every answer has links with a session of its own."""
    name, _, _ = path.partition("?")
    number = number_of(name) if name != "/" else 0
    if number is None or number > 30:
        return None
    new = f"{hash((path, number)) & (1 << 64) - 1:016x}"
    links = [f"/{(number * 3 + step) % 30}?PHPSESSID={new}" for step in range(3)]
    return text(*links, words=f"Chapter {number}, of {'xyz'[number % 3] * number}")


def deeper(path: str) -> Answer | None:
    """A relative link that was meant to be absolute."""
    return text("a/", "b/", words="The same page in every folder")


@pytest.mark.parametrize(
    ("site", "most", "names"),
    [
        (calendar, 400, ["calendar"]),
        (chain, 400, ["endless_chain"]),
        (facets, 400, ["query_variations"]),
        (sessions, 31, []),
        (deeper, 900, ["repeated_segments"]),
    ],
)
@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_site_without_end_comes_to_one(
    mode: str, site: Callable[[str], Answer | None], most: int, names: list[str], tmp_path: Path
) -> None:
    """After a bounded number of requests, and it is said by name what was in the way."""
    with CrawlSite(site) as running:
        options = (
            "--per-host",
            0,
            "--ignore-robots",
            "--select",
            "t=h1",
            "--trap-budget",
            60,
            "--threads",
            4,
        )
        start = running("/shop") if site is facets else running("/")
        process = start_scrape("crawl", start, "-o", tmp_path / "out.jsonl", "--mode", mode, *options)
        asked = until(lambda: process.poll() is not None or running.asked.total() > 10 * most, 60)
        if process.poll() is None:
            process.kill()
        _, _, errors = finish(process)
        assert asked
        assert running.asked.total() <= most, errors
    assert all(name in errors for name in names), errors


def honest(path: str) -> Answer | None:
    """A shop of 3,000 products, each with a name and a price, in listings of 30."""
    number = number_of(path)
    if path == "/" or path.startswith("/list"):
        at = int(path.removeprefix("/list").strip("/") or 0)
        items = [f"/{at * 30 + item}" for item in range(30)]
        return text(*([f"/list{at + 1}"] if at < 99 else []), *items, words=f"Products, page {at}")
    if number is None or number >= 3000:
        return None
    words = [
        f"{'abcdefghijklmnop'[(number >> shift) & 15]}orem{(number * 7 + shift) % 97}" for shift in range(9)
    ]
    return text("/", f"/{(number + 1) % 3000}", words=f"Product {number}: {' '.join(words)}")


def test_an_honest_site_is_crawled_whole(tmp_path: Path) -> None:
    """However alike its pages are, and though the budget of traps is small."""
    with CrawlSite(honest) as site:
        status, records = crawl(tmp_path / "out.jsonl", [site("/")], "--trap-budget", 60, mode="process")
    assert (status, len(records)) == (0, 3000 + 100)


def wide(path: str) -> Answer | None:
    """Pages without end: each leads to a hundred that are its own."""
    number = 0 if path == "/" else number_of(path)
    links = () if number is None else range(100 * number + 1, 100 * number + 101)
    return Answer("".join(f"<a href=/{one}>x</a>" for one in links).encode())


@pytest.mark.skipif(sys.platform != "linux", reason="/proc as Linux has it")
def test_the_memory_of_the_parent_is_bounded(tmp_path: Path) -> None:
    """With 280,000 known URLs its resident size is below 200 MB: 133 MB, of which the caches have 60."""

    def resident() -> int:
        text = Path(f"/proc/{process.pid}/statm").read_text()
        return int(text.split()[1]) * resource.getpagesize()

    with CrawlSite(wide) as site:
        options = (
            "--per-host",
            0,
            "--ignore-robots",
            "--select",
            "t=title",
            "--max-pages",
            3000,
            "--trap-budget",
            0,
        )
        output = tmp_path / "out.jsonl"
        process = start_scrape("crawl", site("/"), "-o", output, "--mode", "process", *options)
        assert until(lambda: len(site.log) >= 2800 or process.poll() is not None, 60)
        size = resident()
        status, _, errors = finish(process)
    assert (status, "300,001 URLs known" in errors) == (0, True), errors
    assert size < 200_000_000
    assert len(read_records(output)) == 3000
