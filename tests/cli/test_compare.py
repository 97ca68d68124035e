"""``scrape compare`` and ``scrape verify`` as people run them, over sites on loopback and a replay server."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from parascrape.cli import run
from parascrape.cli.compare import parse_time
from parascrape.errors import UsageError
from parascrape.frontier.host_store import default_path
from tests.helpers.command import ENVIRONMENT, children, finish, lives, start_scrape, until
from tests.helpers.recordings import closed_port
from tests.sites.site import Site

pytest.importorskip("warcio")

QUICK = ("--strategies", "sequential,thread:4,process:1x4", "--repeat", 1)
STATEFUL = """
seen = []
def count(page):
    seen.append(page.url)
    return {"number": len(seen)}
"""
DEADLY = """
import multiprocessing, os
def title(page):
    if multiprocessing.parent_process() is None and os.environ.get("DEADLY"):
        os._exit(9)
    return {"title": page.css_first("title").text()}
"""


@pytest.fixture(scope="module")
def sites() -> Iterator[list[Site]]:
    with Site("127.0.0.2") as one, Site("127.0.0.3") as two:
        yield [one, two]


@pytest.fixture
def pages(sites: list[Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of two hosts' pages in the working directory; one page is missing, and one line is not a URL."""
    monkeypatch.chdir(tmp_path)
    lines = [sites[number % 2](f"/page/{number}") for number in range(12)]
    path = tmp_path / "pages.txt"
    path.write_text("\n".join([*lines, sites[0]("/nowhere"), sites[1]("/coded/gzip"), "no URL", ""]))
    return path


def compare(*arguments: object, command: str = "compare", **options: object) -> tuple[int, str, str]:
    """Return exit status, stdout and stderr of a comparison."""
    return finish(start_scrape(command, *arguments, **options))


def test_a_comparison_from_the_list_to_the_verdict(pages: Path, sites: list[Site]) -> None:
    """It prints a table, a reason and a command, writes JSON and HTML, and fetches each page once."""
    for site in sites:
        site.log.clear()
    outputs = ("--json", "out/figures.json", "--report", "out/report.html", "--recording", "kept.warc.gz")
    status, out, errors = compare(pages, *QUICK, "--select", "title=title", *outputs)
    assert (status, errors.count("round 1 of 1")) == (0, 3), errors
    for name in ("sequential", "thread:4", "process:1x4"):
        assert name in out
    assert "\x1b" not in out
    assert f"scrape {pages} --mode " in out
    asked = [path for site in sites for path, _ in site.log if path != "/robots.txt"]
    assert len(asked) == len(set(asked)) == 14
    data = json.loads(Path("out/figures.json").read_text())
    assert (data["pages"], data["hosts"], data["list"]) == (14, 2, {"urls": 14, "invalid": 1})
    assert [strategy["errors"] for strategy in data["strategies"]] == [{"status": 1}] * 3
    assert data["disagreements"] == []
    assert data["stages"]["pages"] == 13
    report = Path("out/report.html").read_text()
    assert data["verdict"]["choice"] in report
    assert report.count("<canvas") == 7
    assert data["strategies"][0]["milliseconds_a_page"]["scrape"] > 0


@pytest.mark.slow
def test_a_recording_replaces_the_sites(pages: Path, sites: list[Site]) -> None:
    """The second comparison sends no request to a site and leaves no file but the recording."""
    chosen = (pages, "--select", "title=title", "--recording", "kept.warc.gz", "--sample", 6)
    assert compare(*chosen, "--strategies", "thread:4", "--repeat", 1)[0] == 0
    for site in sites:
        site.log.clear()
    status, out, errors = compare(*chosen, *QUICK, "--time-scale", 0.5, "--latency", "5ms", "--quiet")
    assert (status, errors) == (0, "")
    assert "Use " in out
    assert [site.log for site in sites] == [[], []]
    assert {path.name for path in Path.cwd().iterdir()} == {"pages.txt", "kept.warc.gz"}


def test_a_list_whose_hosts_do_not_answer_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    """The message says why nothing can be compared."""
    with closed_port() as port:
        assert run(["compare", f"http://127.0.0.1:{port}/", "--quiet"]) == 2
    assert "no page could be fetched; 1 not fetched: host_down 1" in capfd.readouterr().err


