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
    """Where a page leads by these rules, in a crawl of its own."""
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
def test_a_page_may_ask_that_nothing_be_followed(markup: str, headers: dict[str, str]) -> None:
    """By <meta> or header, for all robots or for this one; ``nofollow=False`` follows all the same."""
    subject = page(f'<head>{markup}</head><a href="/a"><a href="/b" rel="nofollow">', **headers)
    found = find_links(subject, rules(user_agent="examplebot/1.0"))
    assert (found.links, found.filtered) == ("", {"nofollow": 2})
    assert paths(find_links(subject, rules(nofollow=False))) == ["/a", "/b"]


def test_what_is_meant_for_another_robot_holds_nobody_else() -> None:
    """A <meta> with another's name."""
    subject = page('<head><meta name="otherbot" content="nofollow"></head><a href="/a">')
    assert paths(find_links(subject, rules(user_agent="examplebot/1.0"))) == ["/a"]


def test_traps_are_told_by_name_and_not_followed() -> None:
    """At most twenty of a page; all are counted."""
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
def test_links_are_looked_for_where_the_user_says(follow: tuple[str, ...], expected: list[str]) -> None:
    """In or at the elements that a selector matches, in the order of the document; not in headers."""
    markup = """<nav><a href="/nav"></a></nav><main><a href="/1"></a><p><b><a href="/2"></a></b></p>
        <iframe src="/3"></iframe><a class="next" href="/3"></a></main><p id="f"><a href="/foot"></a></p>"""
    assert paths(find_links(page(markup, Link="</h>; rel=next"), rules(follow=follow))) == (
        expected if follow else ["/h", *expected]
    )


@pytest.mark.parametrize("selector", ["", "a[", "a::text", "a::attr(href)", "p >", "a,,b", "'", "a\x07"])
def test_a_selector_that_is_none_is_refused_at_once(selector: str) -> None:
    """In one line that names the option."""
    with pytest.raises(UsageError, match=r"\A--follow .*: no CSS selector of elements[^\n]*\Z"):
        LinkRules(follow=(selector,))


def test_spellings_are_one_by_the_users_identity() -> None:
    """With it what only tracks makes no second link, without it it does."""
    markup = '<a href="/a?b=1"><a href="/a?b=1&utm_source=x">'
    assert len(paths(find_links(page(markup), rules(identity=CanonicalOptions(drop_tracking=True))))) == 1
    assert len(paths(find_links(page(markup), rules()))) == 2


def test_a_link_to_where_the_page_was_asked_for_leads_nowhere() -> None:
    """Of a page that was redirected both URLs are its own."""
    subject = Page(f"{HOST}/old", b'<a href="/old"><a href="/new"><a href="/x">', final_url=f"{HOST}/new")
    assert paths(find_links(subject, rules())) == ["/x"]


# --- bounds --------------------------------------------------------------------------------------------


def test_links_of_one_page_are_bounded_and_the_rest_counted() -> None:
    """In number."""
    found = find_links(page("".join(f"<a href={n}>" for n in range(MAX_LINKS + 7))), rules())
    assert (len(paths(found)), found.filtered) == (MAX_LINKS, {"too_many": 7})


def test_a_long_base_does_not_multiply_what_crosses() -> None:
    """In characters: 12,000 short links relative to a base of 1,900 would be 23 million."""
    markup = f'<base href="/{"b" * 1900}/">' + "".join(f"<a href={n}>" for n in range(12_000))
    found = find_links(page(markup), rules())
    assert len(found.links) <= MAX_CHARACTERS
    assert found.filtered == {"too_many": 12_000 - len(paths(found))}


def test_what_is_remembered_of_links_is_bounded() -> None:
    """Links and places alike; what was forgotten is worked out again."""
    resolver = LinkResolver(Scope(hosts=("h.example",)), AS_SENT)
    caches = [resolver.cache_of(f"{HOST}/{n}/", "h.example", "utf-8") for n in range(MAX_KNOWN + 10)]
    assert resolver.cache_of(f"{HOST}/0/", "h.example", "utf-8") is not caches[0]
    assert resolver.cache_of(f"{HOST}/{MAX_KNOWN + 9}/", "h.example", "utf-8") is caches[-1]
    base = resolver.base(f"{HOST}/d/", f"{HOST}/d/")
    assert base.lead("x" * 700) == base.lead("x" * 700)
    assert base.lead("x" * 700) is not base.lead("x" * 700), "long links are not cached"


# --- the graph -----------------------------------------------------------------------------------------


