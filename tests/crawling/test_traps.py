"""Crawler traps: endless sites are stopped by name, honest ones of any size are not; no server needed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from parascrape.crawling.links.near_duplicates import exact_hash, says_missing, simhash
from parascrape.crawling.links.url_patterns import without_session
from parascrape.crawling.traps import TRAP_BUDGET, Trap, Traps

HOST = "http://h"
WINDOW = 30
GOLDEN = 0x9E3779B97F4A7C15  # times a number: 64 bits that are not near the next one's
TEMPLATE = "Example home about contact imprint privacy terms help search login register basket newsletter"
MONTHS = "January February March April May June July August September October November December"


class Text(NamedTuple):
    """A simulated page."""

    text: str
    links: Iterable[str] = ()
    title: str = "Example"


def crawl(site: Callable[[str], Text], start: str = "/", *, traps: Traps, most: int) -> int:
    """Crawl a site breadth-first, at most ``most`` pages; return how many were fetched."""
    known, waiting, fetched = {start}, deque([(start, 0, "")]), 0
    while waiting and fetched < most:
        path, depth, found_on = waiting.popleft()
        url = HOST + path
        if traps.refuse(url):
            continue
        traps.handed_out(url, depth, found_on=found_on)
        fetched += 1
        page = site(path)
        if traps.wants_text(url):
            missing = says_missing(page.title, "", len(page.text))
            traps.note(
                url, depth=depth, likeness=simhash(page.text), exact=exact_hash(page.text), missing=missing
            )
        for link in page.links:
            if without_session(link) not in known:
                known.add(without_session(link))
                waiting.append((link, depth + 1, url))
    return fetched


def number_of(path: str) -> int:
    """Return the number in a path, 0 without one."""
    return int("".join(filter(str.isdigit, path)) or 0)


def word(number: int) -> str:
    """Return a different word for each number."""
    return "w" + "".join(chr(97 + int(digit)) for digit in str(number))


def calendar(last: int, first: int = 24_000) -> Callable[[str], Text]:
    """The months as /calendar/2000/1, each with links to those beside it, until the last."""

    def site(path: str) -> Text:
        year, month = map(int, path.split("/")[2:]) if path != "/" else (first // 12, 1)
        here = year * 12 + month - 1
        beside = [one for one in (here - 1, here + 1) if first <= one <= last]
        days = " ".join(f"Mon {day}" for day in range(1, 29))
        links = [f"/calendar/{one // 12}/{one % 12 + 1}" for one in beside]
        return Text(f"{TEMPLATE} {MONTHS.split()[month - 1]} {year} {days} previous next", links)

    return site


def by_query(path: str) -> Text:
    """Forty things, sorted and filtered in every way, the same things whatever the query says."""
    number = number_of(path)
    things = [word(one) for one in range(40)]
    turned = things[number % 40 :] + things[: number % 40]
    return Text(f"{TEMPLATE} {' '.join(turned)}", [f"/list?sort=s{3 * number + one}" for one in (1, 2, 3)])


def any_slug(path: str) -> Text:
    """A soft 404 for every URL, with links to more of them."""
    links = [f"/p/{path[-20:].strip('/').replace('/', '-')}{end}" for end in "ab"]
    return Text(f"{TEMPLATE} We have no {path}, sorry", links, "Page not found - Example")


def same_text(path: str) -> Text:
    """The same text under numbered URLs."""
    return Text(TEMPLATE, [f"/copy/{2 * number_of(path) + one}" for one in (1, 2)])


def steps(path: str) -> Text:
    """An endless chain of next pages without dates."""
    number = number_of(path)
    return Text(f"{TEMPLATE} step {number} next", [f"/step/{number + 1}"])


@pytest.mark.parametrize(
    ("site", "name", "most"),
    [
        (calendar(10**6), "calendar", TRAP_BUDGET + WINDOW),
        (steps, "endless_chain", TRAP_BUDGET + WINDOW),
        (by_query, "query_variations", TRAP_BUDGET + WINDOW),
        (any_slug, "soft_404", TRAP_BUDGET + WINDOW),
        (same_text, "duplicate_pages", TRAP_BUDGET + WINDOW),
    ],
)
def test_an_endless_site_is_stopped_by_its_name(site: Callable[[str], Text], name: str, most: int) -> None:
    """It ends after the budget and a window, with an example and a count of refused URLs."""
    traps = Traps()
    assert TRAP_BUDGET < crawl(site, traps=traps, most=3000) <= most + 1
    trap = traps.closed()[0]
    assert {one.name for one in traps.closed()} == {name}
    assert TRAP_BUDGET <= trap.pages <= most
    assert trap.example.startswith(HOST)
    assert trap.refused >= 1


def numbered(path: str) -> Text:
    """A thousand listings, each with twenty things; all differ in numbers only."""
    number = number_of(path)
    if path.startswith("/item/"):
        return Text(f"{TEMPLATE} thing {number} costs {number % 97} euros")
    links = [f"/item/{number * 20 + one}" for one in range(1, 21)] if number else []
    return Text(f"{TEMPLATE} listing {number}", [*links, f"/list/{number + 1}"] if number < 1000 else links)


def pagination(path: str) -> Text:
    """Five thousand pages that lead to one another, ten different things on each."""
    number = number_of(path)
    things = " ".join(word(10 * number + one) for one in range(10))
    return Text(f"{TEMPLATE} {things}", [f"/news?page={number + 1}"] if number < 5000 else [])


def few_a_listing(path: str) -> Text:
    """Two things a listing, over hundreds of levels: only the listings are a chain, and they differ."""
    number = number_of(path)
    if path.startswith("/item/"):
        return Text(f"{TEMPLATE} thing {number}")
    links = [f"/item/{2 * number + one}" for one in (0, 1)] + [f"/list/{number + 1}"] * (number < 1500)
    return Text(f"{TEMPLATE} {' '.join(word(4 * number + one) for one in range(4))}", links)


def wiki(path: str) -> Text:
    """Fifteen hundred articles that lead to each other, with their histories."""
    number = number_of(path)
    words = " ".join(word(number * 50 + one) for one in range(50))
    if "?" in path:
        return Text(f"{TEMPLATE} history of {words}")
    others = [f"/wiki/A{(7 * number + one) % 1500}" for one in range(1, 6)]
    return Text(f"{TEMPLATE} {words}", [*others, f"/wiki/A{number}?action=history"])


def with_sessions(path: str) -> Text:
    """Fifty pages whose links carry a new session id each time."""
    number = number_of(without_session(path))
    links = [f"/p/{one}?PHPSESSID={number * 50 + one:032d}" for one in range(50)]
    return Text(f"{TEMPLATE} {word(number)}", links)


@pytest.mark.parametrize(
    ("site", "pages"),
    [
        (numbered, 1 + 1000 + 20_000),
        (pagination, 5001),
        (few_a_listing, 1 + 1500 + 3002),
        (wiki, 2 * 1500 + 1),
        (with_sessions, 51),
        (calendar(24_023), 25),
    ],
)
def test_finite_sites_are_crawled_completely(site: Callable[[str], Text], pages: int) -> None:
    """Templates, long pagination, few things a listing, a wiki, session ids, a calendar of two years."""
    traps = Traps()
    assert crawl(site, traps=traps, most=30_000) == pages
    assert traps.closed() == []


def test_a_hundred_thousand_pages_of_one_template_are_not_a_trap() -> None:
    """Pages are found a thousand per level or all at once; few texts are hashed."""
    traps, read = Traps(), 0
    for number in range(100_000):
        url = f"{HOST}/item/{number}"
        traps.handed_out(url, number // 1000)
        if traps.wants_text(url):
            read += 1
            traps.note(url, depth=1, likeness=7, exact=number + 1, missing=False)
    assert traps.closed() == []
    assert read <= 14 * WINDOW


def feed(traps: Traps, numbers: Iterable[int], *, exact: int | None = 1, missing: bool = False) -> None:
    """Pages of one pattern, a level each, all of one text where ``exact`` is given."""
    for number in numbers:
        url = f"{HOST}/item/{number}"
        traps.handed_out(url, number)
        if traps.wants_text(url):
            traps.note(
                url,
                depth=number,
                likeness=number * GOLDEN % 2**64,
                exact=exact or number + 1,
                missing=missing,
            )


def trapped(traps: Traps) -> str:
    """Return the name of the trap that `feed` has made."""
    return traps.refuse(f"{HOST}/item/0")


@pytest.mark.parametrize(("budget", "most"), [(1, 60), (100, 140), (1000, 1031)])
def test_the_budget_is_what_a_suspected_pattern_may_have(budget: int, most: int) -> None:
    """A pattern gets its budget and the rest of a window."""
    traps = Traps(budget=budget)
    feed(traps, range(budget))
    assert not trapped(traps)
    feed(traps, range(budget, most))
    assert trapped(traps) == "duplicate_pages"


def test_without_a_budget_nothing_is_closed_and_nothing_read() -> None:
    """Zero means no limit."""
    traps = Traps(budget=0)
    feed(traps, range(5000))
    assert not trapped(traps)
    assert not traps.wants_text(f"{HOST}/item/1")


def test_a_suspicion_that_is_not_confirmed_is_dropped() -> None:
    """The first pages are alike, later ones are not."""
    traps = Traps()
    feed(traps, range(60))
    feed(traps, range(60, 6000), exact=None)
    assert not trapped(traps)


def test_a_pattern_that_was_honest_may_have_the_budget_again() -> None:
    """After ten thousand pages, a suspicion grants the budget once more."""
    traps = Traps()
    feed(traps, range(10_000), exact=None)
    feed(traps, range(10_000, 30_000))
    assert trapped(traps) == "duplicate_pages"
    assert 10_000 + TRAP_BUDGET < number_of(traps.closed()[0].example) < 24_000


@pytest.mark.parametrize(("alike", "name"), [(26, ""), (27, "duplicate_pages")])
def test_nine_of_ten_pages_of_a_window_must_be_alike(alike: int, name: str) -> None:
    """That is 27 of 30 pages."""
    traps = Traps(budget=20)
    feed(traps, range(20 + alike - 1))
    feed(traps, range(20 + alike - 1, 49), exact=None)
    assert trapped(traps) == name


@pytest.mark.parametrize(("missing", "name"), [(True, "soft_404"), (False, "")])
def test_soft_404s_need_not_be_alike(missing: bool, name: str) -> None:
    """A soft 404 may show the requested name."""
    traps = Traps()
    feed(traps, range(1100), exact=None, missing=missing)
    assert trapped(traps) == name


def test_pages_without_text_are_no_evidence() -> None:
    """An exact hash of zero does not count, nor do pages that were never handed out."""
    traps = Traps()
    for number in range(3000):
        url = f"{HOST}/item/{number}"
        traps.handed_out(url, 1)
        traps.note(url, depth=1, likeness=0, exact=0, missing=True)
        traps.note(f"{HOST}/other/{number}", depth=1, likeness=1, exact=1, missing=True)
    assert traps.closed() == []


def test_refused_urls_are_counted() -> None:
    """The trap has a name, pages and an example; pages in flight count as pages."""
    traps = Traps()
    feed(traps, range(1031))
    for number in range(5):
        traps.refuse(f"{HOST}/item/x{number}")
        traps.refuse(f"{HOST}/elsewhere/{number}")
    [trap] = traps.closed()
    pages, example = trap.pages, trap.example
    assert trap == Trap(f"{HOST}/item/*", "duplicate_pages", pages, example, 5)
    traps.handed_out(f"{HOST}/item/z", 3)
    assert traps.closed()[0].pages == pages + 1
    assert traps.refuse(f"{HOST}/items/1") == ""


def test_the_least_recently_used_pattern_is_forgotten() -> None:
    """Closed patterns and recently used ones stay."""
    traps = Traps(max_patterns=10)
    feed(traps, range(1031))
    for number in range(1000):
        traps.handed_out(f"{HOST}/d{'x' * (number % 400)}/1", 1)
        traps.handed_out(f"{HOST}/kept/{number}", 1)
    assert trapped(traps)
    patterns = [row[0] for row in traps.dump()["patterns"]["open"]]
    assert patterns == [f"{HOST}/kept/*"]


def test_dumped_evidence_is_restored() -> None:
    """Closed patterns, refusals, counts and suspicions survive JSON."""
    traps = Traps()
    assert not traps.changed
    assert Traps(data={}).closed() == []
    feed(traps, range(500))
    assert traps.changed
    again = Traps(data=json.loads(json.dumps(traps.dump())))
    assert not traps.changed
    assert again.dump() == traps.dump()
    feed(again, range(500, 1031))
    assert trapped(again) == "duplicate_pages"
    again.dump()
    again.refuse(f"{HOST}/item/9")
    assert again.changed
    assert Traps(data=json.loads(json.dumps(again.dump()))).closed() == again.closed()


@pytest.mark.parametrize(("budget", "closed"), [(500, True), (1000, True), (2000, False), (0, False)])
def test_a_larger_budget_opens_a_closed_pattern(budget: int, closed: bool) -> None:
    """The pattern stays open until the larger budget is spent."""
    traps = Traps()
    feed(traps, range(1031))
    again = Traps(data=traps.dump(), budget=budget)
    assert bool(trapped(again)) is closed
    feed(again, range(1031, 2031))
    assert bool(trapped(again)) is (budget > 0)


@pytest.mark.parametrize("data", [{"open": [["p", 1]]}, {"open": [3]}, {"closed": [[1, 2]]}])
def test_invalid_data_is_refused(data: dict[str, object]) -> None:
    """A wrong number of values is an error."""
    with pytest.raises((ValueError, TypeError)):
        Traps(data={"patterns": data})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=200))
def test_counts_hold_in_any_order_of_calls(calls: list[tuple[int, int, bool]]) -> None:
    """Pages may be noted late, twice or never; each page that is handed out counts once."""
    traps = Traps(budget=5)
    handed_out = [0] * 4
    for directory, what, missing in calls:
        url = f"{HOST}/{'abcd'[directory]}/1"
        for _ in range(10 * what):
            traps.handed_out(url, what)
            handed_out[directory] += 1
            traps.note(url, depth=what, likeness=what, exact=1 + what, missing=missing)
    data = traps.dump()["patterns"]
    counts = {row[0]: row[1] for row in data["open"]} | {row[0]: row[2] for row in data["closed"]}
    expected = {f"{HOST}/{'abcd'[one]}/*": count for one, count in enumerate(handed_out)}
    assert counts == {pattern: count for pattern, count in expected.items() if count >= 20}
