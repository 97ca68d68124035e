"""A crawl of a whole site: every linked page once, with the page it was found on."""

from __future__ import annotations

import gzip
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.sites.crawl_site import Answer, CrawlSite, by_path, crawl, page, to, tree

MODES = ("sequential", "thread", "process", "auto")


ODDITIES: dict[str, Answer] = {
    "/odd": page(
        *(
            "/0#top",
            "/0#end",
            "/5;jsessionid=1A2B3C4D5E",
            "/5?PHPSESSID=0123456789abcdef",
            "/gone",
            "/chain/1",
        ),
        *(
            "/to-known",
            "/wall",
            "/picture",
            "/away",
            "/based/in/",
            "/meta-nofollow",
            "/secret/1",
            "/./a/../8",
        ),
        *("mailto:me@h", "javascript:void(0)", "ftp://h/x", "http://[broken/", "/canon?x=1", "/head"),
    ),
    "/chain/1": to("/chain/2", "301 Moved Permanently"),
    "/chain/2": to("/chain/3", "307 Temporary Redirect"),
    "/chain/3": page("/end", title="chain"),
    "/end": page(),
    "/to-known": to("/7"),
    "/wall": to("/wall", set_cookie="seen=1"),
    "/picture": Answer(b"\x89PNG", headers={"content_type": "image/png"}),
    "/away": to("http://127.0.0.9:1/"),
    "/based/in/": page("leaf", head="<base href='/elsewhere/'>"),
    "/elsewhere/leaf": page(),
    "/meta-nofollow": page("/never", head="<meta name=robots content=nofollow>"),
    "/canon?x=1": page(head="<link rel=canonical href='/canon'>"),
    "/canon": page(head="<link rel=canonical href='/canon'>"),
    "/head": page(link="</from-header>; rel=next", refresh="9; url=/from-refresh"),
    "/from-header": page("/no-follow", head="<link rel=next href=/from-link>"),
    "/from-link": Answer(
        b"<a rel=nofollow href=/never>n</a><map><area href=/from-area></map><iframe src=/from-frame></iframe>"
    ),
    "/secret/1": page("/never"),
    "/robots.txt": Answer(b"User-agent: *\nDisallow: /secret/\n", headers={"content_type": "text/plain"}),
} | {path: page() for path in ("/from-refresh", "/from-area", "/from-frame", "/no-follow", "/never")}

ONLY_ONCE_NAMED = {"/5;jsessionid=1A2B3C4D5E", "/5?PHPSESSID=0123456789abcdef"}

TREE = tree(100, 3, "/odd")


def answer(path: str) -> Answer | None:
    """The tree, with oddities linked from every page of it; it does not look at who has a session."""
    return ODDITIES.get(path) or TREE(re.split("[;?]", path)[0] if path in ONLY_ONCE_NAMED else path)


@pytest.fixture
def site() -> Iterator[CrawlSite]:
    """A site of every kind of page."""
    with CrawlSite(answer) as running:
        yield running


CODES = {
    "/chain/1": "redirected",
    "/chain/2": "redirected",
    "/to-known": "redirected",
    "/away": "redirected",
    "/gone": "status",
    "/picture": "other_type",
    "/secret/1": "robots",
}


def code(record: dict[str, Any]) -> str:
    """The record's error code, empty for none."""
    return str(record["error"]["code"]) if "error" in record else ""


def expected_paths() -> set[str]:
    """All that links lead to, but for the paths that a nofollow or another host guards."""
    odd = set(ODDITIES) - {"/robots.txt", "/never"} | {"/gone"}
    return odd | {f"/{number}" for number in range(100)}


@pytest.mark.parametrize("mode", MODES)
def test_every_page_is_fetched_once_and_has_one_record(mode: str, site: CrawlSite, tmp_path: Path) -> None:
    """Requests are counted at the server; each kind of page has its outcome."""
    options = ("--per-host", 0, "--retries", 0, "--quiet", "--select", "title=title")
    status, records = crawl(tmp_path / "out.jsonl", [site("/0")], *options, mode=mode, rude=False)
    found = by_path(site, records)
    named = {path for path in found if path in ONLY_ONCE_NAMED}
    assert len(named) + ("/5" in found) == 1
    assert {"/5" if path in named else path for path in found} == expected_paths()
    assert {path: code(one) for path, one in found.items() if "error" in one} == CODES
    fetched = dict.fromkeys(found, 1) | {"/wall": 2}  # once more, with the cookie
    del fetched["/secret/1"]
    assert site.fetched == fetched
    assert status == 1
    assert_truly_found(site, found)


def assert_truly_found(site: CrawlSite, found: dict[str, dict[str, Any]]) -> None:
    """Assert that every page but the start was found on a page of a smaller depth."""
    for path, record in found.items():
        meta = record["meta"]
        if path == "/0":
            assert (meta["depth"], "found_on" in meta) == (0, False)
            continue
        parent = meta["found_on"].removeprefix(site.url)
        led = answer(parent)
        assert led is not None
        step = 0 if "location" in led.headers or (parent, path) == ("/canon?x=1", "/canon") else 1
        assert meta["depth"] == found[parent]["meta"]["depth"] + step
        assert leads_to(led, site(parent), site(path))
    assert found["/canon?x=1"]["meta"]["canonical"] == site("/canon")


