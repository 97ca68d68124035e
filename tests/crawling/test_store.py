"""The frontier on disk agrees with a model after any calls in any order, killed or not."""

from __future__ import annotations

import math
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from parascrape.crawling.store.database import remove_database
from parascrape.crawling.store.keys import KeyLimits, NewUrl, url_key
from parascrape.crawling.store.states import KnownUrl
from parascrape.crawling.store.url_store import UrlCounts, UrlStore
from parascrape.errors import UsageError

FEW = KeyLimits(recent=3, waiting=5, per_commit=2, pace=0, ranks=2)
OPTIONS = {"depth": 3, "include": ["*/a/*"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a new frontier."""
    return tmp_path / "out.frontier"


@pytest.fixture
def store(path: Path) -> Iterator[UrlStore]:
    """Yield an empty store."""
    with UrlStore.open(path, options=OPTIONS) as opened:
        yield opened


def page(name: object, depth: int = 0, rank: float | None = None, **more: object) -> NewUrl:
    """A page of the site ``h``."""
    url = f"http://h/{name}"
    return NewUrl(url_key(url), url, "h", depth, 0, depth if rank is None else rank)._replace(**more)  # type: ignore[arg-type]


def names(taken: list[KnownUrl]) -> list[str]:
    """Return the names that `page` was called with."""
    return [known.url.removeprefix("http://h/") for known in taken]


def test_taken_urls_have_the_added_fields(store: UrlStore) -> None:
    """A URL has the URL of the page that links to it."""
    store.add(
        [page("start"), page("map", 1, found_on=1, kind="sitemap"), page("x", 2, found_on=2, scraper="m:f")]
    )
    assert store.take("h", 9) == [
        KnownUrl(1, "http://h/start", 0, "", "", ""),
        KnownUrl(2, "http://h/map", 1, "http://h/start", "sitemap", ""),
        KnownUrl(3, "http://h/x", 2, "http://h/map", "", "m:f"),
    ]
    assert store.take("h", 9) == store.take("other", 9) == []


@pytest.mark.parametrize(
    ("found", "order"),
    [
        ([page("a", 1), page("b", 0), page("c", 0)], "bca"),
        ([page("a", 0, 5.0), page("b", 9, -2.5), page("c", 0, math.nan), page("d", 0, math.inf)], "bacd"),
        ([page("a", 2), page("b", 1), page("a", 0)], "ab"),
        ([page("a", 0, -math.inf), page("b", 0, math.nan), page("b", 0, 1.0), page("c", 0, 2.0)], "abc"),
    ],
    ids=["depth", "rank", "a better depth", "a better rank"],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_urls_are_taken_by_rank_and_then_by_number(
    store: UrlStore, found: list[NewUrl], order: str, at_once: bool
) -> None:
    """NaN ranks last; a URL that is found again keeps the better rank."""
    for batch in [found] if at_once else [[url] for url in found]:
        store.add(batch)
    assert "".join(names(store.take("h", 9))) == order


def test_a_smaller_depth_replaces_the_linking_page(store: UrlStore) -> None:
    """The depth and the linking page change together."""
    store.add([page("a"), page("b"), page("c", 3, found_on=1)])
    store.add([page("c", 2, found_on=2), page("c", 2, found_on=1)])
    assert store.take("h", 9)[2][2:4] == (2, "http://h/b")


@pytest.mark.parametrize("ranked", [False, True], ids=["breadth-first", "best-first"])
def test_urls_beyond_the_depth_stay_pending(store: UrlStore, ranked: bool) -> None:
    """A later take with a larger depth returns them, whatever their ranks are."""
    store.add([page(depth, depth, -depth if ranked else None) for depth in range(4)])
    assert names(store.take("h", 9, max_depth=1)) == (["1", "0"] if ranked else ["0", "1"])
    assert store.take("h", 9, max_depth=1) == []
    assert names(store.take("h", 1, max_depth=2)) == ["2"]
    assert store.sites() == {"h": 1}
    assert names(store.take("h", 9)) == ["3"]
    assert store.sites() == {}


def test_take_does_not_scan_urls_beyond_the_depth(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breadth-first, an empty take costs the same with ten thousand URLs waiting."""
    ticks: list[int] = []
    connect = sqlite3.connect

    def counting(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_progress_handler(lambda: ticks.append(1), 1000)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counting)
    with UrlStore.open(path, options=OPTIONS) as store:
        store.add([page(number, 5) for number in range(10_000)])
        ticks.clear()
        assert store.take("h", 32, max_depth=4) == []
        assert len(store.take("h", 32, max_depth=5)) == 32
        assert len(ticks) < 5


def test_refused_urls_have_their_reasons(store: UrlStore) -> None:
    """Refusals are counted by reason, and `reopen` makes those of one reason pending again."""
    store.add([page("calendar/1"), *map(page, range(2500))])
    store.refuse(store.take("h", 1)[0].number, "trap: calendar")
    store.refuse(store.take("h", 1)[0].number, "budget")
    for known in store.take("h", 2000):
        store.refuse(known.number, "budget")
    assert store.counts() == UrlCounts(2501, 499, 0, {"trap: calendar": 1, "budget": 2001})
    assert store.reopen(lambda reason: reason.startswith("budget")) == 2001
    assert store.counts() == UrlCounts(2501, 2500, 0, {"trap: calendar": 1})
    assert store.sites() == {"h": 2500}


def test_states_can_change_while_urls_are_read(store: UrlStore) -> None:
    """Each URL is read once, in batches of a thousand."""
    store.add([page(number) for number in range(2500)])
    for known in store.take("h", 9999):
        store.done(known.number)
    assert store.counts() == UrlCounts(2500, 0, 2500, {})
    assert (store.sites(), store.take("h", 1)) == ({}, [])
    assert store.mark_pending(number for number, _ in store.each_done()) == 2500
    assert store.mark_pending([1, 9999]) == 0
    assert [known.number for known in store.take("h", 9999)] == list(range(1, 2501))


class Model(RuleBasedStateMachine):
    """The store beside dictionaries as a model; the small limits make its caches overflow often."""

    folder = Path()

    @initialize()
    def begin(self) -> None:
        """An empty store."""
        self.path = Path(tempfile.mkdtemp(dir=self.folder)) / "0"
        self.store = UrlStore.open(self.path, options=OPTIONS, limits=FEW)
        self.urls: list[dict[str, object]] = []
        self.taken: set[int] = set()
        self.saved: list[dict[str, object]] = []

    def teardown(self) -> None:
        """Give the file back."""
        self.store.close()

    def ready(self, site: str = "") -> list[tuple[float, int]]:
        """Return the URLs that can be taken, in order."""
        return sorted(
            (url["rank"], number)  # type: ignore[misc]
            for number, url in enumerate(self.urls, 1)
            if url["state"] == "" and number not in self.taken and site in (url["site"], "")
        )

    @rule(
        found=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(0, 2)), max_size=12),
        ranked=st.booleans(),
    )
    def add(self, found: list[tuple[int, int, int]], ranked: bool) -> None:
        """Some of forty URLs, on two sites."""
        batch, new = [], 0
        for name, depth, rank in found:
            one = page(name, depth, float(rank if ranked else depth), site=f"h{name % 2}")
            batch.append(one)
            held = [number for number, url in enumerate(self.urls, 1) if url["url"] == one.url]
            if not held:
                new += 1
                self.urls.append(
                    {"url": one.url, "site": one.site, "depth": depth, "rank": one.rank, "state": ""}
                )
            elif self.urls[held[0] - 1]["state"] == "" and held[0] not in self.taken:
                known = self.urls[held[0] - 1]
                known["depth"], known["rank"] = min(known["depth"], depth), min(known["rank"], one.rank)  # type: ignore[type-var]
        assert self.store.add(batch) == new

    @rule(site=st.sampled_from(["h0", "h1"]), limit=st.integers(1, 6), bound=st.none() | st.integers(0, 2))
    def take(self, site: str, limit: int, bound: int | None) -> None:
        """The first ones that are not too deep."""
        fit = [n for _, n in self.ready(site) if bound is None or self.urls[n - 1]["depth"] <= bound]  # type: ignore[operator]
        found = self.store.take(site, limit, max_depth=bound)
        assert [known.number for known in found] == fit[:limit]
        assert [known.depth for known in found] == [self.urls[n - 1]["depth"] for n in fit[:limit]]
        self.taken.update(fit[:limit])

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), state=st.sampled_from(["done", "trap", "budget", ""]))
    def land(self, data: st.DataObject, state: str) -> None:
        """Finish taken URLs, or put them back."""
        number = data.draw(st.sampled_from(sorted(self.taken)))
        self.taken.remove(number)
        self.urls[number - 1]["state"] = state
        if not state:
            self.store.mark_pending([number])
        elif state == "done":
            self.store.done(number)
        else:
            self.store.refuse(number, state)

    @precondition(lambda self: self.urls)
    @rule(data=st.data(), done=st.booleans())
    def mark(self, data: st.DataObject, done: bool) -> None:
        """Any URL, whatever became of it."""
        numbers = data.draw(st.sets(st.integers(1, len(self.urls)), max_size=5))
        if not done:
            self.store.mark_pending(numbers)
        for number in numbers:
            if done:
                self.store.done(number)
            self.urls[number - 1]["state"] = "done" if done else ""
        self.taken -= numbers

    @rule()
    def reopen(self) -> None:
        """Reopen the URLs that were refused for one reason."""
        again = [url for url in self.urls if url["state"] == "trap"]
        assert self.store.reopen(lambda reason: reason == "trap") == len(again)
        for url in again:
            url["state"] = ""

    @rule()
    def commit(self) -> None:
        """From here on it lasts."""
        self.store.commit()
        self.saved = [dict(url) for url in self.urls]

    @rule(killed=st.booleans())
    def open_again(self, killed: bool) -> None:
        """As it was closed; or, of a copy of what was on the disk, as it was committed."""
        if killed:
            before, self.path = self.path, self.path.with_name(str(int(self.path.name) + 1))
            for suffix in ("", "-wal"):
                shutil.copy(f"{before}{suffix}", f"{self.path}{suffix}")
            self.urls = [dict(url) for url in self.saved]
        self.store.close()
        self.store = UrlStore.open(self.path, options=OPTIONS, limits=FEW)
        self.taken.clear()
        self.saved = [dict(url) for url in self.urls]

    @invariant()
    def counts_agree(self) -> None:
        """Also where nothing was written."""
        if self.urls:
            states = [url["state"] for url in self.urls]
            refused = {name: states.count(name) for name in ("trap", "budget") if name in states}
            assert self.store.counts() == (len(states), states.count(""), states.count("done"), refused)
            held = {site: len(self.ready(site)) for site in ("h0", "h1")}
            assert self.store.sites() == {site: count for site, count in held.items() if count}

    @invariant()
    def every_url_is_found_by_its_key(self) -> None:
        """And an unknown one is not."""
        if self.urls:
            known = {url["url"] for url in self.urls}
            for name in (0, 7, 13, 22, 40):
                url = f"http://h/{name}"
                assert self.store.url_of(url_key(url)) == (url if url in known else "")


