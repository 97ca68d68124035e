"""``scrape retry OUTPUT``: failures are replaced, all else stays, and a kill at any step loses nothing."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape.cli import run
from parascrape.errors import ParascrapeError
from parascrape.files.retry_list import RetryFiles, drop_listed, list_failures, prepare_retry
from parascrape.records import encode
from tests.helpers.command import RUDE, UNLIMITED, read_records
from tests.sites.site import Site

OPTIONS = (
    *UNLIMITED,
    "--mode",
    "sequential",
    "--scraper",
    "tests.sites.shop:product",
    "--quiet",
    "--retries",
    "0",
)
OUTPUT = Path("out.jsonl")
LISTS = RetryFiles.of(OUTPUT)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


pytestmark = pytest.mark.usefixtures("folder")


def retry(*arguments: str) -> int:
    """The exit status of a quick retry of OUTPUT."""
    return run(["retry", str(OUTPUT), *OPTIONS, *arguments])


def line(url: str, code: str = "", columns: dict[str, Any] | None = None, **meta: Any) -> bytes:
    """A record of an earlier run."""
    body: dict[str, Any] = {"error": {"code": code, "message": "earlier"}} if code else {"title": "earlier"}
    return encode({"url": url, **body, **({"input": columns} if columns else {}), "meta": meta})


def write_output(site: Site) -> list[bytes]:
    """An output with failures of every kind between good lines; its good lines."""
    url = site.url
    good = [
        line(f"{url}/page/1", line=1),
        line(f"{url}/items", item=1, items=2, line=3) + line(f"{url}/items", item=2, items=2, line=3),
        line(f"{url}/page/4", columns={"id": "本"}, line=6),
    ]
    failed = [
        line(f"{url}/page/2", "timeout", line=2, source="a.csv"),
        line(f"{url}/page/4", "timeout", {"id": "本"}, line=5),  # equal to one that is good
        line(f"{url}/status/404", "reset", line=7),
        line(f"{url}/page/4", "status", {"id": "本"}, line=8),
        line("no URL", "invalid_url", line=9),
    ]
    order = (good[0], failed[0], good[1], failed[1], good[2], *failed[2:])
    OUTPUT.write_bytes(b"".join(order))
    return good


def state(site: Site) -> Counter[tuple[str, str, str]]:
    """The multiset of outcomes: path, error's code, column."""
    firsts = [one for one in read_records(OUTPUT) if one["meta"].get("item", 1) == 1]
    return Counter(
        (
            one["url"].removeprefix(site.url),
            one.get("error", {}).get("code", ""),
            one.get("input", {}).get("id", ""),
        )
        for one in firsts
    )


DONE = Counter(
    {
        ("/page/1", "", ""): 1,
        ("/items", "", ""): 1,
        ("/page/2", "", ""): 1,
        ("/page/4", "", "本"): 3,
        ("/status/404", "status", ""): 1,
        ("no URL", "invalid_url", ""): 1,
    }
)
"""The outcomes after a retry of everything."""
FETCHED = ["/page/2", "/page/4", "/page/4", "/status/404"]


def assert_done(site: Site, good: list[bytes]) -> None:
    """Every outcome once, good lines as they were, nothing left beside the output."""
    assert state(site) == DONE
    assert OUTPUT.read_bytes().startswith(b"".join(good))
    assert os.listdir() == [OUTPUT.name]


# --- what is run again ------------------------------------------------------------------------------


def test_failures_are_replaced_and_good_records_stay(site: Site) -> None:
    """Each failed line is fetched once, even if an equal one is good; records keep their source."""
    good = write_output(site)
    assert retry() == 1
    assert_done(site, good)
    assert Counter(target for target, _ in site.log) == Counter(FETCHED)
    metas = {one["url"]: one["meta"] for one in read_records(OUTPUT)}
    assert (metas[site("/page/2")]["line"], metas[site("/page/2")]["source"]) == (2, "a.csv")


@pytest.mark.parametrize(
    ("codes", "fetched"),
    [
        ("timeout", ["/page/2", "/page/4"]),
        ("status", ["/page/4"]),
        (" reset , status,", ["/status/404", "/page/4"]),
        ("invalid_url", []),
        ("dns", []),
    ],
)
def test_only_the_chosen_codes_are_retried(codes: str, fetched: list[str], site: Site) -> None:
    """Other failures stay, and the status is 1."""
    write_output(site)
    before = sum(state(site).values())
    assert retry("--only", codes) == 1
    assert Counter(target for target, _ in site.log) == Counter(fetched)
    assert sum(state(site).values()) == before
    assert os.listdir() == [OUTPUT.name]


def test_the_status_is_0_without_failures(site: Site) -> None:
    """A second retry changes nothing."""
    OUTPUT.write_bytes(line(site("/page/1"), "timeout") + line(site("/page/2"), "timeout") + line("x"))
    assert retry("--only", "timeout") == 0
    data = OUTPUT.read_bytes()
    assert retry() == 0
    assert (len(site.log), OUTPUT.read_bytes()) == (2, data)
    assert os.listdir() == [OUTPUT.name]


