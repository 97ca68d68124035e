"""The command ``scrape``: ``scrape LIST...`` needs no sub-command, all others are named first.

Exit status: 0 every URL has a good record; 1 some failed; 2 wrong usage; 74 the output could not be
written; 130 interrupted (143 by SIGTERM). Standard output carries records or nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from parascrape.cli.help import COMMANDS, HarvestCommand
from parascrape.cli.options import BadOption, load_command
from parascrape.errors import OutputBusy, OutputError, ParascrapeError, UsageError
from parascrape.system import printable

__all__ = ["run", "status_of"]


def run(arguments: Sequence[str]) -> int:
    """Return the exit status of the command with these arguments; errors are one line on standard error."""
    if sys.stderr is None:  # closed by the caller
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the process ends)
    try:
        return _run(arguments)
    except BadOption as error:
        # Typer's new parser begins the reason for every value so
        _say(error.format_message().replace(": Value error, ", ": "))
        return 2
    except ParascrapeError as error:
        _say(str(error))
        return status_of(error)
    except (KeyboardInterrupt, typer.Abort):  # before the harvest began
        return 130


def status_of(error: ParascrapeError) -> int:
    """Return the exit status of a command that this error has ended."""
    if isinstance(error, OutputBusy):
        return 75
    return 74 if isinstance(error, OutputError) else 2 if isinstance(error, UsageError) else 70


def _run(arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else ""
    if name in COMMANDS:
        return load_command(name).run(arguments[1:], f"scrape {name}")
    return load_command("").run(arguments or ["--help"], "scrape", HarvestCommand)


def _say(reason: str) -> None:
    sys.stderr.write(f"scrape: {printable(reason, 2000)}\n")
