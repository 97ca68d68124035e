"""The sink: every line arrives, whole and in order, or the write raises."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from parascrape.errors import OutputBusy, OutputError, UsageError
from parascrape.files.ledger import drop_pages
from parascrape.files.sink import MIN_FREE, SYNC_RECORDS, SYNC_SECONDS, JsonlSink, System
from parascrape.records import Entry

LINE = b'{"url":"http://h/","meta":{}}\n'
FAILED = b'{"url":"http://f/","error":{"code":"dns","message":"no"},"meta":{}}\n'
LARGE = b'{"text":"' + b"x" * 100_000 + b'"}\n'
LARGE_RECORD = LARGE.replace(b"{", b'{"url":"http://l/","meta":{},')
PREAMBLE = """
import sys
from parascrape.errors import OutputError
from parascrape.files.sink import JsonlSink
LINE = b'{"url":"http://h/","meta":{}}\\n'
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


@pytest.mark.parametrize(
    ("lines", "move", "written"),
    [
        ([LINE, LINE], "flush", LINE * 2),
        ([LINE], "sync", LINE),
        ([LINE], "close", LINE),
        ([LINE], "", b""),
        ([LINE, LARGE], "", LINE + LARGE),
    ],
)
def test_lines_are_in_the_file_when_they_are_flushed(
    tmp_path: Path, lines: list[bytes], move: str, written: bytes
) -> None:
    """Before the run waits, that is; many bytes do not wait for it."""
    path = tmp_path / "out.jsonl"
    with JsonlSink(str(path)) as sink:
        for line in lines:
            sink.write(line)
        if move:
            getattr(sink, move)()
        assert path.read_bytes() == written
    assert path.read_bytes() == b"".join(lines)


# --- what is there already --------------------------------------------------------------------------


def test_folders_are_made_and_an_old_file_goes_on(tmp_path: Path) -> None:
    """The destination need not exist; what it holds stays, and the ledger knows it."""
    path = tmp_path / "a" / "b" / "out.jsonl"
    for number, line in enumerate((LINE, FAILED)):
        with JsonlSink(str(path)) as sink:
            assert len(sink.ledger) == number
            sink.write(line)
    assert path.read_bytes() == LINE + FAILED
    with JsonlSink(str(path)) as sink:
        codes = [
            sink.ledger.take(Entry(url)) for url in ("http://h/", "http://f/", "http://new/", "http://h/")
        ]
    assert codes == ["", "dns", None, None]


@pytest.mark.parametrize("torn", [LINE[:-1], LINE[:5], b"\0" * 4096])
def test_a_torn_tail_is_cut(tmp_path: Path, torn: bytes) -> None:
    """A kill or a power cut in the middle of a line leaves the lines before it, and new ones follow them."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(LINE + torn)
    with JsonlSink(str(path)) as sink:
        assert path.read_bytes() == LINE
        sink.write(FAILED)
    assert path.read_bytes() == LINE + FAILED


@pytest.mark.parametrize("number", range(len(LINE)))
def test_a_first_line_cut_anywhere_begins_anew(tmp_path: Path, number: int) -> None:
    """The run was killed in its first write."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(LINE[:number])
    with JsonlSink(str(path)) as sink:
        assert len(sink.ledger) == 0
        sink.write(FAILED)
    assert path.read_bytes() == FAILED


@pytest.mark.parametrize(
    "data",
    [
        b"http://h/\n",
        b"http://h/1\nhttp://h/2\n",
        b"a note without an end",
        b'{"sku":7}\n',
        b"[1]\n" + LINE,
        b"\n" + LINE,
        LINE + b"a note\n" + LINE,
    ],
)
def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path, data: bytes) -> None:
    """A list or a note in the output's place is no torn record: it is refused, not cut."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"out\.jsonl: line \d is not a record"):
        JsonlSink(str(path))
    assert path.read_bytes() == data
    assert not path.with_name("out.jsonl.lock").exists()
    with JsonlSink(str(path), overwrite=True) as sink:
        sink.write(LINE)
    assert path.read_bytes() == LINE


def test_pages_can_be_taken_out_to_be_fetched_again(tmp_path: Path) -> None:
    """``prepare`` may change the file before the ledger is read; the others stay, byte by byte."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(LINE + FAILED + LARGE_RECORD + FAILED)
    with JsonlSink(str(path), prepare=lambda file: drop_pages(file, lambda page: page.code != "")) as sink:
        assert len(sink.ledger) == 2
        sink.write(FAILED)
    assert path.read_bytes() == LINE + LARGE_RECORD + FAILED
    assert [found.name for found in tmp_path.iterdir()] == ["out.jsonl"]


