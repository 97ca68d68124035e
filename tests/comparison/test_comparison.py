"""Strategies, samples, statistics, and the options of a run."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from parascrape.comparison.sample import URL_COLUMN, host_of, sample_entries, write_list
from parascrape.comparison.statistics import chance, clearly_faster, rank, summarise_runs
from parascrape.comparison.strategies import (
    checking_strategies,
    default_strategies,
    parse_strategies,
    shown_command,
)
from parascrape.errors import UsageError
from parascrape.files.lists import read_lists
from parascrape.records import Entry
from parascrape.settings import SETTINGS_OPTIONS, Settings, command_options
from tests.helpers.comparisons import make_figures, make_run

SECONDS = st.lists(st.floats(0.001, 1000), min_size=1, max_size=6)

# --- strategies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "options", "fetches"),
    [
        ("sequential", "sequential", "--mode sequential", 1),
        ("auto", "auto", "--mode auto", 32),
        ("thread", "thread:32", "--mode thread --threads 32", 32),
        (" thread:8 ", "thread:8", "--mode thread --threads 8", 8),
        ("process:2", "process:2x8", "--mode process --processes 2 --threads 8", 16),
        ("process:3x1", "process:3x1", "--mode process --processes 3 --threads 1", 3),
    ],
)
def test_a_strategy_is_read_as_it_is_written(text: str, name: str, options: str, fetches: int) -> None:
    """Missing numbers have the defaults of the mode; all become options of the command."""
    (strategy,) = parse_strategies(text)
    assert (strategy.name, " ".join(strategy.options), strategy.fetches) == (name, options, fetches)
    assert parse_strategies(strategy.name) == (strategy,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "fast",
        "thread:0",
        "thread:1025",
        "thread:2x2",
        "process",
        "process:2x",
        "sequential:1",
        "thread:8,thread:8",
        "thread,thread:32",
        "process:2x8x2",
        "thread:-1",
        "auto:8",
    ],
)
def test_anything_else_is_not_a_strategy(text: str) -> None:
    """The message names the option."""
    with pytest.raises(UsageError, match="--strategies"):
        parse_strategies(text)


@pytest.mark.parametrize("cpus", [1, 2, 3, 4, 64])
def test_the_grids_fit_the_machine(cpus: int) -> None:
    """No strategy is repeated, all can be parsed, and none has more processes than there are CPUs."""
    grid = default_strategies(cpus)
    assert len(set(grid)) == len(grid)
    assert parse_strategies(",".join(strategy.name for strategy in grid)) == grid
    assert max(strategy.processes for strategy in grid) == cpus
    assert {strategy.mode for strategy in checking_strategies(cpus)} == {"sequential", "thread", "process"}


# --- samples ----------------------------------------------------------------------------------------


def entries(count: int, hosts: int = 5) -> list[Entry]:
    """Return a list of so many URLs."""
    return [Entry(f"http://host{number % hosts}.example/{number}", number) for number in range(count)]


def test_a_sample_is_the_same_whatever_the_order() -> None:
    """It is sorted as the list is."""
    listed = entries(500)
    sample = sample_entries(listed, 50)
    assert {entry.url for entry in sample_entries(reversed(listed), 50).entries} == {
        entry.url for entry in sample.entries
    }
    assert [entry.line for entry in sample.entries] == sorted(entry.line for entry in sample.entries)
    assert (len(sample.entries), sample.total, sample.invalid) == (50, 500, 0)


def test_a_host_has_its_share_of_the_sample() -> None:
    """A host with nine tenths of the list has about nine tenths of the sample."""
    listed = [Entry(f"http://{'big' if number % 10 else 'small'}.example/{number}") for number in range(3000)]
    drawn = [host_of(entry.url) for entry in sample_entries(listed, 300).entries]
    assert 240 < drawn.count("http://big.example:80") < 295


def test_a_url_is_drawn_once_and_only_where_it_may_be() -> None:
    """Spellings of one URL count once; lines without a URL are counted separately."""
    listed = [Entry("http://a.example"), Entry("HTTP://A.example:80/"), Entry("x", problem="no URL")]
    listed += [Entry("http://b.example/")]
    sample = sample_entries(listed, 0)
    assert [entry.url for entry in sample.entries] == ["http://a.example", "http://b.example/"]
    assert (sample.total, sample.invalid, sample.hosts) == (3, 1, 2)
    only = sample_entries(listed, 0, {"http://b.example/"})
    assert [entry.url for entry in only.entries] == ["http://b.example/"]


@given(st.integers(0, 60), st.integers(1, 80))
def test_a_sample_has_as_many_as_there_are(most: int, count: int) -> None:
    """The sample has the requested size if the list is long enough."""
    assert len(sample_entries(entries(count), most).entries) == (min(most, count) or count)


@pytest.mark.parametrize(
    ("listed", "only", "said"),
    [
        ([], None, "holds no URL"),
        ([Entry("x", problem="bad")], None, "holds no URL"),
        ([Entry("http://a.example/")], set(), "recording holds none"),
    ],
)
def test_nothing_to_compare_is_said(listed: list[Entry], only: set[str] | None, said: str) -> None:
    """The message comes before anything runs."""
    with pytest.raises(UsageError, match=said):
        sample_entries(listed, 5, only)


def test_a_written_list_is_read_as_the_same_entries(tmp_path: Path) -> None:
    """Columns are kept, also one called url; only the owner may read the file: URLs may hold passwords."""
    path = tmp_path / "list.jsonl"
    wanted = [Entry("http://a.example/", columns={"url": "mine", "n": 1}), Entry("http://me:pw@b.example/")]
    write_list(path, wanted)
    assert path.stat().st_mode & 0o077 == 0
    found = list(read_lists([str(path)], url_column=URL_COLUMN))
    assert [(entry.url, entry.columns or None) for entry in found] == [
        (entry.url, entry.columns) for entry in wanted
    ]


# --- figures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quick", "slow", "clear"),
    [
        ([1.0, 1.1, 1.2], [1.3, 1.4, 1.5], True),
        ([1.0, 1.1, 1.31], [1.3, 1.4, 1.5], False),  # the ranges overlap
        ([1.0, 1.0, 1.0], [1.02, 1.02, 1.02], False),  # apart, but by less than 3 %
        ([1.0, 1.0, 1.0], [1.04, 1.04, 1.04], True),
        ([1.3, 1.4, 1.5], [1.0, 1.1, 1.2], False),
        ([1.0], [1.1], False),  # single runs have no range
        ([1.0], [1.3], True),
    ],
)
def test_a_difference_within_noise_is_a_tie(quick: list[float], slow: list[float], clear: bool) -> None:
    """A strategy is faster if the ranges do not overlap and the medians are 3 % apart."""
    assert clearly_faster(quick, slow) is clear


@given(SECONDS, SECONDS)
def test_of_two_at_most_one_is_clearly_faster(first: list[float], second: list[float]) -> None:
    """Nothing is faster than itself."""
    assert not (clearly_faster(first, second) and clearly_faster(second, first))
    assert not clearly_faster(first, first)


@pytest.mark.parametrize(("runs", "once_in"), [(1, 2), (2, 6), (3, 20), (5, 252)])
def test_the_chance_of_a_separation_is_exact(runs: int, once_in: int) -> None:
    """It is the chance that so many runs of each separate without a difference."""
    assert chance(runs, runs) == 1 / once_in


def test_of_strategies_that_tie_the_cheapest_is_chosen() -> None:
    """Fewer processes are cheaper, then fewer threads; a clearly slower strategy does not tie."""
    figures = [
        make_figures("sequential", 20, 21, 22),
        make_figures("process:2x8", 5, 5.1, 5.2),
        make_figures("thread:32", 5.1, 5.2, 5.3),
        make_figures("thread:8", 5.1, 5.3, 5.4),
    ]
    best, tied = rank(figures, 100)
    assert best.strategy.name == "thread:8"
    assert [each.strategy.name for each in tied] == ["thread:8", "thread:32", "process:2x8"]


def test_a_long_list_pays_for_starting_only_once() -> None:
    """A strategy with a slow start and a high rate wins on a long list."""
    threads = make_figures("thread:8", 2.0, 2.0, starting=0.1)
    processes = make_figures("process:2x8", 2.2, 2.2, starting=1.2)
    assert rank([threads, processes], 100)[0] is threads
    assert rank([threads, processes], 100_000)[0] is processes
    assert threads.projected(1000) == pytest.approx(0.1 + 19.0)


def test_a_strategy_with_a_failed_run_has_no_figures() -> None:
    """The other strategies keep theirs."""
    good, bad = make_run("thread:8"), make_run("sequential", fault="ended with status 70")
    (figures,) = summarise_runs([good.strategy, bad.strategy], [good, bad, good])
    assert (figures.strategy, len(figures.runs)) == (good.strategy, 2)


def test_what_the_system_cannot_measure_is_unknown() -> None:
    """It is None, not zero."""
    figures = make_figures("thread:8", 1.0, 2.0, cpu=None, memory=None)
    assert (figures.cpu, figures.memory) == (None, None)


# --- options ----------------------------------------------------------------------------------------


def test_every_setting_is_passed_on_or_said_not_to_be() -> None:
    """A new one is thought of before this can pass."""
    left_out = {name for name, option in SETTINGS_OPTIONS.items() if not (option.flags and option.compared)}
    assert left_out - {"mode", "processes", "threads", "previous", "max_age", "ordered"} == {
        name for name, option in SETTINGS_OPTIONS.items() if not option.flags
    }
    assert SETTINGS_OPTIONS.keys() == {field.name for field in fields(Settings)}


def test_defaults_need_no_options() -> None:
    """And what differs has one."""
    assert command_options(Settings()) == []
    settings = Settings(
        scraper="shop.py:item",
        timeout=2.5,
        verify_tls=False,
        select=("a=b",),
        robots=False,
        worker_bytes=5_000_000,
    )
    assert command_options(settings) == [
        "--worker-memory=5",
        "--scraper=shop.py:item",
        "--select=a=b",
        "--ignore-robots",
        "--timeout=2.5",
        "--insecure",
    ]


def test_a_shown_command_holds_no_secret_and_can_be_typed() -> None:
    """Headers, cookies and proxies are shown by name; what a shell would split is quoted."""
    secrets = {"headers": {"Authorization": "Bearer SECRET"}, "cookies": {"sid": "SECRET"}}
    settings = Settings(**secrets, proxy="http://me:SECRET@proxy:1", select=("title=h1 > a",))  # type: ignore[arg-type]
    (strategy,) = parse_strategies("process:2x8")
    command = shown_command(["my list.txt"], strategy, settings)
    assert "SECRET" not in command
    assert command.startswith("scrape 'my list.txt' --mode process --processes 2 --threads 8 ")
    assert "--select 'title=h1 > a'" in command
