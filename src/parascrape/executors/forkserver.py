"""The fork server: a process that has imported what workers need, and is forked for each of them. Linux only.

    command --> fork server: imports, while the command itself is imported; then waits
                    |  <-- number, call, and a descriptor            (control socket)
                    +-- fork --> worker: makes the call, and ends
                    |  --> number, process id;  --> number, exit status

No thread runs in the fork server, so there is none that a fork could cut off at whatever it holds. It ends
with the command, and its workers, which ask for that, with it.

Ours and not multiprocessing's: that one lets its children hold it, so that one that hangs outlives a killed
command with it; and what its children have used is missing in the command's own times(2).
"""

from __future__ import annotations

import atexit
import os
import pickle
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

try:
    import resource
except ImportError:  # Windows, which has no fork either
    resource = None  # type: ignore[assignment]

from parascrape.system import INTERRUPTS, end_with

__all__ = ["ForkServer", "ForkedProcess", "forkserver", "serve", "start_forkserver"]

_MESSAGE = 1 << 17
"""Bytes of the longest message: a call with its arguments, and the folders that modules are searched in."""

_running: list[ForkServer] = []
"""This program's, where `start_forkserver` was called: before there is anybody to hand it over to."""


def start_forkserver(modules: Sequence[str]) -> None:
    """Have this program's workers forked from a process that imports these modules, beginning now."""
    if sys.platform == "linux" and not (_running or getattr(sys, "frozen", False)):
        _running.append(ForkServer(modules))
        atexit.register(_running[0].close)


def forkserver() -> ForkServer | None:
    """This program's fork server, if it has one."""
    return _running[0] if _running else None


class ForkServer:
    """The fork server as the command sees it; one that has died is replaced when it is needed."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = list(modules)
        self._lock = threading.Lock()
        self._processes: dict[int, ForkedProcess] = {}  # that have not ended, by their numbers
        self._count = 0
        self._open()

    def _open(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            theirs.set_inheritable(True)
            begin = (
                f"import sys; sys.path[:] = {sys.path!r}; from parascrape.executors.forkserver import serve"
            )
            code = f"{begin}; serve({theirs.fileno()}, {self._modules!r})"
            # What a terminal or a supervisor sends to the whole group is the command's to answer: they are
            # blocked here, and in its children until they say otherwise.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ()) | set(INTERRUPTS)
            # Records on stdout and a list on stdin are the command's as well.
            files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, 2, 1)]
            command = [sys.executable, "-c", code]
            self.pid = os.posix_spawn(
                sys.executable, command, os.environ, file_actions=files, setsigmask=blocked
            )

    def start(self, file: socket.socket, call: Callable[..., Any], *args: Any) -> ForkedProcess:
        """A new process that calls ``call(file, *args)``; it searches modules where this one does, is in the
        same folder and may have as many open files.

        Raises OSError where there can be none, ValueError for arguments that are too long.
        """
        with self._lock:
            self._count += 1
            process = ForkedProcess(self, self._count)
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)
            request = (process.number, call, args, sys.path, sys.argv, os.getcwd(), limit)
            message = pickle.dumps(request, protocol=5)
            if len(message) > _MESSAGE:
                raise ValueError(f"the arguments have {len(message)} bytes, more than {_MESSAGE}")
            if not self._ask(process, file, message):
                self._reap()
                self._open()
                if not self._ask(process, file, message):
                    process.refusal = "the fork server ends at once"
        if process.refusal:
            raise OSError(f"no process can be started: {process.refusal}")
        return process

    def _ask(self, process: ForkedProcess, file: socket.socket, message: bytes) -> bool:
        """Whether the fork server has answered; else it is gone."""
        process.status = None
        self._processes[process.number] = process
        try:
            socket.send_fds(self._control, [message], [file.fileno()])
            while not (process.pid or process.refusal):
                self._take(self._control.recv(_MESSAGE))
        except (OSError, EOFError):
            self._end_all()
            return False
        return True

    def look(self, seconds: float) -> None:
        """Take note of what has ended, for which one waits so long."""
        if not self._lock.acquire(timeout=seconds):
            return
        try:
            while self._processes and self._has_news(seconds):
                self._take(self._control.recv(_MESSAGE))
                seconds = 0.0
        except (OSError, EOFError):
            self._end_all()  # and `start` renews it, when it is needed
        finally:
            self._lock.release()

    def _has_news(self, seconds: float) -> bool:
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        return bool(poller.poll(1000 * seconds))

    def _take(self, message: bytes) -> None:
        """Note what the fork server says. Raises EOFError where it says no more."""
        if not message:
            raise EOFError("it says no more")
        number, pid, status, refusal = pickle.loads(message)  # noqa: S301 (our own)
        if pid and status is None:
            self._processes[number].pid = pid
        else:
            process = self._processes.pop(number)
            process.status, process.refusal = status, refusal

    def _end_all(self) -> None:
        """The fork server is gone, and by PR_SET_PDEATHSIG all its workers are."""
        for process in self._processes.values():
            process.status = -signal.SIGKILL
        self._processes.clear()

    def _reap(self) -> None:
        self._control.close()
        with suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)  # from here on what its children have used counts as ours

    def close(self) -> None:
        """End the fork server, and with it what is left of its workers."""
        with self._lock:
            self._end_all()
            self._reap()


class ForkedProcess:
    """A process of the fork server's, with as much of `multiprocessing.Process` as the executor uses."""

    def __init__(self, server: ForkServer, number: int) -> None:
        self.number = number
        self.pid = 0
        self.status: int | None = None
        self.refusal = ""  # why there is no process
        self._server = server

    @property
    def exitcode(self) -> int | None:
        """Its exit status, or a signal's number below 0; None while it runs."""
        if self.status is None:
            self._server.look(0.0)
        return self.status

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.exitcode is None

    def kill(self) -> None:
        """End it at once."""
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def join(self, timeout: float) -> None:
        """Wait for its end, so many seconds at most."""
        ends = time.monotonic() + timeout
        while self.status is None and (left := ends - time.monotonic()) > 0:
            self._server.look(left)


