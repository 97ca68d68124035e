"""Sinks: every line arrives, whole and in its order, or the one who writes is told."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parascrape.errors import OutputError, UsageError
from parascrape.sinks import JsonlSink

LINE = b'{"url":"http://h/"}\n'
LARGE = b'{"text":"' + b"x" * 100_000 + b'"}\n'
PREAMBLE = """
import sys
from parascrape.errors import OutputError
from parascrape.sinks import JsonlSink
LINE = b'{"url":"http://h/"}\\n'
LARGE = b'{"text":"' + b"x" * 100_000 + b'"}\\n'
"""

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files and limits")


@given(
    chunks=st.lists(st.sampled_from([LINE, LARGE, b"", b'{"a":"\xe6\x9c\xac"}\n', LINE * 2000]), max_size=20)
)
@settings(deadline=None, max_examples=25)
def test_all_lines_arrive_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
) -> None:
    """Small and large ones, one or many at a time."""
    path = tmp_path_factory.mktemp("sink") / "out.jsonl"
    with JsonlSink(str(path)) as sink:
        for chunk in chunks:
            sink.write(chunk)
    assert path.read_bytes() == b"".join(chunks)


def test_a_line_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """A run that is killed has lost nothing that was finished."""
    path = tmp_path / "out.jsonl"
    with JsonlSink(str(path)) as sink:
        sink.write(LINE)
        assert path.read_bytes() == LINE


def test_folders_are_made_and_an_old_file_is_replaced(tmp_path: Path) -> None:
    """The destination need not exist."""
    path = tmp_path / "a" / "b" / "out.jsonl"
    for line in (LARGE, LINE):
        with JsonlSink(str(path)) as sink:
            sink.write(line)
    assert path.read_bytes() == LINE


def test_what_was_taken_is_written_when_the_run_fails(tmp_path: Path) -> None:
    """An exception inside the with block loses no line and is not hidden."""
    path = tmp_path / "out.jsonl"

    def work() -> None:
        with JsonlSink(str(path)) as sink:
            sink.write(LINE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert path.read_bytes() == LINE


@pytest.mark.parametrize(
    ("name", "reason"),
    [("folder", "directory"), ("file/out.jsonl", "(exists|[Nn]ot a directory)"), ("x" * 300, "too long")],
)
def test_a_destination_that_cannot_be_opened_is_one_line(tmp_path: Path, name: str, reason: str) -> None:
    """A folder, a path through a file, a name no file system takes: said before the first fetch."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"cannot write .*{reason}") as caught:
        JsonlSink(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def run(code: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """A Python of its own, for what is done to a whole process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PREAMBLE + code]
    return subprocess.run(command, env=environment, timeout=60, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_standard_output_gets_the_lines_and_stays_open() -> None:
    """`-` writes past Python's own buffer, and what the process prints afterwards still arrives."""
    code = "with JsonlSink('-') as sink: sink.write(LINE)\nprint('after')"
    assert run(code, stdout=subprocess.PIPE).stdout.splitlines() == [LINE.strip(), b"after"]


@posix
def test_a_closed_standard_output_is_said_in_one_line() -> None:
    """`scrape - >&-` has nowhere to write to."""
    code = "sys.stdout = None\ntry: JsonlSink('-')\nexcept Exception as e: sys.stderr.write(f'{e.code}: {e}')"
    assert run(code, stderr=subprocess.PIPE).stderr == b"usage: cannot write to standard output: it is closed"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_told_once(tmp_path: Path) -> None:
    """The write raises; closing does not raise again."""
    sink = JsonlSink("/dev/full")
    with pytest.raises(OutputError, match="No space") as caught:
        sink.write(LARGE)
    assert caught.value.errno == errno.ENOSPC
    sink.close()


@posix
@pytest.mark.parametrize("room", [0, 1, len(LARGE) - 1, len(LARGE), len(LARGE) + 7, 2 * len(LARGE) + 1])
def test_where_only_a_part_fits_the_file_ends_with_a_whole_line(tmp_path: Path, room: int) -> None:
    """A limit on the file's size stands in for a disk that fills up in the middle of a line."""
    path = tmp_path / "out.jsonl"
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n"
        f"sink = JsonlSink({str(path)!r})\n"
        "try: sink.write(LINE); sink.write(LARGE); sink.write(LARGE)\n"
        "except OutputError as e: sys.stderr.write(str(e.errno))\n"
        "sink.close()"
    )
    assert run(code, stderr=subprocess.PIPE).stderr == str(errno.EFBIG).encode()
    assert path.read_bytes() in (b"", LINE, LINE + LARGE)
    assert len(path.read_bytes()) + len(LARGE) > room


def test_a_reader_that_goes_away_is_told() -> None:
    """`scrape - | head` raises EPIPE, which the command takes for an end."""
    with subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        reader.wait()
        code = "try:\n with JsonlSink('-') as s: s.write(LARGE)\nexcept OutputError as e: sys.exit(e.errno)"
        assert run(code, stdout=reader.stdin).returncode == errno.EPIPE
