"""The links of a page that are followed, counted, drawn in the graph, ranked, and sent again."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import pytest

from parascrape.crawling.links.extractor import (
    MAX_CHARACTERS,
    MAX_LINKS,
    MAX_SENT,
    MAX_TRAPS,
    LinkExtractor,
    SentLinks,
)
from parascrape.crawling.links.resolver import MAX_KNOWN, LinkResolver
from parascrape.crawling.links.rules import LinkRules, Scope, priority_of
from parascrape.errors import ScrapeError, UsageError
from parascrape.scrapers.following import DiscoveredLinks, FollowRequest
from parascrape.web.canonical import AS_SENT, CanonicalOptions
from parascrape.web.page import Page

HOST = "http://h.example"


def rules(**values: object) -> LinkRules:
    """Rules for pages of one host."""
    return LinkRules(**{"scope": Scope(hosts=("h.example",)), **values})  # type: ignore[arg-type]


def find_links(subject: Page, one: LinkRules) -> DiscoveredLinks:
    """Return the links of a page by these rules, in a new crawl."""
    return LinkExtractor(one).links_of(subject)


def page(markup: str, path: str = "/", **headers: str) -> Page:
    """A page of that host."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Page(HOST + path, markup.encode(), headers={"Content-Type": "text/html; charset=utf-8", **named})


def paths(found: DiscoveredLinks) -> list[str]:
    """The paths of the links that are followed."""
    return [url.removeprefix(HOST) for url in found.links.splitlines()]


# --- followed or not -----------------------------------------------------------------------------------


def test_every_link_that_is_left_out_is_counted_by_its_reason() -> None:
    """Each URL once; one that some link may follow is not counted."""
    scope = Scope(hosts=("h.example",), include=("/in/*",), exclude=("*private*",))
    markup = """<link rel="canonical" href="//o.example/c"><a href="/in/a"><a href="/in/a" rel="nofollow">
        <a href="//o.example/"><a href="//o.example/#x"><a href="/out"><a href="/in/private/b">
        <a href="/in/c.zip"><a href="/in/d" rel="UGC external"><a href="/in/d" rel="sponsored">"""
    found = find_links(page(markup), rules(scope=scope))
    assert paths(found) == ["/in/a"]
    assert found.filtered == {"host": 2, "include": 1, "exclude": 1, "suffix": 1, "nofollow": 1}
    assert found.leads == ()


@pytest.mark.parametrize(
    ("markup", "headers"),
    [
        ('<meta name="robots" content="noindex, nofollow">', {}),
        ('<meta name="ROBOTS" content="NONE">', {}),
        ('<meta name="examplebot" content="nofollow">', {}),
        ("", {"X_Robots_Tag": "nofollow"}),
    ],
)
def test_a_page_can_forbid_following_its_links(markup: str, headers: dict[str, str]) -> None:
    """The request is in <meta> or a header, for all robots or this one; ``nofollow=False`` ignores it."""
    subject = page(f'<head>{markup}</head><a href="/a"><a href="/b" rel="nofollow">', **headers)
    found = find_links(subject, rules(user_agent="examplebot/1.0"))
    assert (found.links, found.filtered) == ("", {"nofollow": 2})
    assert paths(find_links(subject, rules(nofollow=False))) == ["/a", "/b"]


def test_directives_for_another_robot_are_ignored() -> None:
    """A <meta> with the name of another robot."""
    subject = page('<head><meta name="otherbot" content="nofollow"></head><a href="/a">')
    assert paths(find_links(subject, rules(user_agent="examplebot/1.0"))) == ["/a"]


def test_traps_are_reported_by_name_and_not_followed() -> None:
    """At most twenty traps of a page are reported; all are counted."""
    markup = "".join(f'<a href="/a{n}/b/b/b/b/b/b/b/">' for n in range(MAX_TRAPS + 5))
    found = find_links(page(markup), rules())
    assert found.links == ""
    assert found.leads[0] == FollowRequest(f"{HOST}/a0/b/b/b/b/b/b/b/", "trap:repeated_segments")
    assert len(found.leads) == MAX_TRAPS
    assert found.filtered == {"trap:repeated_segments": MAX_TRAPS + 5}


@pytest.mark.parametrize(
    ("follow", "expected"),
    [
        ((), ["/nav", "/1", "/2", "/3", "/foot"]),
        (("main",), ["/1", "/2", "/3"]),
        (("main p", "#f"), ["/2", "/foot"]),
        (("a.next, #f a",), ["/3", "/foot"]),
        (("p, p a, main",), ["/1", "/2", "/3", "/foot"]),
        ((".none",), []),
    ],
)
def test_follow_limits_where_links_are_looked_for(follow: tuple[str, ...], expected: list[str]) -> None:
    """Links count in or at matching elements, in document order; links in headers do not."""
    markup = """<nav><a href="/nav"></a></nav><main><a href="/1"></a><p><b><a href="/2"></a></b></p>
        <iframe src="/3"></iframe><a class="next" href="/3"></a></main><p id="f"><a href="/foot"></a></p>"""
    assert paths(find_links(page(markup, Link="</h>; rel=next"), rules(follow=follow))) == (
        expected if follow else ["/h", *expected]
    )


