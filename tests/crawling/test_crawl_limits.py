"""How far a crawl goes: depth, pages, budgets, patterns, hosts, content types, and what comes first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sites.crawl_site import Answer, CrawlSite, by_path, crawl, page, tree

MODES = ("sequential", "thread", "process")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Return the output file."""
    return tmp_path / "out.jsonl"


@pytest.fixture
def site() -> Iterator[CrawlSite]:
    """A tree of 60 pages."""
    with CrawlSite(tree(60)) as running:
        yield running


@pytest.mark.parametrize("mode", MODES)
def test_max_pages_is_exact_and_a_higher_limit_resumes(mode: str, site: CrawlSite, output: Path) -> None:
    """The limit is exact with pages in flight; no page is fetched twice."""
    for most in (7, 7, 30):
        status, records = crawl(output, [site("/0")], "--max-pages", most, mode=mode)
        assert (status, len(records)) == (0, most)
    assert site.asked.total() == len(by_path(site, records)) == 30


def test_redirects_and_other_types_do_not_count_as_pages(output: Path) -> None:
    """Only pages count for --max-pages."""
    picture = Answer(b"x", headers={"content_type": "image/png"})
    pages = {"/0": page("/p", "/hop", "/1", "/2", "/3"), "/p": picture} | {f"/{n}": page() for n in (1, 2, 3)}
    pages["/hop"] = Answer(status="302 Found", headers={"location": "/3"})
    with CrawlSite(pages) as site:
        _, records = crawl(output, [site("/0")], "--max-pages", 3, mode="sequential")
    assert sum("error" not in one for one in records) == 3


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        (["--max-per-host", "4"], 4),
        (["--budget", "{}/1=2"], 60 - 9),
        (["--include", "{}/1*"], 11),
        (["--exclude", "/1*"], 25),
        (["--exclude", "re:/[1-9]$"], 1),
        (["--depth", "0"], 1),
        (["--depth", "1"], 4),
    ],
)
def test_options_bound_the_crawl(options: list[str], paths: int, site: CrawlSite, output: Path) -> None:
    """The start URL is fetched whatever the patterns are."""
    given = [one.format(site.url) for one in options]
    _, records = crawl(output, [site("/0")], *given, mode="sequential")
    assert len(by_path(site, records)) == site.asked.total()
    assert "/0" in by_path(site, records)
    if "--include" in options:
        assert all(path.startswith("/1") for path in site.asked if path != "/0")
    elif "--budget" in options:
        assert sum(path.startswith("/1") for path in site.asked) == 2
    elif options == ["--exclude", "/1*"]:
        assert not any(path.startswith("/1") for path in site.asked)
    else:
        assert len(records) == paths


@pytest.mark.parametrize("options", [["--max-per-host", 4], ["--budget", "{}/=4"]])
def test_limits_of_a_host_do_not_affect_others(options: list[object], output: Path) -> None:
    """A later run with a higher limit fetches refused pages."""
    with CrawlSite(tree(20)) as one, CrawlSite(tree(20), "127.0.0.2") as other:
        given = [str(option).format(one.url) for option in options]
        _, records = crawl(output, [one("/0"), other("/0")], *given)
        assert one.asked.total() == 4
        assert other.asked.total() == (4 if "--max-per-host" in options else 20)
        assert len(records) == one.asked.total() + other.asked.total()


@pytest.mark.parametrize(("reach", "hosts"), [("--same-host", 1), ("--same-domain", 2), ("--any-host", 3)])
def test_the_reach_decides_which_hosts_are_crawled(reach: str, hosts: int, output: Path) -> None:
    """All host names resolve to one site."""
    names = ("www.shop.example", "img.shop.example", "other.example")
    with CrawlSite({}) as site:
        port = site.url.rpartition(":")[2]
        links = page(*(f"http://{name}:{port}/{name}" for name in names))
        site.pages = lambda _: links
        crawl(output, [f"http://{names[0]}:{port}/"], reach, "--proxy", site.url)
        asked = {path.split("/")[2].partition(":")[0] for path in site.asked}
    assert asked == set(names[:hosts])


PRIVATE = ("http://127.0.0.1:1/", "http://169.254.169.254/latest/", "http://[::1]/", "http://10.0.0.1/")


