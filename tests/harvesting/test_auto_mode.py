"""Mode auto: it changes to processes in mid-run, loses nothing by it, and never where that is not safe."""

from __future__ import annotations

import itertools
import multiprocessing
import re
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape import Page
from parascrape.executors import main_guard
from parascrape.files.outcomes import Outcome
from parascrape.harvesting import Environment, HarvestHooks, Stop, harvest
from parascrape.harvesting.in_flight import LookPolicy
from parascrape.records import Entry, parse
from tests.helpers.command import UNLIMITED, finish, read_records, start, start_scrape
from tests.helpers.harvests import assert_all_ended, entries, make, ours
from tests.sites.shop import moody
from tests.sites.site import Site

PAGES = 150
EAGER = LookPolicy(first=0.0, pages=2, sure=0.0, cpu_clock=time.monotonic, cpus=2, why_not=str)
"""Looks after a few pages, on a machine of two CPUs; the threads always keep one busy."""
ENVIRONMENT = Environment(look=EAGER)

STAYED = "Stayed in thread mode with 4 threads"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def scrape_process(page: Page) -> dict[str, Any]:
    """The page's title, and in which process it was scraped."""
    title = page.css_first("title")
    return {"title": title.text() if title else None, "process": multiprocessing.current_process().name}


class Changing:
    """A list that goes on until worker processes have taken over, and for ``more`` pages beyond that.

    A ``slow`` one has two entries at a time, so that few are read ahead.
    """

    def __init__(self, site: Site, path: str, more: int = PAGES, *, slow: bool = False) -> None:
        self.said: list[str] = []
        self.hooks = HarvestHooks(say=self.said.append, total=lambda: 100_000)
        self.given: list[str] = []
        self._site, self._path, self._more, self._slow = site, path, more, slow

    def __iter__(self) -> Iterator[Any]:
        left = self._more
        for entry in entries(self._site, [self._path.format(n) for n in range(100_000)]):
            left -= bool(self.said)
            if not left:
                return
            self.given.append(entry.url)
            yield entry
            if self._slow and len(self.given) % 2 == 0:
                yield None


def settings(**more: Any) -> Any:
    """Settings of mode auto."""
    return make("auto", **{"processes": 0, "scraper": scrape_process, **more})


def records_of(outcomes: Iterator[Outcome]) -> list[dict[str, Any]]:
    """All records of all outcomes."""
    return [parse(line) for outcome in outcomes for line in outcome.lines.splitlines()]


@pytest.mark.parametrize("ordered", [False, True])
def test_it_changes_in_mid_run_and_loses_nothing(site: Site, ordered: bool) -> None:
    """Each page is fetched once and has its one record; threads have the first, processes the rest."""
    before = ours()
    listed = Changing(site, f"/page/{{}}?{ordered}")
    records = records_of(
        harvest(listed, settings(ordered=ordered), hooks=listed.hooks, environment=ENVIRONMENT)
    )
    assert Counter(record["url"] for record in records) == Counter(listed.given)
    fetched = Counter(path for path, _ in site.log if path.endswith(f"?{ordered}"))
    assert fetched == Counter(url.removeprefix(site.url) for url in listed.given)
    names = [record["process"].split("-")[0] for record in records]
    assert set(names) == {"MainProcess", "worker"}
    assert {record["meta"]["attempts"] for record in records} == {1}
    if ordered:
        assert [record["url"] for record in records] == listed.given
    (said,) = listed.said
    changed = "Changed to process mode with 2 processes of 4 threads: "
    assert re.match(changed + r"(computing|parsing) took 1?\d\d% of one CPU .* pages were left\.$", said)
    split = listed.hooks.split
    assert (split.pages, split.processes, split.threads) == (len(records), 2, 4)
    assert_all_ended(before)


def test_limits_hold_across_the_change(site: Site) -> None:
    """A host has no more fetches at once while one group of workers ends and the next begins."""
    listed = Changing(site, "/slow?seconds=0.01&n={}", 60, slow=True)
    records = records_of(harvest(listed, settings(per_host=2), hooks=listed.hooks, environment=ENVIRONMENT))
    assert len(records) == len(listed.given)
    assert listed.hooks.split.politeness > 0
    assert {record["process"].split("-")[0] for record in records} == {"MainProcess", "worker"}


def test_what_a_bad_scraper_does_is_its_own_pages_matter(site: Site) -> None:
    """One that kills its process after the change fails that page only."""
    listed = Changing(site, "/ok?n={}", 40)

    def with_deeds() -> Iterator[Any]:
        for entry in listed:
            yield entry
            if listed.said and not deeds:
                deeds.append(site("/ok?do=die"))
                yield entry._replace(url=deeds[0])

    deeds: list[str] = []
    chosen = settings(scraper=moody, fetch_duplicates=True)
    records = records_of(harvest(with_deeds(), chosen, hooks=listed.hooks, environment=ENVIRONMENT))
    failed = {record["url"]: record["error"]["code"] for record in records if "error" in record}
    assert failed == {site("/ok?do=die"): "worker_died"}
    assert len(records) == len(listed.given) + 1