@pytest.mark.parametrize("selector", ["", "a[", "a::text", "a::attr(href)", "p >", "a,,b", "'", "a\x07"])
def test_an_invalid_selector_is_refused(selector: str) -> None:
    """The error is one line that names the option."""
    with pytest.raises(UsageError, match=r"\A--follow .*: no CSS selector of elements[^\n]*\Z"):
        LinkRules(follow=(selector,))


def test_spellings_are_compared_by_canonical_url() -> None:
    """Tracking parameters make a second link unless they are dropped."""
    markup = '<a href="/a?b=1"><a href="/a?b=1&utm_source=x">'
    assert len(paths(find_links(page(markup), rules(identity=CanonicalOptions(drop_tracking=True))))) == 1
    assert len(paths(find_links(page(markup), rules()))) == 2


def test_links_to_the_page_itself_are_dropped() -> None:
    """A redirected page has two URLs: the requested one and the final one."""
    subject = Page(f"{HOST}/old", b'<a href="/old"><a href="/new"><a href="/x">', final_url=f"{HOST}/new")
    assert paths(find_links(subject, rules())) == ["/x"]


# --- bounds --------------------------------------------------------------------------------------------


def test_the_number_of_links_of_a_page_is_bounded() -> None:
    """Links beyond MAX_LINKS are counted as too_many."""
    found = find_links(page("".join(f"<a href={n}>" for n in range(MAX_LINKS + 7))), rules())
    assert (len(paths(found)), found.filtered) == (MAX_LINKS, {"too_many": 7})


def test_the_characters_of_a_pages_links_are_bounded() -> None:
    """In characters: 12,000 short links relative to a base of 1,900 would be 23 million."""
    markup = f'<base href="/{"b" * 1900}/">' + "".join(f"<a href={n}>" for n in range(12_000))
    found = find_links(page(markup), rules())
    assert len(found.links) <= MAX_CHARACTERS
    assert found.filtered == {"too_many": 12_000 - len(paths(found))}


def test_the_resolver_cache_is_bounded() -> None:
    """A full cache is emptied, and links are resolved again."""
    resolver = LinkResolver(Scope(hosts=("h.example",)), AS_SENT)
    caches = [resolver.cache_of(f"{HOST}/{n}/", "h.example", "utf-8") for n in range(MAX_KNOWN + 10)]
    assert resolver.cache_of(f"{HOST}/0/", "h.example", "utf-8") is not caches[0]
    assert resolver.cache_of(f"{HOST}/{MAX_KNOWN + 9}/", "h.example", "utf-8") is caches[-1]
    base = resolver.base(f"{HOST}/d/", f"{HOST}/d/")
    assert base.lead("x" * 700) == base.lead("x" * 700)
    assert base.lead("x" * 700) is not base.lead("x" * 700), "long links are not cached"


# --- the graph -----------------------------------------------------------------------------------------


def test_every_link_has_an_edge() -> None:
    """An edge has kind, flags, URL and text; each URL has one edge of a kind, followed or not."""
    markup = """<head><meta name=robots content=nofollow><meta http-equiv=refresh content="0;/r">
        <link rel=next href=/n><link rel=canonical href=/c></head><a href="/a">A <b>bold</b>\t\nlink<br>x</a>
        <a href="/a">again</a><a href=/b rel=nofollow><img alt=" a picture "></a>
        <a href=//o.example/ title=T></a><map><area href=/a alt="An area"></map>
        <iframe src=/f title="F"></iframe><a href=/t/t/t/t/t/t/t/>trap</a>
        <a href="#x">y</a><a href="mailto:x">z</a>"""
    subject, one = page(markup, Link="</h>; rel=next"), rules(edges=True)
    edges = [line.split("\t") for line in find_links(subject, one).edges.split("\n")]
    assert [[kind, flags, url.removeprefix(HOST), text] for kind, flags, url, text in edges] == [
        ["header", "p", "/h", ""],
        ["refresh", "p", "/r", ""],
        ["link", "p", "/n", ""],
        ["a", "p", "/a", "A bold link x"],
        ["a", "np", "/b", "a picture"],
        ["a", "xp", "http://o.example/", "T"],
        ["area", "p", "/a", "An area"],
        ["iframe", "p", "/f", "F"],
        ["a", "tp", "/t/t/t/t/t/t/t/", "trap"],
        ["canonical", "p", "/c", ""],
    ]
    assert find_links(page(markup, "/other"), one).edges.count("\n") == 8


def test_the_text_of_an_edge_is_bounded() -> None:
    """200 characters, and 200 elements of links within each other; a link without flags has a dash."""
    nested = '<a href="/n"><object>' * 2000
    found = find_links(page(f'<a href="/a">{"word " * 1000}</a>{nested}deep'), rules(edges=True))
    first, second = found.edges.split("\n")
    assert first == f"a\t-\t{HOST}/a\t{('word ' * 40).strip()}"
    assert second == f"a\t-\t{HOST}/n\t"


