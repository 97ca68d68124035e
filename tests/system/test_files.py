"""Temporary folders and files that are replaced atomically: nothing is left behind."""

from __future__ import annotations

import errno
import os
import signal
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from parascrape.errors import OutputError, UsageError
from parascrape.system.files import (
    check_writable,
    output_errors,
    remove_leftovers,
    replace_file,
    temporary_folder,
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_as_the_folder_is_made_leaves_none(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until somebody knows that the folder is to be removed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    make = tempfile.mkdtemp

    def interrupted(*arguments: Any) -> str:
        made = make(*arguments)
        signal.raise_signal(number)
        return made

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, end)
    monkeypatch.setattr(tempfile, "mkdtemp", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt), temporary_folder("x-"):
            pass
    finally:
        signal.signal(number, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_there_while_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that is put into it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder("x-") as folder:
        (folder / "file").write_text("1")
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


# --- atomic replacement -----------------------------------------------------------------------------


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    """Readers see the old content until then; missing folders are made."""
    path = tmp_path / "new" / "file"
    with replace_file(path) as file:
        file.write(b"one")
        assert not path.exists()
    with replace_file(path, text=True) as file:
        file.write("zwei\n\udcff")
        assert path.read_bytes() == b"one"
    assert path.read_bytes() == b"zwei\n\\udcff"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space"), KeyboardInterrupt()])
def test_a_failed_replacement_leaves_the_old_file(error: BaseException, tmp_path: Path) -> None:
    """And no other file beside it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail() -> None:
        with replace_file(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    """Each writes its own temporary file; the last one to end wins."""
    path = tmp_path / "file"
    with replace_file(path) as one:
        with replace_file(path) as other:
            one.write(b"one")
            other.write(b"other")
        assert path.read_bytes() == b"other"
    assert path.read_bytes() == b"one"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_a_replacement_has_the_permissions_asked_for(tmp_path: Path) -> None:
    """They hold from the moment the new file is made."""
    with replace_file(tmp_path / "secret", mode=0o600) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    """Only those of this file; other names may hold the same words or pattern characters."""
    path = tmp_path / "a[1].txt"
    with replace_file(path) as file:
        left = Path(file.name)
        copy = left.with_name(left.name.replace("a[1]", "a1"))
        copy.write_bytes(b"")
        remove_leftovers(path)
        assert not left.exists()
        left.write_bytes(b"")
    assert copy.exists()


def test_output_errors_name_the_file() -> None:
    """The error number stays, for exit statuses."""
    with (
        pytest.raises(OutputError, match=r"^cannot write a\.csv: No space$") as caught,
        output_errors("a.csv"),
    ):
        raise OSError(errno.ENOSPC, "No space")
    assert caught.value.errno == errno.ENOSPC


def test_a_place_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    """A good place is left as it was."""
    check_writable("--csv", tmp_path / "new" / "a.csv")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    for bad in (tmp_path, tmp_path / "file" / "a.csv"):
        with pytest.raises(UsageError, match="--csv"):
            check_writable("--csv", bad)
