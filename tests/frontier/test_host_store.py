"""The ledger between runs: what is remembered of hosts, and how runs at the same time share them."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from parascrape.frontier.host_store import BEAT, KEPT, MAX_HOSTS, HostStore, default_path
from parascrape.frontier.politeness import HostState
from parascrape.system.processes import has_ended, process_mark

HOST = "http://site.example:80"
DAWN = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = DAWN

    def __call__(self) -> float:
        return self.now


class Harvest:
    """A run as a frontier makes it: it beats, asks for leases and starts, fetches for a while."""

    def __init__(self, path: Path, clock: Clock, limit: int, gap: float) -> None:
        self.ledger = HostStore(path, clock=clock)
        self.clock, self.limit, self.gap = clock, limit, gap
        self.ends: dict[str, list[float]] = defaultdict(list)
        self.state: dict[str, HostState] = {}
        self.next_beat = clock() + BEAT
        self.starts: Counter[str] = Counter()

    def step(self, hosts: list[str], random: Random) -> list[tuple[str, float]]:
        """The starts made in this instant."""
        now = self.clock()
        for host, ends in self.ends.items():
            self.ends[host] = [end for end in ends if end > now]
        if now >= self.next_beat:
            self.next_beat = now + BEAT
            self.ledger.beat(self.state, {host: len(ends) for host, ends in self.ends.items() if ends})
        return [(host, now) for host in hosts if self.start(host, now, random)]

    def start(self, host: str, now: float, random: Random) -> bool:
        if len(self.ends[host]) >= self.ledger.lease(host, self.limit):
            return False
        if self.gap and now < self.state.get(host, HostState(now - self.gap)).last_start + self.gap:
            return False
        if self.gap and self.ledger.claim(host, self.gap):
            return False
        self.ends[host].append(now + random.choice([0.1, 0.4, 1.5]))
        self.state[host] = HostState(last_start=now)
        self.starts[host] += 1
        return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hosts.sqlite3"


@pytest.mark.parametrize("limit", [1, 2, 4])
@pytest.mark.parametrize("gap", [0.0, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_runs_together_keep_to_the_limit_and_the_gap_of_one(
    path: Path, limit: int, gap: float, seed: int
) -> None:
    """Three runs come and go over two hosts; at every instant they are one run, and none starves."""
    random, clock = Random(seed), Clock()
    hosts = [HOST, "http://other.example:80"]
    running: list[Harvest] = [Harvest(path, clock, limit, gap)]
    last: dict[str, float] = {}
    for tick in range(400):
        clock.now = DAWN + tick / 10
        if tick in (7, 11):
            running.append(Harvest(path, clock, limit, gap))
        if tick == 330:
            running[0].ledger.close()
            running[0].ends.clear()
        for harvest in random.sample(running, len(running)):
            if tick < 330 or harvest is not running[0]:
                for host, now in harvest.step(hosts, random):
                    assert not gap or now - last.get(host, -gap) >= gap - 1e-6
                    last[host] = now
        for host in hosts:
            assert sum(len(harvest.ends[host]) for harvest in running) <= limit
        if tick == 300:
            assert all(harvest.starts[host] >= 2 for harvest in running for host in hosts)
    assert all(harvest.ledger.shared for harvest in running[1:])


def test_a_run_alone_has_all_and_asks_nothing(path: Path) -> None:
    """It may start at once; neither lease nor gap costs a look at the file."""
    asked: list[float] = []

    def clock() -> float:
        asked.append(DAWN)  # once for each transaction
        return DAWN

    ledger = HostStore(path, clock=clock)
    assert not ledger.shared
    before = len(asked)
    assert [ledger.lease(HOST, 4), ledger.claim(HOST, 10.0)] == [4, 0.0]
    assert len(asked) == before


def test_a_newcomer_waits_for_one_beat_of_the_others_and_has_its_part_with_the_next(path: Path) -> None:
    """Before that nobody can tell what is under way."""
    clock = Clock()
    old, new = HostStore(path, clock=clock), HostStore(path, clock=clock)
    assert (new.shared, new.lease(HOST, 4), new.claim(HOST, 1.0)) == (True, 0, BEAT)
    new.beat({}, {})
    assert new.lease(HOST, 4) == 0
    old.beat({}, {HOST: 4})
    new.beat({}, {})
    assert new.lease(HOST, 4) == 0
    new.beat({}, {})
    assert old.lease(HOST, 4) == 2
    old.beat({}, {HOST: 1})
    new.beat({}, {})
    assert new.lease(HOST, 4) == 2
    assert new.lease("http://else.example:80", 4) == 4


def test_of_two_that_wait_for_the_gap_the_one_that_did_not_start_last_goes_first(path: Path) -> None:
    """The other follows within a tenth of the gap, should the first not come."""
    clock = Clock()
    one, other = HostStore(path, clock=clock), HostStore(path, clock=clock)
    for ledger in (one, other, one, other):
        ledger.beat({}, {})
        ledger.lease(HOST, 4)
    assert one.claim(HOST, 10.0) == 0.0
    clock.now += 4
    assert (one.claim(HOST, 10.0), other.claim(HOST, 10.0)) == (7.0, 6.0)
    clock.now += 6
    assert (one.claim(HOST, 10.0), other.claim(HOST, 10.0), one.claim(HOST, 10.0)) == (1.0, 0.0, 10.0)
    clock.now += 11
    assert other.claim(HOST, 10.0) == 0.0


@pytest.mark.parametrize("jump", [10.0, -10.0, 86_400.0 * 400, -86_400.0 * 400])
def test_a_run_that_was_killed_or_a_clock_that_jumps_stops_nobody(path: Path, jump: float) -> None:
    """After six seconds without a beat a run counts no longer, nor does one from the future."""
    clock = Clock()
    HostStore(path, clock=clock).beat({HOST: HostState(DAWN, DAWN + 50)}, {})
    new = HostStore(path, clock=clock)
    clock.now += jump
    new.beat({}, {})
    assert new.lease(HOST, 4) == 4
    assert 0.0 <= new.claim(HOST, 5.0) <= 5.0
    clock.now += 61
    new.beat({}, {})
    assert not new.shared


def test_a_run_that_stood_still_queues_up_again(path: Path) -> None:
    """Others have taken its hosts meanwhile, and it cannot know how many fetches they have."""
    clock = Clock()
    stopped, other = HostStore(path, clock=clock), HostStore(path, clock=clock)
    clock.now += 10
    other.beat({}, {HOST: 4})
    stopped.beat({}, {})
    assert stopped.lease(HOST, 4) == 0
    other.beat({}, {HOST: 4})
    stopped.beat({}, {})
    assert (stopped.lease(HOST, 4), stopped.lease("http://else.example:80", 4)) == (0, 4)


STATES = st.builds(
    HostState,
    st.floats(0, 10_000).map(lambda seconds: DAWN - seconds),
    st.just(0.0) | st.floats(0, 3600).map(lambda seconds: DAWN + seconds),
    st.floats(0, 120),
    st.integers(0, 9),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc\u00fc"), STATES), max_size=8))
@example([("a", HostState(DAWN, DAWN + 9, 1.0, 2)), ("a", HostState(DAWN - 5, 0.0, 0.0, 0))])
def test_the_next_run_knows_what_the_last_one_knew(path: Path, notes: list[tuple[str, HostState]]) -> None:
    """The latest start and the longest pause of a host, and what else was noted last."""
    path.unlink(missing_ok=True)
    known: dict[str, HostState] = {}
    ledger = HostStore(path, clock=Clock())
    for host, state in notes:
        ledger.beat({host: state}, {})
        old = known.get(host, state)
        start, paused = max(old.last_start, state.last_start), max(old.paused_until, state.paused_until)
        known[host] = state._replace(last_start=start, paused_until=paused)
    ledger.close()
    assert HostStore(path, clock=Clock()).load() == known


def test_what_is_old_or_cannot_be_is_forgotten(path: Path) -> None:
    """After a day; a pause beyond any Retry-After was noted by a clock that was ahead."""
    clock = Clock()
    HostStore(path, clock=clock).beat({"old": HostState(DAWN, DAWN + 9)}, {})
    clock.now += KEPT / 2
    HostStore(path, clock=clock).beat({"new": HostState(clock.now, clock.now + 7200)}, {})
    assert HostStore(path, clock=clock).load()["new"] == HostState(clock.now, 0.0)
    clock.now += KEPT / 2 + 1
    assert list(HostStore(path, clock=clock).load()) == ["new"]
    clock.now -= KEPT * 30
    assert HostStore(path, clock=clock).load() == {}


def test_what_is_known_is_bounded(path: Path) -> None:
    """The most recent hosts stay."""
    clock = Clock()
    ledger = HostStore(path, clock=clock, max_hosts=20)
    for number in range(50):
        clock.now += 1
        ledger.beat({str(number): HostState(clock.now)}, {})
    assert 20 <= len(ledger.load()) <= 23
    following = HostStore(path, clock=clock, max_hosts=20)
    assert set(following.load()) == {str(number) for number in range(30, 50)}
    assert MAX_HOSTS == 100_000


def test_without_a_file_a_run_is_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One warning, everything granted, nothing known."""
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        ledger = HostStore(tmp_path / "file" / "hosts.sqlite3")
        ledger.beat({HOST: HostState()}, {HOST: 1})
        assert (ledger.lease(HOST, 4), ledger.claim(HOST, 9.0), ledger.load()) == (4, 0.0, {})
        ledger.close()
    assert len(caplog.records) == 1