# --- best first ----------------------------------------------------------------------------------------


def shorter_first(url: str, page: Page) -> float:
    """Rate shorter URLs higher; fail for some URLs."""
    if "bad" in url:
        raise ValueError(f"no {url}")
    return float("nan") if "nan" in url else -len(url) + page.status


@pytest.mark.parametrize("reference", [False, True])
def test_a_users_priority_ranks_the_links(reference: bool, tmp_path: Path) -> None:
    """Each link has a rank, the negative of its priority, by a function or its reference."""
    file = tmp_path / "ranking.py"
    file.write_text("def rank(url, page):\n    return -len(url) + page.status\n")
    one = rules(priority=f"{file}:rank" if reference else shorter_first)
    for _ in range(2):
        found = find_links(page('<a href="/abc"><a href="/a">'), one)
        assert found.ranks == (len(HOST) + 4 - 200, len(HOST) + 2 - 200)
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize(
    ("href", "why"), [("/bad", "ValueError: no http"), ("/nan", "gave nan, not a number")]
)
def test_a_failing_priority_fails_the_page(href: str, why: str) -> None:
    """The page fails as if its scraper had raised."""
    with pytest.raises(ScrapeError, match=f"--priority: {why}"):
        find_links(page(f'<a href="{href}">'), rules(priority=shorter_first))


@pytest.mark.parametrize("priority", ["nowhere.py:rank", "parascrape.web.page:nothing", "math", len])
def test_a_priority_that_cannot_be_called_is_refused(priority: object) -> None:
    """The error is one line that names the option; in a worker the page fails."""
    one = rules(priority=priority)
    with pytest.raises(UsageError, match=r"\A--priority: [^\n]*\Z"):
        priority_of(one)
    with pytest.raises(ScrapeError, match="--priority"):
        find_links(page("<p>"), one)


# --- sent once -----------------------------------------------------------------------------------------


def test_a_sent_link_is_not_sent_again() -> None:
    """New links of the next page are sent, and all links of a page that is tried again."""
    one = LinkExtractor(rules())
    first, second = page('<a href="/n"><a href="/1">', "/a"), page('<a href="./n"><a href="/2">', "/b")
    assert [paths(one.links_of(subject)) for subject in (first, first, second, first)] == [
        ["/n", "/1"],
        ["/n", "/1"],
        ["/2"],
        ["/n", "/1"],
    ]


def test_each_run_and_process_has_its_own_sent_links() -> None:
    """A new extractor has sent nothing; an unpickled one has only the rules."""
    one, two = LinkExtractor(rules()), LinkExtractor(rules())
    subjects = [page('<a href="/n">', "/a"), page('<a href="/n">', "/b")]
    assert [paths(one.links_of(subject)) for subject in subjects] == [["/n"], []]
    assert [paths(two.links_of(subject)) for subject in subjects] == [["/n"], []]
    other_process = pickle.loads(pickle.dumps(one))
    assert other_process.rules == one.rules
    assert paths(other_process.links_of(subjects[1])) == ["/n"]


def test_links_of_a_lost_outcome_are_sent_again() -> None:
    """The next page sends the links of a page whose outcome was lost."""
    one = LinkExtractor(rules())
    assert paths(one.links_of(page('<a href="/n">', "/a"))) == ["/n"]
    one.take_back()
    assert paths(one.links_of(page('<a href="/n">', "/b"))) == ["/n"]


def test_a_page_nearer_to_the_start_sends_again() -> None:
    """A page at a smaller depth sends links again, because their depth changes."""
    one = LinkExtractor(rules())
    pages = [(page('<a href="/n">', f"/{n}"), depth) for n, depth in enumerate((3, 4, 2, 3))]
    assert [paths(one.links_of(subject, depth)) for subject, depth in pages] == [["/n"], [], ["/n"], []]


def test_links_of_an_abandoned_thread_are_sent_again() -> None:
    """Links count as sent when the thread begins its next page, which an abandoned thread never does."""
    one = LinkExtractor(rules())
    lost = threading.Thread(target=one.links_of, args=(page('<a href="/n">', "/a"),))
    lost.start()
    lost.join(10)
    assert paths(one.links_of(page('<a href="/n">', "/b"))) == ["/n"]


def test_the_memory_of_sent_links_is_bounded() -> None:
    """When the memory is full it is emptied, and links are sent once more."""
    sent = SentLinks()
    assert len(sent.unsent(1, 0, range(MAX_SENT))) == MAX_SENT
    assert len(sent.unsent(2, 0, range(MAX_SENT, MAX_SENT + 5))) == 5
    assert len(sent.unsent(3, 0, range(MAX_SENT))) == MAX_SENT


def test_every_link_is_sent_with_edges_or_ranks() -> None:
    """The graph and the ranks need every link of every page."""
    for wanted in (rules(edges=True), rules(priority=shorter_first)):
        one = LinkExtractor(wanted)
        for path in ("/a", "/b"):
            assert paths(one.links_of(page('<a href="/n">', path))) == ["/n"]
