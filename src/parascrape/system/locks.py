"""Lock files: at most one process writes an output."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from parascrape.errors import OutputBusy, UsageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt


class OutputLock:
    """An exclusive lock on an output, held until `release` is called or the process ends.

    The operating system locks the file ``OUTPUT.lock``, whose content, the holder's process id, is only for
    people. The file of a killed holder is not locked any more.

    Raises:
        OutputBusy: another process writes this output; the message says which.
        UsageError: the lock file cannot be made.
    """

    def __init__(self, output: Path) -> None:
        real = output.resolve()  # one lock for all links to a file
        self.path = real.with_name(real.name + ".lock")
        self._output = output
        self._descriptor = self._acquire()
        with suppress(OSError):  # a full disk; the lock is held nevertheless
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def _acquire(self) -> int:
        """Lock the file of that name and return its descriptor."""
        while True:
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
            except OSError as error:
                raise UsageError(f"cannot lock {self._output}: {error.strerror}") from None
            try:
                _lock(descriptor)
                if os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
                    return descriptor
            except FileNotFoundError:
                pass  # its holder has just removed it: try again
            except OSError as error:
                fault = self._fault(descriptor, error)
                os.close(descriptor)
                raise fault from None
            os.close(descriptor)

    def _fault(self, descriptor: int, error: OSError) -> OutputBusy | UsageError:
        """Return the error for a lock that another process holds, or that is not supported."""
        if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return UsageError(f"cannot lock {self._output}: {error.strerror}")
        os.lseek(descriptor, 0, os.SEEK_SET)
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        return OutputBusy(
            f"{self._output} is being written by process {holder or 'unknown'}: wait for it, "
            "or name another --output"
        )

    def release(self) -> None:
        """Remove the lock file and release the lock."""
        if self._descriptor >= 0:
            with suppress(OSError):  # Windows cannot remove an open file; it stays, unlocked
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


_FAR = 1 << 20
"""Offset of the byte that is locked on Windows, where locked bytes cannot be read."""


def _lock(descriptor: int) -> None:
    """Lock the file without waiting. Raises OSError if another process holds the lock."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