def end_while_warming(changed: Changing, stop: Stop) -> bool:
    return bool(multiprocessing.active_children())


def end_after_the_change(changed: Changing, stop: Stop) -> bool:
    return bool(changed.said)


@pytest.mark.parametrize("due", [end_while_warming, end_after_the_change])
@pytest.mark.parametrize("times", [1, 2])
def test_it_can_be_ended_at_any_moment(site: Site, due: Callable[[Changing, Stop], bool], times: int) -> None:
    """While processes start, and when they have begun: what was asked for once has its record."""
    before, stop = ours(), Stop()
    mark = f"{due.__name__}{times}"
    listed = Changing(site, f"/page/{{}}?{mark}", 100_000)
    found = []
    for outcome in harvest(listed, settings(), stop=stop, hooks=listed.hooks, environment=ENVIRONMENT):
        found.append(parse(outcome.lines)["url"])
        if not stop.asked and due(listed, stop):
            for _ in range(times):
                stop.ask()
    assert stop.asked == times
    fetched = {site(path) for path, _ in site.log if path.endswith(mark)}
    assert len(found) == len(set(found))
    assert set(found) <= fetched if times == 2 else set(found) == fetched
    assert_all_ended(before)


def test_leaving_the_loop_ends_all(site: Site) -> None:
    """Threads, processes, and those that were just being started."""
    before = ours()
    urls = (site(f"/page/{n}") for n in itertools.count())
    listed = (Entry(url) for url in urls)
    hooks = HarvestHooks(total=lambda: 100_000)
    run = harvest(listed, settings(), hooks=hooks, environment=ENVIRONMENT)
    for _ in run:
        if multiprocessing.active_children():
            break
    run.close()
    assert_all_ended(before)


PICKY = """
import multiprocessing
name = multiprocessing.current_process().name
if name != "MainProcess":
    raise LookupError("no such parser")
def scrape(page):
    return {"process": name}
"""


def test_processes_that_cannot_begin_leave_all_to_the_threads(site: Site, tmp_path: Path) -> None:
    """Nothing was handed to them yet, so nothing is lost, tried again or blamed."""
    (tmp_path / "picky.py").write_text(PICKY)
    said: list[str] = []
    seen: list[str] = []

    def listed() -> Iterator[Any]:
        for entry in entries(site, [f"/page/{n}?broken" for n in range(100_000)]):
            if seen and not multiprocessing.active_children():  # they came, and are gone
                return
            seen.extend(["started"] if multiprocessing.active_children() else [])
            yield entry

    hooks = HarvestHooks(say=said.append, total=lambda: 100_000)
    chosen = settings(scraper=f"{tmp_path / 'picky.py'}:scrape")
    records = records_of(harvest(listed(), chosen, hooks=hooks, environment=ENVIRONMENT))
    assert {record["process"] for record in records} == {"MainProcess"}
    (line,) = said
    assert line.startswith(f"{STAYED}: processes would be faster, but worker processes do not start: ")
    assert "no such parser" in line


@pytest.mark.parametrize(
    ("scraper", "reason"),
    [
        (lambda page: {"title": page.url}, "scraper: a lambda cannot go to worker processes"),
        ([].append, "the scraper is an object, whose state would not be shared"),
        (Changing, "the scraper is an object, whose state would not be shared"),
    ],
)
def test_a_scraper_that_cannot_go_keeps_the_threads(site: Site, scraper: Any, reason: str) -> None:
    """It is not an error, because the user did not ask for processes."""
    said: list[str] = []
    listed = entries(site, [f"/page/{n}" for n in range(30)])
    hooks = HarvestHooks(say=said.append, total=lambda: 100_000)
    list(harvest(listed, settings(scraper=scraper), hooks=hooks, environment=ENVIRONMENT))
    assert said[0].startswith(f"{STAYED}: processes would be faster, but {reason}")
    assert not multiprocessing.active_children()


def test_a_fixed_mode_is_never_changed(site: Site) -> None:
    """Nothing is looked at, nothing is said."""
    said: list[str] = []
    looks: list[float] = []

    def look() -> float:
        looks.append(0.0)
        return 0.0

    environment = Environment(look=EAGER._replace(cpu_clock=look))
    hooks = HarvestHooks(say=said.append)
    list(harvest(entries(site, ["/page/1"] * 50), make("thread"), hooks=hooks, environment=environment))
    assert (said, looks) == ([], [])


