"""One measured run of a command, in a process of its own: ``python runner.py OUTPUT SERVER_PID COMMAND...``.

It prints one JSON object (see `measure.Run`). On Linux it is a subreaper, so that whatever the
command leaves behind becomes its child: CPU seconds of the whole tree come from RUSAGE_CHILDREN
after the last descendant was waited for, and nothing escapes the count. Peak memory is the largest
sum of the descendants' proportional set sizes (PSS: shared pages counted once), sampled.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time

__all__ = ["LINUX", "Sampler", "busy_seconds", "descendants", "main", "measure"]

PR_SET_CHILD_SUBREAPER = 36
TICK = os.sysconf("SC_CLK_TCK")
LINUX = sys.platform == "linux"


def _stat(pid: int | str) -> tuple[int, float]:
    """Parent and own CPU seconds (not its children's) of a process, a zombie too; zeros where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0, 0.0
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK


def descendants(root: int) -> list[int]:
    """Every live process below ``root``, parents before their children."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if LINUX else ():
        if name.isdigit():
            below.setdefault(_stat(name)[0], []).append(int(name))
    found = list(below.get(root, ()))
    for pid in found:  # grows while it is read
        found.extend(below.get(pid, ()))
    return found


def _field(path: str, name: bytes) -> int:
    """Bytes of a ``name:   123 kB`` line below /proc; 0 where there is none."""
    try:
        with open(path, "rb") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith(name)), 0)
    except OSError:
        return 0


def busy_seconds() -> float:
    """CPU seconds that all processes used since the machine started; 0.0 where there is no /proc."""
    if not LINUX:
        return 0.0
    with open("/proc/stat", "rb") as file:
        user, nice, system, _idle, _wait, *rest = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(rest)) / TICK


def _server_cpu(pid: int) -> float:
    return sum(_stat(each)[1] for each in (pid, *descendants(pid)))


class Sampler(threading.Thread):
    """Watches the run: peak memory of the tree and of the command's own process, time to the first record."""

    def __init__(self, pid: int, output: str) -> None:
        super().__init__(daemon=True)
        self.pid, self.output, self.started = pid, output, time.perf_counter()
        self.tree_peak = self.own_peak = 0
        self.first_record: float | None = None
        self.done = threading.Event()

    def run(self) -> None:
        due = 0.0
        while not self.done.wait(0.05 if self.first_record else 0.005):
            self._watch_output()
            if (now := time.perf_counter()) >= due:
                self._watch_memory()
                due = now + 0.25  # a sample costs about 1 ms a process

    def _watch_output(self) -> None:
        if self.first_record is None and os.path.isfile(self.output) and os.path.getsize(self.output):
            self.first_record = time.perf_counter() - self.started

    def _watch_memory(self) -> None:
        self.own_peak = max(self.own_peak, _field(f"/proc/{self.pid}/status", b"VmHWM:"))
        tree = sum(_field(f"/proc/{pid}/smaps_rollup", b"Pss:") for pid in descendants(os.getpid()))
        self.tree_peak = max(self.tree_peak, tree)


def _reap(seconds: float = 5.0) -> int:
    """Wait for every process that the command left behind; how many had to be killed."""
    killed, end = 0, time.monotonic() + seconds
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return killed
        if not pid:
            if time.monotonic() > end:
                for left in descendants(os.getpid()):
                    os.kill(left, 9)
                    killed += 1
                end = time.monotonic() + seconds
            time.sleep(0.005)


def measure(command: list[str], output: str, server: int) -> dict[str, object]:
    """What `measure.Run` holds, of one run of ``command``."""
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    served, busy, started = _server_cpu(server), busy_seconds(), time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    sampler = Sampler(process.pid, output)
    sampler.start()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # still there, so its own figures can be read
    seconds, own_cpu = time.perf_counter() - started, _stat(process.pid)[1]
    served, busy = _server_cpu(server) - served, busy_seconds() - busy
    sampler.done.set()
    sampler.join()
    status, killed = process.wait(), _reap()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    others = max(0.0, busy - cpu - served) / (seconds * (os.cpu_count() or 1)) if LINUX else 0.0
    return {
        "seconds": seconds,
        "cpu": cpu,
        "own_cpu": own_cpu,
        "server_cpu": served,
        "others": others,
        "tree_peak": sampler.tree_peak,
        "own_peak": sampler.own_peak,
        "first_record": sampler.first_record,
        "status": status,
        "left_behind": killed,
    }


def main() -> None:
    """Measure the command of the command line."""
    output, server, *command = sys.argv[1:]
    print(json.dumps(measure(command, output, int(server))))


if __name__ == "__main__":
    main()