def test_a_retry_without_failures_says_so(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """The message is the command's own."""
    OUTPUT.write_bytes(line(site("/page/1")))
    assert run(["retry", str(OUTPUT)]) == 0
    assert "There are no failures to retry." in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none.jsonl"], "none.jsonl: no such output"),
        (["-"], "-: no such output"),
        (["."], ".: no such output"),
        (["diary"], "diary: line 1 is not a record"),
        (["out.jsonl", "--only", "timout"], "--only timout: no such code; there are .*timeout"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(
    arguments: list[str], reason: str, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    """Status 2, and nothing has been changed or left."""
    write_output(site)
    Path("diary").write_text("dear diary\n")
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    assert run(["retry", *arguments]) == 2
    errors = capfd.readouterr().err
    assert errors.count("\n") == 1
    assert re.search(reason, errors)
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before


def test_every_error_code_can_be_chosen(site: Site) -> None:
    """They are those of the error classes."""
    OUTPUT.write_bytes(line(site("/page/1")))
    codes = {kind.code for kind in ParascrapeError.__subclasses__()}
    assert retry("--only", ",".join(codes)) == 0


# --- kills ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", range(5))
def test_a_kill_between_two_steps_loses_nothing(steps: int, site: Site) -> None:
    """From the files that each step leaves, the next retry fetches the remaining failures."""
    good = write_output(site)
    OUTPUT.with_name(f".{LISTS.new.name}.0a.part").write_bytes(b'{"url":"half a li')
    if steps > 1:
        list_failures(OUTPUT, ())
    if steps > 2:
        drop_listed(OUTPUT)
    if steps > 3:
        os.replace(LISTS.new, LISTS.list)
    assert retry() == 1
    assert_done(site, good)
    assert Counter(target for target, _ in site.log) == Counter(FETCHED)


def test_a_kill_while_fetching_loses_nothing(site: Site) -> None:
    """Finished lines are not fetched again, wherever the output was cut."""
    good = write_output(site)
    prepare_retry(OUTPUT, ())
    base, listed = OUTPUT.read_bytes(), LISTS.list.read_bytes()
    assert retry() == 1
    whole = OUTPUT.read_bytes()
    for cut in range(len(base), len(whole) + 1, 23):
        OUTPUT.write_bytes(whole[:cut])
        LISTS.list.write_bytes(listed)
        missing = sum(DONE.values()) - sum(state_of_cut(site).values())
        before = len(site.log)
        assert retry() == 1
        assert_done(site, good)
        assert len(site.log) - before == missing


def state_of_cut(site: Site) -> Counter[tuple[str, str, str]]:
    """The outcomes in the whole lines."""
    data = OUTPUT.read_bytes()
    OUTPUT.write_bytes(data[: data.rfind(b"\n") + 1])
    found = state(site)
    OUTPUT.write_bytes(data)
    return found


@pytest.mark.parametrize("steps", [2, 3, 4])
def test_a_harvest_may_run_before_the_retry_resumes(steps: int, site: Site) -> None:
    """It continues from the current output, and the retry then has less to do."""
    good = write_output(site)
    urls = [one["url"] for one in read_records(OUTPUT) if "input" not in one]
    urls.remove(site("/items"))  # it has two records
    Path("list.txt").write_text("\n".join(urls))
    list_failures(OUTPUT, ())
    if steps > 2:
        drop_listed(OUTPUT)
    if steps > 3:
        os.replace(LISTS.new, LISTS.list)
    assert run(["list.txt", "-o", str(OUTPUT), *OPTIONS, *RUDE]) == 1
    Path("list.txt").unlink()
    assert retry() == 1
    assert_done(site, good)


def test_an_old_retry_list_removes_only_its_own_lines(site: Site) -> None:
    """Later failures stay in the output."""
    OUTPUT.write_bytes(line(site("/page/1"), "timeout"))
    list_failures(OUTPUT, ())
    OUTPUT.write_bytes(line(site("/page/1"), "timeout") + line(site("/page/2"), "timeout"))
    assert retry() == 1
    assert state(site) == Counter([("/page/1", "", ""), ("/page/2", "timeout", "")])
    assert retry() == 0
    assert state(site) == Counter([("/page/1", "", ""), ("/page/2", "", "")])


def test_overwrite_removes_the_retry_list(site: Site) -> None:
    """A new output has no failures to retry."""
    write_output(site)
    prepare_retry(OUTPUT, ())
    Path("list.txt").write_text(site("/page/9"))
    assert run(["list.txt", "-o", str(OUTPUT), *OPTIONS, "--overwrite"]) == 0
    assert retry() == 0
    assert state(site) == Counter([("/page/9", "", "")])
