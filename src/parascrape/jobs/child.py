"""The command in a process of its own, which ends with this one and gets its signals once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from parascrape.system.processes import end_with
from parascrape.system.signals import SignalTaker

__all__ = ["Children", "start_command"]


def start_command(arguments: Sequence[str], folder: Path, *, death_signal: int) -> subprocess.Popen[bytes]:
    """``scrape ARGUMENTS...``, started in a folder, with nothing on standard input.

    It is in a process group of its own: a Ctrl-C reaches it through `Children`, not twice. Linux sends
    it ``death_signal`` when this process ends, however that does.
    """
    command = [sys.executable, "-m", "parascrape", *arguments]
    more: dict[str, Any] = {}
    if hasattr(os, "setpgid"):
        more["process_group"] = 0
    if sys.platform == "linux":
        more["preexec_fn"] = end_with(os.getpid(), death_signal)
    return subprocess.Popen(  # noqa: S603 (this Python and this package)
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=2, **more
    )


class Children(SignalTaker):
    """Runs commands one after the other; SIGINT and SIGTERM, handled while this is entered, reach the one
    that runs. ``numbers`` are those that came.
    """

    def __init__(self) -> None:
        super().__init__()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, arguments: Sequence[str], folder: Path) -> int:
        """The exit status of the command; a signal's number below 0 where one killed it."""
        if self.numbers:
            return 128 + self.numbers[0]
        self._child = start_command(arguments, folder, death_signal=signal.SIGKILL)
        for number in self.numbers:  # that came while it was being started
            self._child.send_signal(number)
        status = self._child.wait()
        self._child = None
        if status < 0 and -status in self.numbers:  # it was asked to end before it could handle that
            return 128 - status
        return status

    def take(self, number: int) -> None:
        """Pass the signal on."""
        if self._child is not None:
            with suppress(OSError):
                self._child.send_signal(number)
