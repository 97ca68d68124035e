"""Why was it slow: the sentence for made-up splits, the table, and splits of real runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from parascrape import Settings
from parascrape.cli.report import profile_table
from parascrape.files import Outcome, PageTimings
from parascrape.harvesting import HarvestHooks
from parascrape.harvesting.bottleneck import RunProfile, explain_bottleneck
from parascrape.harvesting.harvest import harvest
from parascrape.harvesting.timings import Timings
from tests.helpers.harvests import entries, make
from tests.sites.site import Site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def split_of(processes: int = 0, threads: int = 32, cores: int = 1, **seconds: Any) -> Timings:
    """The split of a run of ten seconds and 1,000 pages: every share is in parts of ten."""
    split = Timings(pages=seconds.pop("pages", 1000))
    split.enter(100.0, processes, threads, cores)
    split.leave(110.0)
    for name, value in seconds.items():
        per = {"cpu_here": cores, "cpu_elsewhere": cores, "scrape_cpu": cores, "write": 1}
        scale = 1 if name == "blame" else per.get(name, split.fetches)
        setattr(split, name, value if name == "blame" else value * scale)
    return split


LIMIT, DELAY = ("limit", "example.org"), ("delay", "example.org")
BUSY = {"cpu_here": 9.6, "scrape_cpu": 8.0}
WAITING = {"first_byte": 9.5, "cpu_here": 1.0}
HELD = {"politeness": 8.0, "first_byte": 1.0, "cpu_here": 1.0}
CASES = [
    # the CPU
    (split_of(**BUSY), {}, "Bound by parsing on one CPU: --mode process."),
    (split_of(**BUSY), {"mode": "auto"}, "Bound by parsing on one CPU."),
    (split_of(**BUSY | {"scrape_cpu": 2.0}), {}, "Bound by computing on one CPU: --mode process."),
    (split_of(**BUSY, first_byte=9.0), {}, "Bound by parsing on one CPU: --mode process."),
    (split_of(**BUSY, politeness=9.0), {}, "Bound by parsing on one CPU: --mode process."),
    (split_of(1, 8, **BUSY), {"mode": "process"}, "Bound by parsing on one CPU: --processes 2."),
    (split_of(2, 8, cores=2, **BUSY), {"mode": "process"}, "Bound by parsing on all 2 CPUs."),
    (split_of(2, 8, cores=2, cpu_elsewhere=9.0, scrape_cpu=9.0), {}, "Bound by parsing on all 2 CPUs."),
    (
        split_of(cpu_here=6.0, scrape_cpu=5.0, scrape=4.0, turn=4.0),
        {},
        "Bound by parsing on one CPU: --mode process.",
    ),
    # the hosts
    (split_of(**HELD, blame={LIMIT: 80.0}), {}, "Bound by example.org's limit of 4 at once (--per-host)."),
    (
        split_of(**HELD, blame={LIMIT: 8.0, ("limit", "b.org"): 7.0}),
        {},
        "Bound by example.org's limit of 4 at once (--per-host).",
    ),
    (
        split_of(**HELD, blame={("limit", f"h{n}"): 8.0 for n in range(9)}),
        {},
        "Bound by the hosts' limit of 4 at once (--per-host).",
    ),
    (
        split_of(**HELD, blame={DELAY: 80.0, LIMIT: 5.0}),
        {"delay": 1.5},
        "Bound by example.org's delay of 1.5 s (--delay).",
    ),
    (
        split_of(**HELD, blame={("crawl_delay", "a.org"): 9.0}),
        {},
        "Bound by a.org's Crawl-delay in robots.txt.",
    ),
    (
        split_of(**HELD, blame={("rest", "a.org"): 9.0}),
        {},
        "Bound by a.org's rate limiting or slow answers.",
    ),
    (
        split_of(**HELD, blame={("retry", ""): 9.0}),
        {},
        "Bound by the hosts' pauses before retries (--retries).",
    ),
    (split_of(**HELD, blame={LIMIT: 3.0, DELAY: 3.0, ("rest", "a"): 3.0}), {}, ""),
    # the network
    (split_of(**WAITING), {}, "Bound by the network's latency: --threads 128."),
    (split_of(threads=8, connect=4.0, first_byte=4.0), {}, "Bound by the network's latency: --threads 32."),
    (split_of(**WAITING | {"cpu_here": 3.0}), {}, "Bound by the network's latency: --threads 64."),
    (
        split_of(threads=1, **WAITING),
        {"mode": "sequential"},
        "Bound by the network's latency: --mode thread.",
    ),
    (
        split_of(2, 8, cores=2, **WAITING),
        {"mode": "process"},
        "Bound by the network's latency: --threads 32.",
    ),
    (split_of(transfer=8.0, first_byte=1.0), {}, "Bound by how fast bodies come: 5.0 MB/s."),
    # others
    (split_of(write=7.0), {}, "Bound by writing the output."),
    (split_of(list_wait=8.0), {}, "Bound by the list, which comes slower than its pages."),
    (
        split_of(scrape=9.0, scrape_cpu=1.0, cpu_here=1.2),
        {},
        "Bound by the scraper, which waits: --threads 128.",
    ),
    # nothing that is known
    (split_of(), {}, ""),
    (split_of(pages=10, **WAITING), {}, ""),
    (split_of(pages=100, **WAITING), {}, ""),  # more threads would have nothing to do
    (split_of(**WAITING | {"cpu_here": 6.0}), {}, ""),  # nor would there be a CPU for them
    (split_of(first_byte=7.0, politeness=2.0), {}, ""),  # nor may they ask
    (split_of(cpu_here=5.0, first_byte=3.0, scrape=3.0), {}, ""),
]


@pytest.mark.parametrize(("split", "chosen", "sentence"), CASES)
def test_the_bottleneck_is_named_with_the_option_that_moves_it(
    split: Timings, chosen: dict[str, Any], sentence: str
) -> None:
    """And nothing is said where nothing is known."""
    settings = Settings(**{"mode": "thread", **chosen})
    assert explain_bottleneck(split, RunProfile(10.0, settings, 2, bytes=50_000_000)) == sentence


def test_one_cpu_has_no_remedy() -> None:
    """Processes would share it."""
    assert (
        explain_bottleneck(split_of(**BUSY), RunProfile(10.0, Settings(), 1))
        == "Bound by parsing on the one CPU there is."
    )


@pytest.mark.parametrize(
    ("load", "sentence"),
    [
        (9.0, "Bound by the scraper or by the CPUs, which other programs use as well."),
        (3.0, "Bound by the scraper, which waits: --threads 128."),
    ],
)
def test_a_crowded_machine_is_told_from_a_scraper_that_waits(load: float, sentence: str) -> None:
    """Either way its pages stand still in it; the machine's load average is the difference."""
    split = split_of(scrape=9.0, scrape_cpu=1.0, cpu_here=1.2)
    assert explain_bottleneck(split, RunProfile(10.0, Settings(mode="thread"), 2, load=load)) == sentence