def test_a_list_of_five_stays_in_threads(site: Site) -> None:
    """It is over before processes could begin."""
    said: list[str] = []
    environment = Environment(look=LookPolicy(first=60.0))
    hooks = HarvestHooks(say=said.append)
    list(harvest(entries(site, ["/page/1"] * 5), settings(), hooks=hooks, environment=environment))
    assert said == [f"{STAYED}: there were too few pages for processes to be faster."]


# --- scripts ----------------------------------------------------------------------------------------

SCRIPT = """
import sys, multiprocessing, time
from parascrape import Settings
from parascrape.harvesting import Environment, HarvestHooks, harvest
from parascrape.harvesting.in_flight import LookPolicy
from parascrape.records import Entry, parse
from tests.harvesting.test_auto_mode import scrape_process
look = LookPolicy(first=0.0, pages=2, sure=0.0, cpu_clock=time.monotonic, cpus=2)
settings = Settings(per_host=0, robots=False, scraper=scrape_process, threads=2)
print("imported", file=open(sys.argv[2], "a"))
names = set()
def urls():
    for n in range(5000):
        if n < int(sys.argv[3]) or (multiprocessing.active_children() and len(names) < 3):
            yield Entry(f"{sys.argv[1]}/page/{n}")
def main():
    hooks = HarvestHooks(say=lambda line: None, total=lambda: 100_000)
    for outcome in harvest(urls(), settings, hooks=hooks, environment=Environment(look=look)):
        record = parse(outcome.lines)
        names.add(record["process"])
        print(record["title"])
    print("started" if len(names) == 3 else "not started")
"""


@pytest.mark.parametrize(
    ("start_it", "line"),
    [
        ("if __name__ == '__main__':\n    main()", "started"),
        ('if "__main__" == __name__:\n    sys.exit(main())', "started"),
        ("main()", "not started"),
        ("if __name__ != 'x':\n    main()", "not started"),
        ("if __name__ == '__main__':\n    pass\nelse:\n    pass\nmain()", "not started"),
        ("if __name__ == '__main__':\n    pass\nelse:\n    sys.exit()\nmain()", "not started"),
        ("import threading\nit = threading.Thread(target=main)\nit.start()\nit.join()", "not started"),
    ],
)
def test_a_script_is_only_imported_where_a_guard_stands(
    site: Site, tmp_path: Path, start_it: str, line: str
) -> None:
    """Without one its other statements would run again in each process; nothing is lost, no error comes."""
    script, imports = tmp_path / "harvest.py", tmp_path / "imports"
    script.write_text(textwrap.dedent(SCRIPT) + start_it + "\n")
    status, out, errors = finish(start(script, site.url, imports, 1000 if line == "started" else 100))
    *titles, last = out.splitlines()
    assert (status, errors, last) == (0, "", line)
    assert len(titles) >= 100
    assert Counter(titles) == Counter(f"Bread {n} — a loaf" for n in range(len(titles)))
    assert imports.read_text().count("imported") == (1 if line == "not started" else 3)


@pytest.mark.parametrize(("way", "line"), [("-c", "started"), ("-", "not started")])
def test_a_script_that_is_no_file(site: Site, tmp_path: Path, way: str, line: str) -> None:
    """Of -c there is nothing to import, and workers begin without it; of one that came by stdin there is."""
    code = SCRIPT + "\nmain()\n"
    arguments = ("-c", code) if way == "-c" else ("-",)
    process = start(*arguments, site.url, tmp_path / "imports", 500, stdin=-1)
    status, out, errors = finish(process, code.encode())
    assert (status, errors, out.splitlines()[-1]) == (0, "", line)


def test_a_daemon_process_has_no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not asked to."""
    monkeypatch.setattr(multiprocessing.current_process(), "daemon", True)
    assert "daemon" in main_guard.why_not_importable()


# --- the command ------------------------------------------------------------------------------------


def test_the_command_says_which_mode_and_why(site: Site, tmp_path: Path) -> None:
    """One line, not with --quiet, and none where a mode was given."""
    urls = [site(f"/page/{n}") for n in range(5)]
    for options, expected in (([], 1), (["--quiet"], 0), (["--mode", "thread"], 0)):
        output = tmp_path / f"{len(options)}{expected}.jsonl"
        process = start_scrape(*urls, *UNLIMITED, "-s", "page", "-o", output, *options)
        status, _, errors = finish(process)
        assert (status, errors.count("Stayed in thread mode with 32 threads: ")) == (0, expected)
        assert len(read_records(output)) == 5


def test_profile_prints_the_table(site: Site, tmp_path: Path) -> None:
    """After the summary."""
    process = start_scrape(site("/ok"), *UNLIMITED, "-s", "page", "-o", tmp_path / "a.jsonl", "--profile")
    status, _, errors = finish(process)
    assert status == 0
    assert "decode, parse, scrape" in errors.partition("Records: ")[2]
