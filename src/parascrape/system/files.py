"""Files that are made of a whole crawl: written whole or not at all, with flat memory."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from parascrape.errors import OutputError, UsageError
from parascrape.system.signals import SignalCapture
from parascrape.system.text import printable

__all__ = ["check_place", "sync_folder", "temporary_folder", "whole_file"]


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder that is there until the context ends.

    Python makes a folder first and then sees to it that it is removed: a Ctrl-C between the two would leave
    it. So SIGINT and SIGTERM wait until both are done.
    """
    with _signals_later():
        folder = tempfile.TemporaryDirectory(prefix=prefix)
    with folder as name:
        yield Path(name)


@contextmanager
def _signals_later() -> Iterator[None]:
    """SIGINT and SIGTERM are heard when the context ends; in other threads than the main one they are not.

    A blocked signal would not do: the system may give it to another thread, and Python to this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = SignalCapture()
    try:
        with held:
            yield
    finally:
        for number in held.numbers:
            signal.raise_signal(number)


def check_place(option: str, path: Path) -> None:
    """Nothing, where the file can be written; its folder is made. Raises UsageError that names the option."""
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with part.open("ab"):
            pass
        part.unlink()
    except OSError as error:
        raise UsageError(f"{option} {printable(str(path), 200)}: {error.strerror}") from None


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A file of UTF-8 text that takes the place of ``path`` when all is written and on the disk.

    Raises:
        OutputError: the disk is full or failed; what was there before is there still.
    """
    part = _part_of(path)
    try:
        with part.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"cannot write {printable(str(path))}: {error.strerror}", error.errno or errno.EIO
        ) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def sync_folder(folder: Path) -> None:
    """Bring the names of a folder's files to the disk (POSIX; other systems have no such call)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