def test_edges_are_drawn_for_every_link() -> None:
    """With kind, flags, URL and text; each URL once a kind, followed or not, and each time anew."""
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
    """A priority for the tests."""
    if "bad" in url:
        raise ValueError(f"no {url}")
    return float("nan") if "nan" in url else -len(url) + page.status


@pytest.mark.parametrize("reference", [False, True])
def test_a_users_priority_ranks_the_links(reference: bool, tmp_path: Path) -> None:
    """One rank a link, lower for what is wanted sooner, by a function or its reference; every time."""
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
def test_a_priority_that_fails_fails_the_page(href: str, why: str) -> None:
    """As a scraper that raises does."""
    with pytest.raises(ScrapeError, match=f"--priority: {why}"):
        find_links(page(f'<a href="{href}">'), rules(priority=shorter_first))


@pytest.mark.parametrize("priority", ["nowhere.py:rank", "parascrape.web.page:nothing", "math", len])
def test_a_priority_that_cannot_be_called_is_refused(priority: object) -> None:
    """In one line that names the option; in a worker as the page's failure."""
    one = rules(priority=priority)
    with pytest.raises(UsageError, match=r"\A--priority: [^\n]*\Z"):
        priority_of(one)
    with pytest.raises(ScrapeError, match="--priority"):
        find_links(page("<p>"), one)


# --- sent once -----------------------------------------------------------------------------------------


def test_a_link_that_has_been_sent_does_not_cross_again() -> None:
    """What is new on the next page does, and what the same page asks for again."""
    one = LinkExtractor(rules())
    first, second = page('<a href="/n"><a href="/1">', "/a"), page('<a href="./n"><a href="/2">', "/b")
    assert [paths(one.links_of(subject)) for subject in (first, first, second, first)] == [
        ["/n", "/1"],
        ["/n", "/1"],
        ["/2"],
        ["/n", "/1"],
    ]


def test_another_run_and_another_process_have_sent_nothing() -> None:
    """An extractor of its own, and an unpickled one, which has the rules only."""
    one, two = LinkExtractor(rules()), LinkExtractor(rules())
    subjects = [page('<a href="/n">', "/a"), page('<a href="/n">', "/b")]
    assert [paths(one.links_of(subject)) for subject in subjects] == [["/n"], []]
    assert [paths(two.links_of(subject)) for subject in subjects] == [["/n"], []]
    other_process = pickle.loads(pickle.dumps(one))
    assert other_process.rules == one.rules
    assert paths(other_process.links_of(subjects[1])) == ["/n"]


def test_what_is_taken_back_is_sent_by_the_next_page() -> None:
    """The outcome of the first page came to nothing."""
    one = LinkExtractor(rules())
    assert paths(one.links_of(page('<a href="/n">', "/a"))) == ["/n"]
    one.take_back()
    assert paths(one.links_of(page('<a href="/n">', "/b"))) == ["/n"]


def test_a_page_nearer_to_the_start_sends_again() -> None:
    """Its links have another depth."""
    one = LinkExtractor(rules())
    pages = [(page('<a href="/n">', f"/{n}"), depth) for n, depth in enumerate((3, 4, 2, 3))]
    assert [paths(one.links_of(subject, depth)) for subject, depth in pages] == [["/n"], [], ["/n"], []]


def test_a_thread_that_is_given_up_has_sent_nothing() -> None:
    """Its page's links count as sent only when it begins another, which it never does."""
    one = LinkExtractor(rules())
    lost = threading.Thread(target=one.links_of, args=(page('<a href="/n">', "/a"),))
    lost.start()
    lost.join(10)
    assert paths(one.links_of(page('<a href="/n">', "/b"))) == ["/n"]


def test_what_is_remembered_as_sent_is_bounded() -> None:
    """Then all is forgotten, and crosses once more."""
    sent = SentLinks()
    assert len(sent.unsent(1, 0, range(MAX_SENT))) == MAX_SENT
    assert len(sent.unsent(2, 0, range(MAX_SENT, MAX_SENT + 5))) == 5
    assert len(sent.unsent(3, 0, range(MAX_SENT))) == MAX_SENT


def test_everything_is_sent_with_edges_or_ranks() -> None:
    """The graph and the ranks need every link of every page."""
    for wanted in (rules(edges=True), rules(priority=shorter_first)):
        one = LinkExtractor(wanted)
        for path in ("/a", "/b"):
            assert paths(one.links_of(page('<a href="/n">', path))) == ["/n"]