def test_a_host_cannot_move_the_terminal() -> None:
    """Its name comes from the list."""
    split = split_of(**HELD, blame={("limit", "a\x1b[2J"): 80.0})
    assert explain_bottleneck(split, RunProfile(10.0, Settings(), 2)).isprintable()


def test_a_change_of_workers_keeps_the_sums() -> None:
    """Threads' and cores' time is counted for each crew; the last one's numbers stay."""
    split = Timings()
    split.enter(10.0, 0, 32, 1)
    split.enter(12.0, 2, 8, 2)
    split.leave(15.0)
    assert (split.thread_seconds, split.core_seconds) == (2 * 32 + 3 * 16, 2 * 1 + 3 * 2)
    assert (split.processes, split.threads, split.fetches) == (2, 8, 16)


def test_of_very_many_hosts_those_with_most_blame_are_kept() -> None:
    """The memory stays flat."""
    split = Timings()
    for number in range(5000):
        split.add_wait(("limit", f"host-{number}"), 1.0)
        split.add_wait(LIMIT, 1.0)
    assert split.blame[LIMIT] == 5000.0
    assert len(split.blame) <= 1000


def test_the_table_shows_every_stage() -> None:
    """In milliseconds a page, as a share of the threads' time, and CPU."""
    split = split_of(2, 8, cores=2, first_byte=4.0, scrape=3.0, scrape_cpu=2.0, cpu_elsewhere=2.5, queue=1.0)
    lines = profile_table(split).splitlines()
    assert {len(line) for line in lines[:1]} == {58}
    cells = {line[2:24].strip(): line[24:].split() for line in lines[1:]}
    assert cells["first byte"] == ["64.000", "40.0%"]
    assert cells["decode, parse, scrape"] == ["48.000", "30.0%", "4.000"]
    assert cells["queue"] == ["16.000"]
    assert cells["idle"] == ["48.000", "30.0%"]
    assert cells["worker processes"] == ["5.000"]


