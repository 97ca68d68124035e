"""Atomic file replacement, folders that are synced or temporary, and a check that a file can be written."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from parascrape.errors import OutputError, UsageError
from parascrape.system.processes import SignalCapture
from parascrape.system.text import printable


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Make a folder and remove it when the context ends.

    Python makes the folder first and registers its removal afterwards; a Ctrl-C between the two would leave
    the folder behind. So SIGINT and SIGTERM are delayed until both steps are done.
    """
    with ExitStack() as stack:
        with _delayed_signals():
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix))
        yield Path(folder)


@contextmanager
def _delayed_signals() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM when the context ends. Does nothing outside of the main thread.

    Blocking the signals would not do: the system may deliver them to another thread, and Python to this one.
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


def check_writable(option: str, path: Path) -> None:
    """Make the folder of ``path`` and check that a file can be made there.

    Raises:
        UsageError: it cannot; the message names the option.
    """
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with part.open("xb"):
            pass
        part.unlink()
    except OSError as error:
        raise UsageError(f"{option} {printable(str(path), 200)}: {error.strerror}") from None


@contextmanager
def replace_file(
    path: Path, *, text: bool = False, mode: int = 0o666, sync: bool = True
) -> Iterator[IO[Any]]:
    """Yield a new file that atomically replaces ``path`` when the block ends.

    The new file has a unique hidden name in the same folder, which is made if it is missing. With ``text``
    it takes UTF-8 text, else bytes. ``mode`` holds the permissions of a new file, before the umask. With
    ``sync`` the content and the name are on the disk when the block has ended. If the block raises, the new
    file is removed and ``path`` is left as it was; only a killed process leaves it (see `remove_leftovers`).

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part_of(path)
    how: dict[str, Any] = {"mode": "xb"}
    if text:
        how = {"mode": "x", "encoding": "utf-8", "newline": "", "errors": "backslashreplace"}
    try:
        with open(part, opener=lambda name, flags: os.open(name, flags, mode), **how) as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def remove_leftovers(path: Path) -> None:
    """Remove the files that killed processes were about to replace ``path`` with.

    The caller must hold a lock that keeps others from replacing it now. Raises OSError.
    """
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        part.unlink(missing_ok=True)


@contextmanager
def output_errors(path: Path | str) -> Iterator[None]:
    """Raise `OutputError` for an OSError of the block; the message names the file that is written."""
    try:
        yield
    except OSError as error:
        message = f"cannot write {printable(str(path))}: {error.strerror or error}"
        raise OutputError(message, error.errno or errno.EIO) from None


def sync_folder(folder: Path) -> None:
    """Bring the names of a folder's files to the disk (POSIX; other systems have no such call)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
