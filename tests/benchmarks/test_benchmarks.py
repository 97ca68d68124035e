"""The benchmark runs, on a handful of pages, and takes no peer's time that did not do the work."""

from __future__ import annotations

import gzip
import json
import sys
import urllib.request
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from .__main__ import WORKS, main
from .checking import WrongResult, check_contents, check_titles
from .environments import SOURCES
from .measure import Figures, Run, Task, interleave, run
from .pages import MEAN_BYTES, gather, generate, make_page, title_of
from .runner import LINUX
from .servers import asyncio_server

OURS = pytest.mark.skipif(
    not (SOURCES / "parascrape" / "__main__.py").is_file(), reason="no command to measure"
)


def task(tmp_path: Path, code: str, check: Callable[[Path], object] = lambda _: None) -> Task:
    """A task that runs Python code, whose first argument is the file to write."""
    output = tmp_path / "output.jsonl"
    return Task("code", (sys.executable, "-c", code, str(output)), output, check, 10)


def write(path: Path, records: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_the_usual_script_is_measured_and_its_titles_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    """The light work runs from pages to table, with the peer that needs only the test dependencies."""
    assert main(["--quick", "--peers", "script"]) == 0
    table = capsys.readouterr().out
    assert "the usual script" in table
    assert "1.00 ×" in table


@OURS
@pytest.mark.parametrize("work", ["light", "crawl", "start"])
def test_parascrape_runs_as_one_more_peer(work: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The works with a handful of pages give a row for parascrape."""
    assert main(["--quick", "--work", work, "--peers", "parascrape"]) == 0
    assert "| ---" in capsys.readouterr().out


@pytest.mark.parametrize("work", sorted(WORKS))
def test_an_unknown_peer_is_refused_by_name(work: str) -> None:
    """A peer that is not there ends the run before anything is measured."""
    with pytest.raises(SystemExit, match="no such peer: wget"):
        main(["--quick", "--work", work, "--peers", "wget"])


GOOD = [
    {"url": "http://h/1", "title": "One", "content": "a"},
    {"url": "http://h/2", "title": " Two\n2 ", "content": "b"},
]
EXPECTED = {"http://h/1": "One", "http://h/2": "Two 2"}


def test_titles_are_compared_with_white_space_folded(tmp_path: Path) -> None:
    """A peer may keep a title's line ends and outer space."""
    assert check_titles("peer", write(tmp_path / "o", GOOD), EXPECTED) == 2


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([GOOD[0], {**GOOD[1], "title": "Two"}], "has the title 'Two', not 'Two 2'"),
        ([GOOD[0], {"url": "http://h/2", "content": "b"}], "has the title ''"),
        (GOOD[:1], "1 URLs have no record, such as http://h/2"),
        ([], "2 URLs have no record"),
        ([*GOOD, {"url": "http://h/3", "title": ""}], "not asked for, such as http://h/3"),
        ([*GOOD, GOOD[0]], "several records, such as http://h/1"),
    ],
)
def test_a_peer_that_did_not_do_the_work_is_caught(
    tmp_path: Path, records: list[dict[str, str]], reason: str
) -> None:
    """Wrong titles and lost, foreign or doubled URLs are each named."""
    with pytest.raises(WrongResult, match=reason):
        check_titles("peer", write(tmp_path / "o", records), EXPECTED)


def test_a_peer_without_text_is_caught() -> None:
    """Right titles alone are not the work."""
    check_contents({"a": 100, "b": 98, "c": 60})
    with pytest.raises(WrongResult, match="c: 40 characters"):
        check_contents({"a": 100, "b": 98, "c": 40})