def test_runs_do_not_share_host_state(pages: Path) -> None:
    """The replay server is not the host: its refusals must not slow the next run, or a real harvest."""
    default_path().unlink(missing_ok=True)
    status, _, errors = compare(pages, "--select", "title=title", "--strategies", "thread:4", "--repeat", 1)
    assert status == 0, errors
    assert not default_path().exists()


def test_verify_finds_hidden_state(pages: Path) -> None:
    """A scraper that counts gives other numbers backwards; verify shows them and fails."""
    Path("stateful.py").write_text(STATEFUL)
    status, out, _ = compare(pages, "-s", "stateful.py:count", command="verify")
    assert status == 1
    assert "sequential reversed gave different records from sequential for" in out
    assert "  number:" in out
    assert out.endswith("the scraper uses more than its page.\n")


def test_verify_reports_equal_records(pages: Path) -> None:
    """It prints one line."""
    status, out, _ = compare(pages, "--select", "title=title", "--quiet", command="verify")
    assert (status, out.count("\n")) == (0, 1)
    assert out.startswith("The same records of 14 URLs in all: sequential, sequential reversed, thread:8, ")


def test_a_strategy_that_crashes_does_not_stop_the_others(pages: Path) -> None:
    """The others are measured, the crash is reported, and the command fails."""
    Path("deadly.py").write_text(DEADLY)
    environment = {**ENVIRONMENT, "DEADLY": "1"}
    status, out, _ = compare(pages, "-s", "deadly.py:title", *QUICK, env=environment)
    assert status == 1
    assert "thread:4 ended with status 9" in out
    assert "Use process:1x4" in out


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("Fetching", signal.SIGINT),
        ("Once each", signal.SIGINT),
        ("round 1 of 1: sequential", signal.SIGINT),
        pytest.param("round 1 of 1: sequential", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_comparison_leaves_no_process_or_file(
    phase: str, number: signal.Signals, sites: list[Site], tmp_path: Path
) -> None:
    """No process and no temporary file is left, whether it records, times a page alone or runs."""
    (rest := tmp_path / "rest").mkdir()
    urls = [sites[0](f"/slow?seconds=0.2&n={each}") for each in range(6)]
    environment = {**ENVIRONMENT, "TMPDIR": str(rest)}
    process = start_scrape("compare", *urls, "--select", "title=title", *QUICK, env=environment)
    assert process.stderr is not None
    assert any(line.decode().startswith(phase) for line in process.stderr)
    running = children(process.pid)
    os.killpg(process.pid, number)
    assert finish(process)[0] == 128 + number
    assert until(lambda: not any(map(lives, running)))
    assert not list(rest.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--strategies", "warp:9"), "'warp:9' is not a strategy"),
        (("--repeat", "0"), "--repeat: 0 is not between"),
        (("--sample", "-1"), "--sample: -1"),
        (("--latency", "soon"), "--latency 'soon': write a time"),
        (("--time-scale", "0"), "--time-scale: 0"),
        (("--scraper", "nothing.py:here"), "nothing.py"),
        (("--recording", "pages.txt"), "pages.txt: "),
        (("no-such-list.txt",), "no-such-list.txt"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(
    arguments: tuple[str, ...], said: str, pages: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The message comes before anything is fetched."""
    assert run(["compare", "pages.txt", *arguments, "--quiet"]) == 2
    out, errors = capfd.readouterr()
    assert out == ""
    assert said in errors
    assert errors.count("\n") == 1


def test_an_empty_list_is_reported(pages: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is wrong usage."""
    pages.write_text("# nothing\n")
    assert run(["verify", "pages.txt", "--quiet"]) == 2
    assert "holds no URL" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"), [("200ms", 0.2), ("1.5s", 1.5), ("2 s", 2.0), (".25", 0.25), ("0", 0.0)]
)
def test_times_are_parsed_with_their_unit(text: str, seconds: float) -> None:
    """Without a unit they are seconds."""
    assert parse_time("--latency", text) == seconds


@pytest.mark.parametrize("text", ["", "ms", "-1s", "61s", "1h", "1e3", "nan", "1 s 2"])
def test_other_times_are_refused(text: str) -> None:
    """Anything else, and more than a minute, is wrong usage."""
    with pytest.raises(UsageError, match="write a time"):
        parse_time("--latency", text)