def test_the_file_is_in_the_users_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux where XDG_CACHE_HOME says."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path().name == "hosts-1.sqlite3"
    if sys.platform == "linux":
        assert default_path() == tmp_path / "parascrape" / "hosts-1.sqlite3"


RUN = """
import sys, time
from pathlib import Path
from parascrape.frontier.host_store import HostStore
now = 0.0
def clock():
    global now
    now = time.time()
    return now
ledger = HostStore(Path(sys.argv[1]), clock=clock)
print("ready", flush=True)
sys.stdin.readline()
starts = 0
while starts < 60:
    ledger.beat({}, {})
    time.sleep(0.001)
    if ledger.shared and not ledger.claim("h", 0.002):
        starts += 1
        print(repr(now))
"""
"""One process of two; both have signed in before either goes on."""


def test_processes_at_the_same_time_never_take_the_same_start(path: Path) -> None:
    """Two of them take sixty each, and the time between any two is never less than the gap."""
    command = [sys.executable, "-c", RUN, str(path)]
    runs = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    try:
        for run in runs:
            assert run.stdout is not None
            assert run.stdout.readline() == "ready\n"
        for run in runs:
            assert run.stdin is not None
            run.stdin.write("go\n")
            run.stdin.flush()
        starts = sorted(float(line) for run in runs for line in run.communicate(timeout=60)[0].split())
    finally:
        for run in runs:
            run.kill()
            run.wait(30)
    assert len(starts) == 120
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 0.002 - 1e-6


@pytest.mark.skipif(not process_mark(), reason="this system does not tell of processes")
def test_a_run_that_was_killed_is_no_neighbour(tmp_path: Path) -> None:
    """The next one does not wait until it has not beaten for long."""
    path = tmp_path / "hosts.sqlite3"
    join = (
        "import os, signal, sys; from pathlib import Path\n"
        "from parascrape.frontier.host_store import HostStore\n"
        "ledger = HostStore(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", join, str(path)], check=False, timeout=60)
    assert done.returncode < 0
    following = HostStore(path)
    assert (following.shared, following.lease(HOST, 4)) == (False, 4)
    following.close()


@pytest.mark.parametrize("mark", ["", "x", "1/2/other-boot/pid:[1]"])
def test_who_cannot_be_judged_has_not_ended(mark: str) -> None:
    """A run in another container, or on another machine that has the same cache directory."""
    assert not has_ended(mark)