def test_no_ratio_is_printed_where_a_peer_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run ends with status 1, the reason on stderr and nothing on stdout."""

    def wrong(_bench: object) -> None:
        raise WrongResult("script: a wrong title")

    monkeypatch.setitem(WORKS, "light", wrong)
    assert main(["--quick"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "script: a wrong title" in said.err


def test_a_failing_command_ends_the_run_with_its_own_words(tmp_path: Path) -> None:
    """A traceback of a peer is shown, not a figure."""
    with pytest.raises(SystemExit, match=r"code ended with status 1:[^$]*ValueError: no such page"):
        run(task(tmp_path, "raise ValueError('no such page')"))


@pytest.mark.skipif(not LINUX, reason="descendants are counted by Linux' subreapers")
def test_cpu_of_processes_that_nobody_waited_for_is_counted(tmp_path: Path) -> None:
    """A grandchild that outlives its parent still counts, and the run waits for it."""
    burn = "import time; e = time.process_time() + 0.3\nwhile time.process_time() < e: pass"
    code = f"import subprocess, sys, os; subprocess.Popen([sys.executable, '-c', {burn!r}]); os._exit(0)"
    result = run(task(tmp_path, code))
    assert result.cpu >= 0.3
    assert result.own_cpu < 0.3
    assert result.left_behind == 0


def test_peak_memory_and_first_record_are_seen(tmp_path: Path) -> None:
    """Forty megabytes that are held until the sampler saw them, and the moment of the first line."""
    code = (
        "import sys, time; b = b'x' * 40_000_000; f = open(sys.argv[1], 'w', 1); f.write('{}\\n');"
        "e = time.monotonic() + 0.6\nwhile time.monotonic() < e: pass"
    )
    result = run(task(tmp_path, code))
    assert result.first_record is not None
    assert result.first_record < result.seconds
    if LINUX:
        assert result.tree_peak > 40e6
        assert result.own_peak > 40e6


def test_runs_are_interleaved_and_each_is_checked(tmp_path: Path) -> None:
    """A B A B: a slow spell of the machine meets every peer."""
    order: list[str] = []
    tasks = [
        Task(name, (sys.executable, "-c", ""), tmp_path / name, lambda path: order.append(path.name), 1)
        for name in "ab"
    ]
    figures = interleave(tasks, 2, tell=lambda _: None)
    assert order == ["a", "b", "a", "b"]
    assert [len(each.runs) for each in figures.values()] == [2, 2]


def test_figures_are_medians(tmp_path: Path) -> None:
    """One slow run of three does not move the rate."""
    made = [Run(s, s / 2, 0, 0, 0, 5, 5, None, 0, 0) for s in (1.0, 9.0, 2.0)]
    figures = Figures(task(tmp_path, ""), tuple(made))
    assert figures.rate == 5
    assert figures.cpu_per_page == pytest.approx(0.1)


def test_generated_pages_are_the_same_everywhere_and_of_real_size() -> None:
    """Deterministic; mean size, gzip ratio and elements are those of news pages."""
    pages = [make_page(number) for number in range(40)]
    assert pages[3] == make_page(3)
    assert len(set(map(title_of, pages))) == 40
    sizes = [len(page.encode()) for page in pages]
    assert sum(sizes) / 40 == pytest.approx(MEAN_BYTES, rel=0.1)
    assert max(sizes) > 8 * min(sizes)
    packed = sum(len(gzip.compress(page.encode(), 6)) for page in pages)
    assert 4 < sum(sizes) / packed < 6
    assert 600 < sum(page.count("</") for page in pages) / 40 < 1_500


def test_a_folder_gives_its_pages_but_those_without_title_or_utf8(tmp_path: Path) -> None:
    """Plain and gzipped files are taken, and titles are read as a parser reads them."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.html").write_text("<title lang=en> A &amp;\n B </title><title>no</title>")
    (source / "b.html.gz").write_bytes(gzip.compress(b"<TITLE>B</TITLE>"))
    (source / "c.html").write_bytes("<title>日本</title>".encode("shift_jis"))
    (source / "d.html").write_text("<p>no title")
    assert gather(source, tmp_path / "root").titles == {"a": "A & B", "b": "B"}


def ask(url: str, **headers: str) -> tuple[bytes, Mapping[str, str]]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.read(), answer.headers


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has 127.0.0.1 alone")
def test_the_server_gives_compressed_bodies_on_every_host_and_counts(tmp_path: Path) -> None:
    """Both forms of a page, from several addresses, and how many pages were given."""
    pages = generate(tmp_path / "root", 1, 3_000)
    plain = (pages.root / "page-0000.html").read_bytes()
    with asyncio_server(pages.root, hosts=2) as server:
        body, headers = ask(f"{server.base(2)}/page-0000.html?copy=7", **{"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == plain
        assert ask(f"{server.base()}/page-0000.html")[0] == plain
        assert server.take_counts()["pages"] == 2
        assert server.take_counts()["pages"] == 0


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has 127.0.0.1 alone")
def test_a_slow_server_waits_and_a_dead_one_never_answers(tmp_path: Path) -> None:
    """Latency is to the first byte; the dead host takes the connection and is silent."""
    pages = generate(tmp_path / "root", 1, 3_000)
    with asyncio_server(pages.root, latency=0.1, dead=True) as server:
        ask(f"{server.base()}/page-0000.html")
        assert server.take_counts()["seconds"] >= 0.1
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(f"{server.base(2)}/page-0000.html", timeout=0.2)


def test_the_tests_need_no_peer_but_the_script() -> None:
    """What the first test runs is among the test dependencies."""
    assert find_spec("requests")
    assert find_spec("bs4")
