"""One writer for one output: a lock file beside it, held by a living process only."""

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

__all__ = ["OutputLock"]


class OutputLock:
    """The lock on an output, taken when made and given back by `release` or the process's end.

    The lock is the operating system's, on the file ``OUTPUT.lock``; what the file says, the holder's
    process id, is for people. A killed holder's file stays and stops nobody.

    Raises:
        OutputBusy: another process writes this output; the message says which.
        UsageError: the lock file cannot be made.
    """

    def __init__(self, output: Path) -> None:
        real = output.resolve()  # one lock for all the links to it
        self.path = real.with_name(real.name + ".lock")
        self._output = output
        self._descriptor = self._acquire()
        with suppress(OSError):  # on a full disk: the lock is held, nobody is told by whom
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def _acquire(self) -> int:
        """The locked lock file, which is still the one of that name."""
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
                pass  # its holder has just removed it: try the next one
            except OSError as error:
                fault = self._fault(descriptor, error)
                os.close(descriptor)
                raise fault from None
            os.close(descriptor)

    def _fault(self, descriptor: int, error: OSError) -> OutputBusy | UsageError:
        """What to say of a lock that another process has, or that the file system does not know."""
        if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return UsageError(f"cannot lock {self._output}: {error.strerror}")
        os.lseek(descriptor, 0, os.SEEK_SET)
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        return OutputBusy(
            f"{self._output} is being written by process {holder or 'unknown'}: wait for it, "
            "or name another --output"
        )

    def release(self) -> None:
        """Remove the lock file and give the lock back."""
        if self._descriptor >= 0:
            with suppress(OSError):  # Windows removes no open file: it stays, and stops nobody
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


_FAR = 1 << 20
"""Where Windows locks a byte: nobody can read what is locked there."""


def _lock(descriptor: int) -> None:
    """Take the lock at once. Raises OSError where another process has it."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
