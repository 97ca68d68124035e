"""Admission: which links become known URLs, at which depth and for which scraper, and which are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from parascrape.crawling.admission import Admission, CrawlLimits
from parascrape.crawling.links.discover import CrawlInfo
from parascrape.crawling.links.rules import Scope
from parascrape.crawling.store.states import KnownUrl
from parascrape.crawling.store.url_store import UrlStore
from parascrape.crawling.traps import Traps
from parascrape.scrapers.following import DiscoveredLinks, FollowRequest
from parascrape.web.canonical import CanonicalOptions

PLAN = CrawlLimits(scope=Scope(hosts=("h",)))
ID = "PHPSESSID=0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UrlStore]:
    """An empty frontier."""
    with UrlStore.open(tmp_path / "frontier", options={}) as opened:
        yield opened


def known_after(
    store: UrlStore, found: Sequence[tuple[str, CrawlInfo, DiscoveredLinks]], plan: CrawlLimits = PLAN
) -> list[KnownUrl]:
    """Return the URLs that are pending after these findings."""
    intake = Admission(store, plan, Traps())
    for url, place, one in found:
        intake.take(url, place, one)
    intake.flush()
    return [known for site in sorted(store.sites()) for known in store.take(site, 1000)]


def lead(url: str, kind: str = "redirect", scraper: str = "") -> DiscoveredLinks:
    """Return the findings of a page with one request."""
    return DiscoveredLinks(leads=(FollowRequest(url, kind, scraper),))


def start(store: UrlStore, url: str, plan: CrawlLimits = PLAN, kind: str = "start") -> CrawlInfo:
    """Add a start URL, take it, and return its place."""
    intake = Admission(store, plan, Traps())
    intake.add_starts([url], [])
    intake.flush()
    (known,) = store.take(url.split("/")[2].rpartition("@")[2], 1)
    store.done(known.number)
    return CrawlInfo(known.number, known.depth, kind=kind)


@pytest.mark.parametrize(
    ("url", "target", "plan"),
    [
        ("http://h/a", f"http://h/a?{ID}", PLAN),
        (f"http://h/a?{ID}", "http://h/a", PLAN),
        ("http://h/a;jsessionid=1A2B3C4D5E", "http://h/a", PLAN),
        (
            "http://h/a?utm_source=x",
            "http://h/a",
            CrawlLimits(scope=PLAN.scope, identity=CanonicalOptions(True, False)),
        ),
        (
            "http://h/a?c=1&b=2",
            "http://h/a?b=2&c=1",
            CrawlLimits(scope=PLAN.scope, identity=CanonicalOptions(False, True)),
        ),
    ],
)
def test_a_redirect_to_another_spelling_is_fetched(
    store: UrlStore, url: str, target: str, plan: CrawlLimits
) -> None:
    """One redirect to another spelling is followed; a second one could be endless."""
    place = start(store, url, plan)
    (known,) = known_after(store, [(url, place, lead(target))], plan)
    assert (known.url, known.depth) == (target, 0)
    assert known_after(store, [(url, place, lead(target))], plan) == []
    assert known_after(store, [(target, CrawlInfo(known.number), lead(url))], plan) == []


def test_endless_session_redirects_cost_two_fetches(store: UrlStore) -> None:
    """The site redirects to a new session id each time."""
    place = start(store, "http://h/a")
    urls = [f"http://h/a?PHPSESSID={number:016x}" for number in range(5)]
    fetched = []
    for url, there in zip(["http://h/a", *urls[:-1]], urls, strict=True):
        found = known_after(store, [(url, place, lead(there))])
        fetched += found
        place = CrawlInfo(found[0].number) if found else place
    assert [known.url for known in fetched] == urls[:1]


def test_a_user_name_does_not_make_another_url(store: UrlStore) -> None:
    """Records do not show user names, so they do not distinguish URLs."""
    links = "http://h/a\nhttp://me:secret@h/a\nhttp://you@h/a\nhttp://you@h/b"
    place = start(store, "http://h/")
    known = known_after(store, [("http://h/", place, DiscoveredLinks(links))])
    assert [one.url for one in known] == ["http://h/a", "http://you@h/b"]


@pytest.mark.parametrize(
    ("kind", "depth"), [("redirect", 2), ("canonical", 2), ("follow", 3)], ids=lambda value: str(value)
)
def test_only_followed_links_are_a_step_deeper(store: UrlStore, kind: str, depth: int) -> None:
    """Redirects and canonical URLs are as deep as the page."""
    place = start(store, "http://h/")._replace(depth=2)
    (known,) = known_after(store, [("http://h/", place, lead("http://h/x", kind))])
    assert (known.depth, known.found_on_url) == (depth, "http://h/")


def test_the_depth_limit_holds_for_links_and_follow(store: UrlStore) -> None:
    """Redirects at the limit are still followed."""
    plan = CrawlLimits(scope=PLAN.scope, depth=2)
    place = start(store, "http://h/")._replace(depth=2)
    found = [DiscoveredLinks("http://h/a"), lead("http://h/b", "follow"), lead("http://h/c")]
    known = known_after(store, [("http://h/", place, one) for one in found], plan)
    assert [one.url for one in known] == ["http://h/c"]


def test_a_redirected_start_widens_the_crawl(store: UrlStore) -> None:
    """Its host belongs to later runs too; a redirected page does not widen the crawl."""
    place = start(store, "http://h/")
    links = DiscoveredLinks("http://www.h/b\nhttp://other/c")
    found = [("http://h/", place, lead("http://www.h/")), ("http://www.h/", place, links)]
    assert [one.url for one in known_after(store, found)] == ["http://www.h/", "http://www.h/b"]
    later = [("http://www.h/", place, DiscoveredLinks("http://www.h/d"))]
    assert [one.url for one in known_after(store, later)] == ["http://www.h/d"]
    strange = [("http://h/", CrawlInfo(place.number), lead("http://other/"))]
    assert known_after(store, strange) == []


def test_left_out_links_are_counted_with_examples(store: UrlStore) -> None:
    """Counts are by reason and include earlier runs."""
    intake = Admission(store, PLAN, Traps())
    place = start(store, "http://h/")
    trap = FollowRequest("http://h/a/a/a", "trap:repeated_segments")
    links = "\n".join(f"http://other/{n}" for n in range(5))
    intake.take(
        "http://h/",
        place,
        DiscoveredLinks(links, (trap,), filtered={"nofollow": 2, "trap:repeated_segments": 1}),
    )
    intake.take("http://h/", place, DiscoveredLinks(links))
    intake.save()
    expected = {"host": 5, "nofollow": 2, "trap:repeated_segments": 1}
    assert intake.left_out == Admission(store, PLAN, Traps()).left_out == expected
    assert intake.examples["host"] == [f"http://other/{n}" for n in range(3)]
    assert intake.examples["trap:repeated_segments"] == ["http://h/a/a/a"]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1)])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_url_keeps_the_first_scraper_that_follow_names(
    store: UrlStore, order: Sequence[int], at_once: bool
) -> None:
    """A plain link to the same URL, found before, after or at once, does not change it."""
    place = start(store, "http://h/")
    plain, detail = DiscoveredLinks("http://h/x"), lead("http://h/x", "follow", "shop:detail")
    again = detail if order == (0, 2, 1) else lead("http://h/x", "follow", "shop:other")
    found = [("http://h/", place, (plain, detail, again)[number]) for number in order]
    if not at_once:
        intake = Admission(store, PLAN, Traps())
        for url, where, one in found:
            intake.take(url, where, one)
            intake.flush()
        store.commit()
    assert [one.scraper for one in known_after(store, found)] == ["shop:detail"]


def test_a_redirect_keeps_the_scraper(store: UrlStore) -> None:
    """The redirect's target is scraped by the function that `follow` named."""
    place = start(store, "http://h/")._replace(scraper="shop:detail")
    (known,) = known_after(store, [("http://h/", place, lead("http://h/x"))])
    assert known.scraper == "shop:detail"


def test_nested_sitemap_indexes_are_bounded(store: UrlStore) -> None:
    """Each index names another one."""
    place, depth = CrawlInfo(0, kind="sitemap"), 0
    while found := known_after(store, [("http://h/", place, lead(f"http://h/{depth}.xml", "sitemap"))]):
        place, depth = CrawlInfo(found[0].number, found[0].depth, kind="sitemap"), depth + 1
    assert 1 <= depth <= 10


def test_pages_of_a_sitemap_have_depth_zero(store: UrlStore) -> None:
    """Whatever the depth of the index."""
    place = CrawlInfo(0, 2, kind="sitemap")
    (known,) = known_after(store, [("http://h/s.xml", place, DiscoveredLinks("http://h/x", listed=True))])
    assert known.depth == 0
