"""The command ``scrape``: ``scrape LIST...`` needs no sub-command, all others are named first.

Exit status: 0 every URL has a good record; 1 some failed; 2 wrong usage; 74 the output could not be
written; 130 interrupted (143 by SIGTERM). Standard output carries records or nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from parascrape.cli.audit import audit
from parascrape.cli.compare import compare
from parascrape.cli.crawl import crawl
from parascrape.cli.demo import demo
from parascrape.cli.diff import diff
from parascrape.cli.harvest import lists
from parascrape.cli.help import HarvestCommand, OneCommand
from parascrape.cli.history import history
from parascrape.cli.links_check import links_check
from parascrape.cli.plan import plan
from parascrape.cli.replay import replay
from parascrape.cli.retry import retry
from parascrape.cli.run_jobs import run_jobs
from parascrape.cli.schedule import schedule
from parascrape.cli.units import units
from parascrape.cli.verify import verify
from parascrape.errors import OutputBusy, OutputError, ParascrapeError, UsageError
from parascrape.system import printable

__all__ = ["run"]

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_COMMANDS = {"audit": audit, "compare": compare, "crawl": crawl, "demo": demo, "diff": diff, "plan": plan}
_COMMANDS |= {"history": history, "replay": replay, "retry": retry, "verify": verify}
_COMMANDS |= {"links-check": links_check}
_COMMANDS |= {"run": run_jobs, "schedule": schedule, "units": units}
_BadOption: type[Any] = typer.BadParameter.__bases__[0]  # of any wrong option; Typer exports no name for it


def _app(command: object, cls: type[OneCommand]) -> typer.Typer:
    """A Typer application of one command, so that usage lines name no sub-command twice."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(cls=cls, context_settings=_SETTINGS)(command)  # type: ignore[type-var]
    return app


def run(arguments: Sequence[str]) -> int:
    """The exit status of the command with these arguments; errors are one line on standard error."""
    if sys.stderr is None:  # closed by the caller
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the process ends)
    name = arguments[0] if arguments else ""
    try:
        if name in _COMMANDS:
            app = _app(_COMMANDS[name], OneCommand)
            status = app(list(arguments[1:]), prog_name=f"scrape {name}", standalone_mode=False)
        else:
            app = _app(lists, HarvestCommand)
            status = app(list(arguments) or ["--help"], prog_name="scrape", standalone_mode=False)
    except OutputBusy as error:
        sys.stderr.write(f"scrape: {printable(str(error), 2000)}\n")
        return 75
    except (UsageError, _BadOption) as error:
        reason = str(error) if isinstance(error, UsageError) else error.format_message()
        reason = reason.replace(": Value error, ", ": ")  # Typer's new parser says so of every value
        sys.stderr.write(f"scrape: {printable(reason, 2000)}\n")
        return 2
    except OutputError as error:  # before the first fetch, or when the list itself has failed
        sys.stderr.write(f"scrape: {printable(str(error), 2000)}\n")
        return 74
    except ParascrapeError as error:  # the run cannot go on: no worker process starts
        sys.stderr.write(f"scrape: {printable(str(error), 2000)}\n")
        return 70
    except (KeyboardInterrupt, typer.Abort):  # before the harvest began
        return 130
    return status if isinstance(status, int) else 0