# --- in the fork server -----------------------------------------------------------------------------


def serve(descriptor: int, modules: Sequence[str]) -> None:
    """Import the modules, then fork whenever the command asks for it, until it hangs up."""
    for name in modules:
        with suppress(ImportError):  # whoever needs it will say so
            import_module(name)
    control = socket.socket(fileno=descriptor)
    bell, ear = socket.socketpair()
    bell.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(bell.fileno())
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(ear, select.POLLIN)
    numbers: dict[int, int] = {}
    try:
        while True:
            ready = {found for found, _ in poller.poll()}
            if ear.fileno() in ready:
                ear.recv(4096)
                _report_ended(control, numbers)
            if control.fileno() in ready:
                _fork(control, numbers, (bell, ear))
    except OSError:  # the command is gone
        os._exit(1)


def _report_ended(control: socket.socket, numbers: dict[int, int]) -> None:
    """Reap the processes that have ended, and say how they did."""
    while numbers:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        control.send(pickle.dumps((numbers.pop(pid), pid, os.waitstatus_to_exitcode(status), "")))


def _fork(control: socket.socket, numbers: dict[int, int], others: Sequence[socket.socket]) -> None:
    """Do what the command asks for: a process that makes a call."""
    message, files, _, _ = socket.recv_fds(control, _MESSAGE, 1)
    if not message:
        os._exit(0)
    number, *request = pickle.loads(message)  # noqa: S301 (our own command's)
    server = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(files[0])
        control.send(pickle.dumps((number, 0, None, error.strerror)))
        return
    if not pid:
        _become(server, request, files[0], (control, *others))
    os.close(files[0])
    numbers[pid] = number
    control.send(pickle.dumps((number, pid, None, "")))


def _become(server: int, request: Sequence[Any], file: int, others: Sequence[socket.socket]) -> None:
    """In the new process: make the call, and end."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in others:
            one.close()
        end_with(server, signal.SIGKILL)()
        call, args, sys.path[:], sys.argv, folder, limit = request
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        call(socket.socket(fileno=file), *args)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)
