"""The whole command killed again and again, then left alone: one outcome for every line of the list."""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from parascrape.executors import capacity
from parascrape.records import encode
from tests.helpers.command import (
    RUDE,
    UNLIMITED,
    finish,
    read_records,
    run_and_kill,
    start_scrape,
)
from tests.sites.site import Site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc as Linux has them")

MODES = {"sequential": (1, 1), "thread": (1, 6), "process": (2, 3)}
"""Processes and threads."""


def write_list(folder: Path, site: Site, count: int) -> Counter[tuple[str, str]]:
    """A list of good, failing, listing and broken lines, some of them equal; its lines, to be compared."""
    kinds = ("/page/{}", "/page/{}", "/items?n={}", "/no-such/{}", "/page/0", "no URL {}")
    rows = []
    for number in range(count):
        path = kinds[number % len(kinds)].format(number)
        rows.append((site(path) if path[0] == "/" else path, str(number % 7)))
    text = "".join(f"{url},{shelf}\n" for url, shelf in rows)
    (folder / "list.csv").write_text(f"url,shelf\n{text}")
    return Counter(rows)


def outcomes(output: Path) -> Counter[tuple[str, str]]:
    """How many outcomes each line has; a page that gave several records must have all of them."""
    records = read_records(output)
    found: Counter[tuple[str, str]] = Counter()
    places = Counter((one["url"], one["input"]["shelf"], one["meta"].get("item", 1)) for one in records)
    for one in records:
        key = (one["url"], one["input"]["shelf"])
        found[key] += one["meta"].get("item", 1) == 1
        for item in range(1, one["meta"].get("items", 1) + 1):
            assert places[*key, item] == places[*key, 1]
    return found


def command(folder: Path, mode: str) -> list[object]:
    """The arguments of every run of the list."""
    return [folder / "list.csv", "-o", folder / "out.jsonl", *options(mode), *RUDE]


def options(mode: str) -> list[object]:
    """The options of every run."""
    processes, threads = MODES[mode]
    workers = ("--mode", mode, "--processes", processes, "--threads", threads)
    return [*workers, "--retries", 0, "--scraper", "tests.sites.shop:product"]


@pytest.mark.parametrize(
    ("mode", "seed", "kills"),
    [
        ("thread", 0, 2),
        *(
            pytest.param(mode, seed, 6, marks=pytest.mark.slow)
            for mode in MODES
            for seed in (random.SystemRandom().randrange(10**6),)
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_killed_runs_lose_and_double_nothing(
    mode: str, seed: int, kills: int, site: Site, tmp_path: Path
) -> None:
    """Counted against the list; and no more is fetched again than was in flight when the kills came."""
    dice = random.Random(seed)
    count = 150 * kills
    lines = write_list(tmp_path, site, count)
    for _ in range(kills):
        run_and_kill(command(tmp_path, mode), site.log, dice, dice.randrange(count // kills))
    status, _, errors = finish(start_scrape(*command(tmp_path, mode)))
    assert (status, f"{count:,} outcomes" in errors) == (1, True), f"seed {seed}: {errors}"
    assert outcomes(tmp_path / "out.jsonl") == lines, f"seed {seed}"
    fetches = sum(n for (url, _), n in lines.items() if url.startswith("http"))
    processes, threads = MODES[mode]
    again = len(site.log) - fetches
    assert 0 <= again <= kills * processes * capacity(threads), f"seed {seed}"


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_killed_retries_lose_and_double_nothing(mode: str, site: Site, tmp_path: Path) -> None:
    """An output of which half has failed, some of it equal to what is good, retried under six kills."""
    seed = random.SystemRandom().randrange(10**6)
    dice = random.Random(seed)
    records = [
        {"url": site(f"/page/{number % 500}"), "input": {"shelf": "本"}, "title": "earlier", "meta": {}}
        if number % 2
        else {
            "url": site(f"/page/{number % 499}"),
            "input": {"shelf": "本"},
            "error": {"code": "timeout"},
            "meta": {},
        }
        for number in range(1200)
    ]
    output = tmp_path / "out.jsonl"
    output.write_bytes(b"".join(map(encode, records)))
    expected = outcomes(output)
    arguments = ["retry", output, *options(mode), *UNLIMITED]
    for _ in range(6):
        run_and_kill(arguments, site.log, dice, dice.randrange(100))
    assert finish(start_scrape(*arguments))[0] == 0, f"seed {seed}"
    assert outcomes(output) == expected, f"seed {seed}"
    assert not any("error" in one for one in read_records(output))
    assert [one.name for one in tmp_path.iterdir()] == ["out.jsonl"]
    processes, threads = MODES[mode]
    assert 600 <= len(site.log) <= 600 + 6 * processes * capacity(threads), f"seed {seed}"
