"""The fork server: a process that has imported what workers need and forks one on request. Linux only.

    command --> fork server: imports, while the command itself is imported; then waits
                    |  <-- number, call, and a descriptor            (control socket)
                    +-- fork --> worker: makes the call, and ends
                    |  --> number, process id;  --> number, exit status

The fork server has no other threads, so a fork cannot leave a lock held. It ends with the command, and its
workers, by PR_SET_PDEATHSIG, with it.

multiprocessing's fork server would not do: a child that hangs keeps it alive after the command was killed,
and the CPU time of its children is missing in the command's times(2).
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

_MESSAGE = 1 << 17  # bytes of the longest message: a call with its arguments, and the module search path

# The one fork server of this program. It is module state because the entry point starts it before the
# command, and with it any object that could own it, has been imported.
_current: list[ForkServer] = []


def start_forkserver(modules: Sequence[str]) -> None:
    """Start this program's fork server, which begins to import these modules."""
    if sys.platform == "linux" and not (_current or getattr(sys, "frozen", False)):
        server = ForkServer(modules)
        use_forkserver(server)
        atexit.register(server.close)


def use_forkserver(server: ForkServer | None) -> None:
    """Set the fork server of this program; None: workers are spawned."""
    _current[:] = [] if server is None else [server]


def forkserver() -> ForkServer | None:
    """Return this program's fork server, if it has one."""
    return _current[0] if _current else None


class ForkServer:
    """The command's side of the fork server, which is started again if it has died."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = list(modules)
        self._lock = threading.Lock()
        self.processes: dict[int, ForkedProcess] = {}  # alive, by their numbers
        self._count = 0
        self._open()

    def _open(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            theirs.set_inheritable(True)
            code = (
                f"import sys; sys.path[:] = {sys.path!r}; from parascrape.executors.forkserver import serve; "
                f"serve({theirs.fileno()}, {self._modules!r})"
            )
            # Signals sent to the process group are handled by the command only: they are blocked here,
            # and in the children until they unblock them.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ()) | set(INTERRUPTS)
            # The list on stdin and the records on stdout belong to the command too.
            files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, 2, 1)]
            options: dict[str, Any] = {"file_actions": files, "setsigmask": blocked}
            self.pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ, **options)

    def start(self, file: socket.socket, call: Callable[..., Any], *args: Any) -> ForkedProcess:
        """Start a process that calls ``call(file, *args)``.

        It has this process's module search path, folder and limit of open files. Raises OSError if no
        process can be started, ValueError for arguments that are too long.
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
        """Ask for a process; return whether the fork server has answered, else it is gone."""
        process.status = None
        self.processes[process.number] = process
        try:
            socket.send_fds(self._control, [message], [file.fileno()])
            while not (process.pid or process.refusal):
                self._take(self._control.recv(_MESSAGE))
        except (OSError, EOFError):
            self._end_all()
            return False
        return True

    def look(self, seconds: float) -> None:
        """Read what has ended, waiting for it for up to ``seconds``."""
        if not self._lock.acquire(timeout=seconds):
            return
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        try:
            while self.processes and poller.poll(1000 * seconds):
                self._take(self._control.recv(_MESSAGE))
                seconds = 0.0
        except (OSError, EOFError):
            self._end_all()  # `start` replaces it when it is needed
        finally:
            self._lock.release()

    def _take(self, message: bytes) -> None:
        """Handle a message of the fork server. Raises EOFError if it has closed its socket."""
        if not message:
            raise EOFError("the fork server has ended")
        number, pid, status, refusal = pickle.loads(message)  # noqa: S301 (our own)
        if pid and status is None:
            self.processes[number].pid = pid
        else:
            process = self.processes.pop(number)
            process.status, process.refusal = status, refusal

    def _end_all(self) -> None:
        """Mark all workers as killed: the fork server is gone, and by PR_SET_PDEATHSIG they are too."""
        for process in self.processes.values():
            process.status = -signal.SIGKILL
        self.processes.clear()

    def _reap(self) -> None:
        self._control.close()
        with suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)  # adds the CPU time of its children to ours

    def close(self) -> None:
        """End the fork server and its workers."""
        with self._lock:
            self._end_all()
            self._reap()


class ForkedProcess:
    """A child of the fork server, with the part of `multiprocessing.Process` that the executor uses."""

    def __init__(self, server: ForkServer, number: int) -> None:
        self.number = number
        self.pid = 0
        self.status: int | None = None
        self.refusal = ""  # why there is no process
        self._server = server

    @property
    def exitcode(self) -> int | None:
        """The exit status, a signal's number as a negative one, or None while it runs."""
        if self.status is None:
            self._server.look(0.0)
        return self.status

    def is_alive(self) -> bool:
        """Return whether it runs."""
        return self.exitcode is None

    def kill(self) -> None:
        """Kill it."""
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def join(self, timeout: float) -> None:
        """Wait for its end, at most ``timeout`` seconds."""
        ends = time.monotonic() + timeout
        while self.status is None and (left := ends - time.monotonic()) > 0:
            self._server.look(left)


def serve(descriptor: int, modules: Sequence[str]) -> None:
    """Import the modules, then fork on request until the command closes its socket."""
    for name in modules:
        with suppress(ImportError):  # the worker that needs it will report it
            import_module(name)
    control = socket.socket(fileno=descriptor)
    waker, wakeups = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno())
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(wakeups, select.POLLIN)
    numbers: dict[int, int] = {}
    try:
        while True:
            ready = {found for found, _ in poller.poll()}
            if wakeups.fileno() in ready:
                wakeups.recv(4096)
                _report_ended(control, numbers)
            if control.fileno() in ready:
                _fork(control, numbers, (waker, wakeups))
    except OSError:  # the command is gone
        os._exit(1)


def _report_ended(control: socket.socket, numbers: dict[int, int]) -> None:
    """Reap the processes that have ended, and send their exit statuses."""
    while numbers:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        control.send(pickle.dumps((numbers.pop(pid), pid, os.waitstatus_to_exitcode(status), "")))


def _fork(control: socket.socket, numbers: dict[int, int], others: Sequence[socket.socket]) -> None:
    """Read a request of the command, and fork a process that makes the call."""
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
    """Make the call in the new process, and end."""
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
