"""`follow`: scrapers that request further URLs, each with a function to scrape it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from parascrape.cli import run
from tests.helpers.command import finish, read_records, start_scrape, until
from tests.sites.crawl_site import Answer, CrawlSite, by_path, crawl, page, to

SPIDER = """
from parascrape import follow

def listing(page):
    for link in page.css("li a"):
        href = link.attributes["href"]
        yield follow(href, detail if "item" in href else listing)
    yield {"kind": "listing"}

def detail(page):
    return {"kind": "detail", "title": page.css_first("title").text()}
"""
LISTS, ITEMS = 8, 5


@pytest.fixture
def spider(tmp_path: Path) -> str:
    """Return the path of a scraper file."""
    (tmp_path / "shop.py").write_text(SPIDER)
    return f"{tmp_path}/shop.py:listing"


def shop(path: str) -> Answer | None:
    """Listings that link to the next one and to items; the first item of each has moved."""
    kind, _, number = path.strip("/").partition("/")
    if kind == "list":
        at = int(number)
        items = [f"/item/{at}-{item}" for item in range(ITEMS)]
        return page(*([f"/list/{at + 1}"] if at + 1 < LISTS else []), *items)
    if kind == "item":
        return to(f"/moved/{number}") if number.endswith("-0") else page("/not-followed", title=number)
    return page("/not-followed", title=number) if kind == "moved" else None


OPTIONS = ("--per-host", "0", "--ignore-robots", "--retries", "0", "--quiet", "--follow", "none")


@pytest.mark.parametrize("mode", ["sequential", "thread", "process", "auto"])
def test_follow_leads_from_listings_to_items(mode: str, spider: str, tmp_path: Path) -> None:
    """Each page is scraped once by the named function, also after a redirect."""
    output = tmp_path / "out.jsonl"
    with CrawlSite(shop) as site:
        status, records = crawl(
            output, [site("/list/0")], *OPTIONS, "--scraper", spider, mode=mode, rude=False
        )
        assert (status, set(site.asked.values())) == (0, {1})
        assert_complete(site, output)
    assert max(one["meta"]["depth"] for one in records) == LISTS


def assert_complete(site: CrawlSite, output: Path) -> None:
    """Every listing and every item has the record of its function."""
    found = by_path(site, read_records(output))
    assert "/not-followed" not in found
    kinds = {path: one.get("kind", one.get("error", {}).get("code")) for path, one in found.items()}
    expected = {f"/list/{at}": "listing" for at in range(LISTS)}
    for at in range(LISTS):
        expected |= {f"/item/{at}-{item}": "detail" for item in range(1, ITEMS)}
        expected |= {f"/item/{at}-0": "redirected", f"/moved/{at}-0": "detail"}
    assert kinds == expected


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX has them")
def test_a_killed_crawl_resumes_with_the_same_scrapers(spider: str, tmp_path: Path) -> None:
    """URLs that were known before the kill are scraped by the function that was named for them."""
    output = tmp_path / "out.jsonl"
    with CrawlSite(shop) as site:
        arguments = ["crawl", site("/list/0"), "-o", output, "--scraper", spider, "-m", "thread", *OPTIONS]
        process = start_scrape(*arguments)
        assert until(lambda: len(site.log) > 20, 20)
        process.kill()
        finish(process)
        assert run([str(one) for one in arguments]) == 0
        assert_complete(site, output)


def test_follow_fails_outside_of_a_crawl(spider: str, tmp_path: Path) -> None:
    """The page fails with an error that names the command for follow()."""
    with CrawlSite(shop) as site:
        (tmp_path / "list.txt").write_text(site("/list/0"))
        output = tmp_path / "out.jsonl"
        options = ("--scraper", spider, "-m", "sequential", "-q", "--ignore-robots", "--per-host", "0")
        assert run([str(tmp_path / "list.txt"), "-o", str(output), *options]) == 1
        (record,) = read_records(output)
    assert record["error"]["code"] == "bad_record"
    assert "scrape crawl" in record["error"]["message"]


@pytest.mark.parametrize(
    ("scraper", "code"),
    [
        ("def f(page):\n    yield follow('mailto:x@h')", "bad_record"),
        ("def f(page):\n    yield follow('/x', lambda page: {})", "scrape"),
        ("def f(page):\n    yield follow('/list/1')\n    raise ValueError('late')", "scrape"),
    ],
)
def test_an_invalid_follow_fails_the_page(scraper: str, code: str, tmp_path: Path) -> None:
    """Other pages are scraped, and the page's links are followed."""
    (tmp_path / "bad.py").write_text(f"from parascrape import follow\n{scraper}\n")
    options = ("--per-host", 0, "--ignore-robots", "-q", "--scraper", f"{tmp_path}/bad.py:f")
    with CrawlSite({"/": page("/a"), "/a": page()}) as site:
        _, records = crawl(tmp_path / "out.jsonl", [site("/")], *options, mode="sequential", rude=False)
        found = by_path(site, records)
    assert set(found) == {"/", "/a"}
    assert found["/"]["error"]["code"].startswith(code)
