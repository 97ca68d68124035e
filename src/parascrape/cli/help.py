"""Help texts that fit a screen: one line per option, grouped, with defaults and units."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any, NamedTuple

from typer.core import TyperCommand

_ABOUT = "Turn a list of URLs into a file of records, one line of JSON for each."
_EXAMPLE = "Example: scrape urls.txt --mode process --select title=h1 --select price=.price"
_EXITS = "Exit status: 0 all good, 1 some URLs failed, 2 wrong usage, 130 interrupted."
_COLUMN = 27
_WIDTH = 80


class CommandEntry(NamedTuple):
    """A row of the list of commands; ``home`` is the module of this package and the name in it."""

    home: str
    arguments: str
    about: str


COMMANDS = {
    "crawl": CommandEntry("crawl:crawl", "START...", "Follow links and sitemaps from START."),
    "links-check": CommandEntry(
        "links_check:links_check", "START...", "Report broken links and their pages."
    ),
    "retry": CommandEntry("retry:retry", "OUTPUT", "Fetch the failed URLs of an output again."),
    "replay": CommandEntry("replay:replay", "FILE", "Run the scraper on a quarantined page."),
    "plan": CommandEntry("plan:plan", "LIST...", "Estimate what a harvest would do, and its time."),
    "audit": CommandEntry("audit:audit", "OUTPUT...", "Check from the records that a harvest was polite."),
    "run": CommandEntry("jobs:run_jobs", "FILE [JOB...]", "Run the jobs of a file once."),
    "schedule": CommandEntry("jobs:schedule", "FILE", "Run the jobs of a file when they are due."),
    "units": CommandEntry("jobs:units", "FILE", "Print the jobs of a file for cron and systemd."),
    "history": CommandEntry("history:history", "FILE [JOB]", "Show the last runs of a job file."),
    "diff": CommandEntry("diff:diff", "OLD NEW", "Show what changed from one output to the next."),
    "compare": CommandEntry("compare:compare", "LIST...", "Find the fastest mode for a list, and why it is."),
    "verify": CommandEntry("compare:verify", "LIST...", "Check that records do not depend on the mode."),
    "demo": CommandEntry("demo:demo", "", "Serve a bundled site, harvest it and see it run."),
}
"""The commands beside ``scrape LIST...``. A module is loaded when its command is called."""


class OneCommand(TyperCommand):
    """A command whose help lists options in one column, under the headings of their panels."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        arguments = " ".join(str(one.metavar) for one in self.get_params(ctx) if _is_argument(one))
        formatter.write(f"Usage: {ctx.command_path} [OPTIONS] {arguments}".rstrip() + "\n")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        parameters: list[Any] = self.get_params(ctx)
        for one in parameters:
            row = (one.metavar, one.help) if _is_argument(one) else one.get_help_record(ctx)
            if row is not None:
                heading = getattr(one, "rich_help_panel", None) or "Display"
                groups.setdefault(heading, []).append(row)
        for heading, rows in groups.items():
            _write_group(formatter, heading, rows)


class HarvestCommand(OneCommand):
    """The main command; its help lists the other commands."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        formatter.write(f"{_ABOUT}\n{_EXAMPLE}\n")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        rows = [(f"{name} {entry.arguments}".rstrip(), entry.about) for name, entry in COMMANDS.items()]
        _write_group(formatter, "Commands (scrape COMMAND --help)", rows)
        formatter.write(f"\n{_EXITS}\n")


def _write_group(formatter: Any, heading: str, rows: Iterable[tuple[str, str]]) -> None:
    formatter.write(f"\n{heading}:\n")
    for name, text in rows:
        lines = textwrap.wrap(text, _WIDTH - _COLUMN, break_on_hyphens=False) or [""]
        name = f"  {name}"
        if len(name) >= _COLUMN:
            formatter.write(name + "\n")
            name = ""
        for line in lines:
            formatter.write(f"{name:<{_COLUMN}}{line}\n")
            name = ""


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")