def test_the_store_does_what_the_model_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls come in any order, with and without kills."""
    monkeypatch.setattr(Model, "folder", tmp_path)
    Model.TestCase.settings = settings(
        max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    Model.TestCase("runTest").debug()


def test_values_and_urls_last(path: Path) -> None:
    """They are there when the store is opened again."""
    with UrlStore.open(path, options=OPTIONS) as store:
        assert store.value("groups") is None
        store.set_value("groups", {"a": [1, 2.5, None, "本"]})
        store.add([page("a"), page("b", 1, found_on=1)])
        store.done(store.take("h", 1)[0].number)
    with UrlStore.open(path, options=dict(reversed(OPTIONS.items()))) as store:
        assert store.value("groups") == {"a": [1, 2.5, None, "本"]}
        assert list(store.each_done()) == [(1, "http://h/a")]
        assert names(store.take("h", 9)) == ["b"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 4, "include": ["*/a/*"]}, "has depth 3, not 4"),
        ({"depth": 3, "include": []}, r'has include \["\*/a/\*"\], not \[\]'),
        ({"depth": 3}, r'has include \["\*/a/\*"\], not null'),
        ({**OPTIONS, "reach": "x" * 200}, r'has reach null, not "x{78}…'),
    ],
)
def test_a_store_with_other_options_is_refused(path: Path, options: dict[str, object], said: str) -> None:
    """The error names the first option that differs; the file is unchanged."""
    UrlStore.open(path, options=OPTIONS).close()
    with pytest.raises(UsageError, match=rf"out\.frontier {said}: --overwrite starts anew$"):
        UrlStore.open(path, options=options)
    UrlStore.open(path, options=OPTIONS).close()


def foreign(path: Path, *statements: str) -> None:
    """Run these statements in the database."""
    with closing(sqlite3.connect(path)) as other:
        for statement in statements:
            other.execute(statement)
        other.commit()


def damage(path: Path, start: int) -> None:
    """Overwrite a frontier from this byte on; nothing for -1."""
    with UrlStore.open(path, options=OPTIONS) as store:
        store.add([page(number) for number in range(2000)])
    whole = path.read_bytes()
    start = start % (len(whole) + 1)
    path.write_bytes(whole[:start] + b"\xff" * (len(whole) - start))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda path: path.write_bytes(b'{"url": "http://h/"}\n' * 500),
            "is no frontier of a crawl, or damaged",
        ),
        (lambda path: foreign(path, "CREATE TABLE bookmarks (url TEXT)"), "is no frontier of a crawl"),
        (lambda path: foreign(path, "PRAGMA application_id = 7"), "is no frontier of a crawl"),
        (
            lambda path: (damage(path, -1), foreign(path, "PRAGMA user_version = 9")),
            "was made by a later version of parascrape",
        ),
        (lambda path: damage(path, 100), "is no frontier of a crawl, or damaged"),
        (lambda path: damage(path, 4096), "is no frontier of a crawl, or damaged"),
        (lambda path: damage(path, 30_000), "is no frontier of a crawl, or damaged"),
    ],
    ids=["records", "foreign", "marked", "format", "header", "tables", "rows"],
)
def test_a_file_that_is_not_a_frontier_is_not_changed(path: Path, make: object, said: str) -> None:
    """The error is one line with the remedy; the file is unchanged."""
    make(path)  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(UsageError) as caught:
        UrlStore.open(path, options=OPTIONS)
    assert str(caught.value) == f"{path} {said}: --overwrite starts anew"
    assert path.read_bytes() == before


@pytest.mark.parametrize("begun", [(), ("PRAGMA journal_mode = WAL", "VACUUM")], ids=["nothing", "no tables"])
def test_an_unfinished_new_file_is_made_again(path: Path, begun: tuple[str, ...]) -> None:
    """A process was killed before there were tables."""
    path.touch()
    foreign(path, *begun)
    with UrlStore.open(path, options=OPTIONS) as store:
        assert store.counts() == (0, 0, 0, {})


def test_a_file_has_one_user(path: Path, store: UrlStore) -> None:
    """A second process is refused."""
    with pytest.raises(UsageError, match="is in use by another process"):
        UrlStore.open(path, options=OPTIONS)


def test_an_impossible_path_is_refused(tmp_path: Path) -> None:
    """The path is a folder, or its folder is a file."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "x"):
        with pytest.raises(UsageError, match=r"^cannot (open|use) .*: "):
            UrlStore.open(path, options=OPTIONS)


def test_remove_database_deletes_the_log_too(path: Path) -> None:
    """A log left by a killed process does not go to the next database."""
    remove_database(path)
    store = UrlStore.open(path, options=OPTIONS)
    store.add([page("a")])
    store.commit()
    log = Path(f"{path}-wal").read_bytes()
    store.close()
    remove_database(path)
    assert list(path.parent.iterdir()) == []
    Path(f"{path}-wal").write_bytes(log)
    with UrlStore.open(path, options={}) as anew:
        assert anew.counts().known == 0
    with pytest.raises(UsageError, match="cannot delete"):
        remove_database(path.parent)