def test_an_output_has_one_writer(tmp_path: Path) -> None:
    """The second one's error names the first process; it may start after the first has ended."""
    path = tmp_path / "out.jsonl"
    with JsonlSink(str(path)) as sink:
        sink.write(LINE)
        sink.flush()
        for overwrite in (False, True):
            with pytest.raises(OutputBusy, match=f"is being written by process {os.getpid()}:"):
                JsonlSink(str(path), overwrite=overwrite)
        assert path.read_bytes() == LINE
    assert not path.with_name("out.jsonl.lock").exists()
    with JsonlSink(str(path)) as sink:
        assert len(sink.ledger) == 1


# --- group commit -----------------------------------------------------------------------------------


class Disk:
    """The calls of a system that counts its syncs, and fails when told to."""

    def __init__(self) -> None:
        self.now = 50.0
        self.syncs = 0
        self.room = MIN_FREE
        self.broken = False

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")
        os.fsync(descriptor)

    @property
    def system(self) -> System:
        """What a sink is given."""
        return System(sync=self.sync, free=lambda _: self.room, clock=lambda: self.now)


@pytest.mark.parametrize(
    ("pages", "seconds", "syncs"),
    [
        (1, 0.0, 0),
        (SYNC_RECORDS - 1, SYNC_SECONDS / 2, 0),
        (SYNC_RECORDS, 0.0, 1),
        (1, SYNC_SECONDS, 1),
        (0, SYNC_SECONDS * 9, 0),
    ],
)
def test_lines_reach_the_disk_in_groups(tmp_path: Path, pages: int, seconds: float, syncs: int) -> None:
    """After so many pages or so many seconds, and what is left at the end; never for nothing."""
    disk = Disk()
    with JsonlSink(str(tmp_path / "out.jsonl"), system=disk.system) as sink:
        for _ in range(pages):
            sink.write(LINE)
        disk.now += seconds
        sink.flush()
        assert disk.syncs == syncs
    assert disk.syncs == min(1, pages)


def test_a_sync_that_failed_is_not_tried_again(tmp_path: Path) -> None:
    """What it has lost is not known; closing does not pretend that it is there."""
    disk = Disk()
    sink = JsonlSink(str(tmp_path / "out.jsonl"), system=disk.system)
    sink.write(LINE)
    disk.broken = True
    with pytest.raises(OutputError, match="Input/output error") as caught:
        sink.sync()
    sink.close()
    assert (caught.value.errno, disk.syncs) == (errno.EIO, 1)


@pytest.mark.parametrize(("room", "ends"), [(MIN_FREE, False), (MIN_FREE - 1, True)])
def test_a_disk_that_is_nearly_full_ends_the_run(tmp_path: Path, room: int, ends: bool) -> None:
    """While there is still room for others; all that was taken is there. A run at its end is not failed."""
    disk = Disk()
    path = tmp_path / "out.jsonl"
    sink = JsonlSink(str(path), system=disk.system)
    for _ in range(SYNC_RECORDS):
        sink.write(LINE)
    disk.room = room
    with pytest.raises(OutputError, match="bytes are left") if ends else nullcontext():
        sink.flush()
    sink.close()
    assert path.read_bytes() == LINE * SYNC_RECORDS


@posix
def test_what_is_no_file_is_neither_locked_nor_synced(tmp_path: Path) -> None:
    """A device, say: two may write to it, and it has no disk below it."""
    disk = Disk()
    disk.broken, disk.room = True, 0
    with JsonlSink(os.devnull, system=disk.system) as one, JsonlSink(os.devnull, system=disk.system) as two:
        for sink in (one, two):
            sink.write(LINE)
            sink.sync()
            assert len(sink.ledger) == 0
    assert disk.syncs == 0


# --- what goes wrong --------------------------------------------------------------------------------


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
    """Run the code in a separate Python process."""
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