@pytest.mark.parametrize("mode", ["sequential", "process"])
def test_public_pages_cannot_lead_to_private_addresses(mode: str, output: Path) -> None:
    """Neither the host nor the proxy gets a request; --allow-private allows it."""
    with CrawlSite(lambda path: page(*PRIVATE) if "shop.example" in path else page()) as site:
        options = ("--any-host", "--proxy", site.url)
        _, records = crawl(output, ["http://shop.example/"], *options, mode=mode)
        codes = {one["url"]: one.get("error", {}).get("code") for one in records}
        assert codes == dict.fromkeys(PRIVATE, "address") | {"http://shop.example/": None}
        assert set(site.asked) == {"http://shop.example/"}
        status, _ = crawl(
            output, ["http://shop.example/"], *options, "--allow-private", "--overwrite", mode=mode
        )
        assert (status, set(site.asked)) == (0, {"http://shop.example/", *PRIVATE})


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [([], {"/0"}), (["image/"], {"/png", "/svg"}), (["any"], {"/0", "/png", "/svg", "/pdf.pdf"})],
)
def test_content_types_choose_what_is_read(chosen: list[str], expected: set[str], output: Path) -> None:
    """Other types have an error record and their links are not followed, except for a start URL."""
    types = {"/png": "image/png", "/svg": "image/svg+xml", "/pdf.pdf": "application/pdf"}
    pages = {path: Answer(b"<a href=/x>", headers={"content_type": kind}) for path, kind in types.items()}
    with CrawlSite({"/0": page(*types), **pages}) as site:
        options = [option for one in chosen for option in ("--content-type", one)]
        _, records = crawl(output, [site("/0")], *options)
    codes = {path: one.get("error", {}).get("code") for path, one in by_path(site, records).items()}
    assert {path for path, code in codes.items() if code != "other_type"} == expected | {"/0"}
    assert "/x" not in codes


def test_follow_limits_where_links_are_looked_for(output: Path) -> None:
    """--follow takes a selector or none."""
    body = b"<nav><a href=/nav>n</a></nav><main><a href=/main>m</a></main>"
    with CrawlSite({"/": Answer(body), "/nav": page(), "/main": page()}) as site:
        _, records = crawl(output, [site("/")], "--follow", "main a")
        assert set(by_path(site, records)) == {"/", "/main"}
        _, records = crawl(output, [site("/")], "--follow", "none", "--overwrite")
        assert set(by_path(site, records)) == {"/"}


def test_nofollow_is_obeyed_unless_the_user_says_otherwise(output: Path) -> None:
    """nofollow can be in rel, in a meta element or in a header."""
    pages = {
        "/": Answer(b"<a rel='nofollow' href=/a>a</a><a href=/b>b</a><a href=/c>c</a>"),
        "/b": page("/d", head="<meta name=robots content='noindex, nofollow'>"),
        "/c": page("/e", x_robots_tag="nofollow"),
    } | {path: page() for path in ("/a", "/d", "/e")}
    with CrawlSite(pages) as site:
        _, records = crawl(output, [site("/")])
        assert set(by_path(site, records)) == {"/", "/b", "/c"}
        _, records = crawl(output, [site("/")], "--follow-nofollow", "--overwrite")
        assert set(by_path(site, records)) == set(pages)


PRIORITY = """
def by_number(url, page):
    return -int(url.rpartition('/')[2])
"""


def test_the_priority_decides_what_comes_next(output: Path, tmp_path: Path) -> None:
    """With one thread, the known URL with the lowest number is fetched next."""
    (tmp_path / "order.py").write_text(PRIORITY)
    pages = {"/0": page("/9", "/5", "/7"), "/5": page("/8", "/1"), "/1": page()}
    pages |= {f"/{number}": page() for number in (7, 8, 9)}
    with CrawlSite(pages) as site:
        most = ("--max-pages", 1, "--priority", f"{tmp_path}/order.py:by_number")
        for number in range(1, 7):
            crawl(output, [site("/0")], *most, "--max-pages", number, mode="sequential")
        assert [int(path[1:]) for path, _ in site.log] == [0, 5, 1, 7, 8, 9]