def leads_to(led: Answer, parent: str, url: str) -> bool:
    """Whether the URL's path stands in an answer, relative to the page or to its base."""
    text = led.body.decode() + " ".join(led.headers.values())
    base = "/elsewhere/" if "<base" in text else ""
    words = text.replace('"', " ").replace("'", " ").replace("=", " ").replace(">", " ").replace("<", " ")
    words = words.replace(";", " ") if "refresh" in led.headers else words
    near = {
        urljoin(urljoin(parent, base), word.partition("#")[0]) for word in words.split() if "[" not in word
    }
    return url in near or url.partition("?")[0].partition(";")[0] in near or url.rpartition("=")[2] in text


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_depths_are_shortest_even_with_slow_pages(mode: str, tmp_path: Path) -> None:
    """With a depth limit, a short path of slow pages wins over a long path of fast ones."""
    pages = {
        "/0": page("/slow", "/q1", "/hop"),
        "/slow": page("/x", seconds=0.2),
        "/q1": page("/q2"),
        "/q2": page("/q3"),
        "/q3": page("/x"),
        "/hop": Answer(status="302 Found", headers={"location": "/q3"}, seconds=0.2),
        "/x": page("/y"),
        "/y": page("/z"),
        "/z": page(),
    }
    with CrawlSite(pages) as site:
        _, records = crawl(tmp_path / "out.jsonl", [site("/0")], "--depth", 3, mode=mode)
        depths = {path: one["meta"]["depth"] for path, one in by_path(site, records).items()}
    assert depths == distances(pages, 3)


def distances(pages: dict[str, Answer], most: int) -> dict[str, int]:
    """Return the smallest number of links to each page, without redirects."""
    found, waiting = {"/0": 0}, deque(["/0"])
    while waiting:
        here = waiting.popleft()
        led = pages[here].headers.get("location")
        words = [led] if led else pages[here].body.decode().split('"')[1::2]
        for there in words:
            far = found[here] + (not led)
            if far <= most and found.get(there, 99) > far:
                found[there] = far
                waiting.append(there)
    return found


RSS = "<rss version='2.0'><channel><item><link>{}</link><pubDate>{}</pubDate></item></channel></rss>"


def test_sitemaps_and_feeds_are_read(tmp_path: Path) -> None:
    """Sitemaps come from robots.txt, an index, gzip and a feed; entries before --since are left out."""
    with CrawlSite({}) as site:
        url = "<url><loc>{}</loc><lastmod>{}</lastmod></url>"
        urls = [
            (site("/new"), "2026-06-01"),
            (site("/old"), "2020-01-01"),
            ("http://127.0.0.9:1/", "2026-06-01"),
        ]
        space = "xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'"
        xml = f"<urlset {space}>{''.join(url.format(*one) for one in urls)}</urlset>"
        index = f"<sitemapindex {space}><sitemap><loc>{site('/s.xml.gz')}</loc></sitemap></sitemapindex>"
        plain = {"content_type": "text/plain"}
        site.pages = {
            "/robots.txt": Answer(f"Sitemap: {site('/index.xml')}\n".encode(), headers=plain),
            "/index.xml": Answer(index.encode(), headers={"content_type": "application/xml"}),
            "/s.xml.gz": Answer(gzip.compress(xml.encode()), headers={"content_type": "application/gzip"}),
            "/feed": Answer(
                RSS.format(site("/news"), "Mon, 01 Jun 2026 10:00:00 GMT").encode(),
                headers={"content_type": "application/rss+xml"},
            ),
            "/": page("/linked"),
        } | {path: page() for path in ("/linked", "/new", "/old", "/news")}
        options = ("--sitemaps", "--sitemap", site("/feed"), "--since", "2026-01-01", "--per-host", 0, "-q")
        status, records = crawl(
            tmp_path / "out.jsonl", [site("/")], *options, "--select", "title=title", rude=False
        )
        found = by_path(site, records)
    assert set(found) == {"/", "/linked", "/new", "/news", "/index.xml", "/s.xml.gz", "/feed"}
    assert (status, found["/new"]["meta"]["depth"], found["/linked"]["meta"]["depth"]) == (0, 0, 1)
    assert (found["/s.xml.gz"]["pages"], found["/s.xml.gz"]["skipped_old"]) == (1, 1)


def test_a_page_instead_of_a_sitemap_fails(tmp_path: Path) -> None:
    """A page at a sitemap's URL is not crawled; as a start URL it is."""
    with CrawlSite({"/map": page("/a"), "/a": page()}) as site:
        status, records = crawl(tmp_path / "map.jsonl", [], "--sitemap", site("/map"))
        assert (status, [one["error"]["code"] for one in records]) == (1, ["not_sitemap"])
        assert len(crawl(tmp_path / "start.jsonl", [site("/map")])[1]) == 2


def test_a_start_that_leads_to_another_host_widens_the_crawl(tmp_path: Path) -> None:
    """example.org redirects to www.example.org, whose pages are crawled in this run and the next."""
    with CrawlSite({}, "127.0.0.2") as www, CrawlSite({"/": to(www("/"))}) as bare:
        www.pages = {"/": page("/a", bare("/")), "/a": page("/b"), "/b": page()}
        output = tmp_path / "out.jsonl"
        for most in (2, 10):
            _, records = crawl(output, [bare("/")], "--max-pages", most)
        assert {one["url"] for one in records} == {bare("/"), *map(www, ("/", "/a", "/b"))}
        assert set(www.asked.values()) | set(bare.asked.values()) == {1}


@pytest.mark.parametrize("where", ["/a?PHPSESSID=0123456789abcdef", "/b;jsessionid=1A2B3C4D5E"])
def test_a_site_that_redirects_into_a_session_is_crawled(where: str, tmp_path: Path) -> None:
    """Only the redirect leads to its pages."""
    plain = where.replace(";", "?").partition("?")[0]
    with CrawlSite({"/": page(plain), plain: to(where), where: page("/c", plain), "/c": page()}) as site:
        _, records = crawl(tmp_path / "out.jsonl", [site("/")])
        assert set(by_path(site, records)) == {"/", plain, where, "/c"}
        assert set(site.asked.values()) == {1}