def test_a_run_without_pages_has_no_profile() -> None:
    """It says so."""
    assert profile_table(Timings()) == "No profile: no page was fetched."


# --- real runs --------------------------------------------------------------------------------------


def run(site: Site, paths: list[str], **chosen: Any) -> Timings:
    """The split of a harvest of these paths."""
    split = Timings()
    list(
        harvest(
            entries(site, paths),
            make(chosen.pop("mode", "thread"), **chosen),
            hooks=HarvestHooks(split=split),
        )
    )
    return split


@pytest.mark.parametrize("mode", ["sequential", "thread", "process"])
def test_waiting_for_answers_is_the_first_byte(mode: str, site: Site) -> None:
    """In every mode: what the site takes is found there, and all stages fit into the threads' time."""
    split = run(site, ["/slow?seconds=0.2"] * 12, mode=mode)
    assert split.pages == 12
    assert split.first_byte >= 12 * 0.2
    assert split.first_byte > 5 * (split.transfer + split.inflate)
    assert split.network + split.scrape <= split.thread_seconds
    assert 0 < split.scrape_cpu < split.cpu
    assert (split.cpu_elsewhere > 0) == (mode == "process")


def test_a_hosts_limit_is_blamed(site: Site) -> None:
    """Threads stand idle while one host has its one fetch."""
    split = run(site, [f"/slow?seconds=0.1&n={n}" for n in range(10)], threads=4, per_host=1)
    assert split.politeness > 0.3 * split.thread_seconds
    assert {kind for kind, _ in split.blame} == {"limit"}
    assert {name for _, name in split.blame} == {site.url.removeprefix("http://")}


def test_a_hosts_delay_is_blamed(site: Site) -> None:
    """Threads stand idle from start to start."""
    split = run(site, [f"/ok?n={n}" for n in range(8)], threads=4, delay=0.2)
    assert split.politeness > 0.3 * split.thread_seconds
    assert max(split.blame, key=lambda each: split.blame[each])[0] == "delay"


def test_waiting_for_another_try_is_no_hosts_fault(site: Site) -> None:
    """Where no limits are kept, only retries are waited for."""
    split = run(site, ["/flaky/1/profile"], backoff=0.3)
    assert {kind for kind, _ in split.blame} == {"retry"}


def test_inflating_is_measured(site: Site) -> None:
    """It is a stage of its own."""
    assert run(site, ["/coded/gzip"] * 5).inflate > 0
    assert run(site, ["/ok"] * 5).inflate == 0


def test_a_time_out_before_any_byte_is_the_networks(site: Site) -> None:
    """Though libcurl has no time for what was never reached."""
    split = run(site, ["/silent"], timeout=0.4, retries=0)
    assert 0.35 <= split.network < 30


def test_a_pages_times_are_added_by_name() -> None:
    """Those of the worker, and what follows from them in the parent."""
    split = Timings()
    times = PageTimings(*(float(n) for n in range(1, len(PageTimings._fields) + 1)))
    outcome = Outcome(b"", 0, "", fetch_seconds=20.0, scrape_seconds=30.0, times=times)
    split.add(outcome, now=9.0, elsewhere=True)
    assert (split.queue, split.connect, split.first_byte, split.transfer, split.inflate) == (1, 2, 3, 4, 5)
    assert (split.scrape_cpu, split.cpu_elsewhere, split.pipe, split.turn) == (6, 7, 1, 6)
