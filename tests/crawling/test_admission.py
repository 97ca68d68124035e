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
    """What there is to be fetched when all this was found; and what comes to a new process is the same."""
    intake = Admission(store, plan, Traps())
    for url, place, one in found:
        intake.take(url, place, one)
    intake.flush()
    return [known for site in sorted(store.sites()) for known in store.take(site, 1000)]


def lead(url: str, kind: str = "redirect", scraper: str = "") -> DiscoveredLinks:
    """A page that leads there."""
    return DiscoveredLinks(leads=(FollowRequest(url, kind, scraper),))


def start(store: UrlStore, url: str, plan: CrawlLimits = PLAN, kind: str = "start") -> CrawlInfo:
    """The place of a URL that was begun with and is fetched."""
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
    """The page is behind it, and nothing else leads there; a second such hop would have no end."""
    place = start(store, url, plan)
    (known,) = known_after(store, [(url, place, lead(target))], plan)
    assert (known.url, known.depth) == (target, 0)
    assert known_after(store, [(url, place, lead(target))], plan) == []
    assert known_after(store, [(target, CrawlInfo(known.number), lead(url))], plan) == []


def test_sessions_without_end_are_two_fetches(store: UrlStore) -> None:
    """A site that redirects to a new session each time."""
    place = start(store, "http://h/a")
    urls = [f"http://h/a?PHPSESSID={number:016x}" for number in range(5)]
    fetched = []
    for url, there in zip(["http://h/a", *urls[:-1]], urls, strict=True):
        found = known_after(store, [(url, place, lead(there))])
        fetched += found
        place = CrawlInfo(found[0].number) if found else place
    assert [known.url for known in fetched] == urls[:1]


def test_a_user_name_makes_no_other_url(store: UrlStore) -> None:
    """Records do not show it: two of them would be told apart by nobody."""
    links = "http://h/a\nhttp://me:secret@h/a\nhttp://you@h/a\nhttp://you@h/b"
    place = start(store, "http://h/")
    known = known_after(store, [("http://h/", place, DiscoveredLinks(links))])
    assert [one.url for one in known] == ["http://h/a", "http://you@h/b"]


@pytest.mark.parametrize(
    ("kind", "depth"), [("redirect", 2), ("canonical", 2), ("follow", 3)], ids=lambda value: str(value)
)
def test_only_what_is_followed_is_a_step_deeper(store: UrlStore, kind: str, depth: int) -> None:
    """Redirects and canonical URLs are as deep as the page."""
    place = start(store, "http://h/")._replace(depth=2)
    (known,) = known_after(store, [("http://h/", place, lead("http://h/x", kind))])
    assert (known.depth, known.found_on_url) == (depth, "http://h/")


def test_a_bound_on_depth_holds_for_links_and_follows(store: UrlStore) -> None:
    """Redirects at the bound are still gone after."""
    plan = CrawlLimits(scope=PLAN.scope, depth=2)
    place = start(store, "http://h/")._replace(depth=2)
    found = [DiscoveredLinks("http://h/a"), lead("http://h/b", "follow"), lead("http://h/c")]
    known = known_after(store, [("http://h/", place, one) for one in found], plan)
    assert [one.url for one in known] == ["http://h/c"]


def test_a_start_that_leads_elsewhere_widens_the_crawl(store: UrlStore) -> None:
    """Also for the runs after it; a page that leads elsewhere does not."""
    place = start(store, "http://h/")
    links = DiscoveredLinks("http://www.h/b\nhttp://other/c")
    found = [("http://h/", place, lead("http://www.h/")), ("http://www.h/", place, links)]
    assert [one.url for one in known_after(store, found)] == ["http://www.h/", "http://www.h/b"]
    later = [("http://www.h/", place, DiscoveredLinks("http://www.h/d"))]
    assert [one.url for one in known_after(store, later)] == ["http://www.h/d"]
    strange = [("http://h/", CrawlInfo(place.number), lead("http://other/"))]
    assert known_after(store, strange) == []


def test_what_is_left_out_is_counted_with_examples(store: UrlStore) -> None:
    """By the reason, in this run and those before."""
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
def test_the_scraper_that_a_follow_names_is_the_urls(
    store: UrlStore, order: Sequence[int], at_once: bool
) -> None:
    """The first one's, whether a plain link to the same URL is found before or after, or at once."""
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
    """What was to be scraped by a function of its own is, wherever it stands."""
    place = start(store, "http://h/")._replace(scraper="shop:detail")
    (known,) = known_after(store, [("http://h/", place, lead("http://h/x"))])
    assert known.scraper == "shop:detail"


def test_indexes_of_sitemaps_come_to_an_end(store: UrlStore) -> None:
    """One that names the next for ever."""
    place, depth = CrawlInfo(0, kind="sitemap"), 0
    while found := known_after(store, [("http://h/", place, lead(f"http://h/{depth}.xml", "sitemap"))]):
        place, depth = CrawlInfo(found[0].number, found[0].depth, kind="sitemap"), depth + 1
    assert 1 <= depth <= 10


def test_the_pages_of_a_sitemap_are_as_near_as_starts(store: UrlStore) -> None:
    """Whatever the depth of the index."""
    place = CrawlInfo(0, 2, kind="sitemap")
    (known,) = known_after(store, [("http://h/s.xml", place, DiscoveredLinks("http://h/x", listed=True))])
    assert known.depth == 0
