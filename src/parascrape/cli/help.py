"""Help that fits a screen: one line an option, grouped, every default with its unit."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

__all__ = ["HarvestCommand", "OneCommand"]

_ABOUT = "Turn a list of URLs into a file of records, one JSON line for each."
_EXAMPLE = "scrape urls.txt --mode process --select title=h1 --select price=.price"
_COMMANDS = [("demo", "Serve a bundled site on loopback and harvest it, to see it run.")]
_EXITS = "Exit status: 0 all good, 1 some URLs failed, 2 wrong usage, 130 interrupted."


class OneCommand(TyperCommand):
    """A command whose options stand under the headings of their ``rich_help_panel``."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a definition list for each heading, in the order of the options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                heading = getattr(parameter, "rich_help_panel", None) or "Other"
                groups.setdefault(heading, []).append(row)
        for heading, rows in groups.items():
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=26)


class HarvestCommand(OneCommand):
    """The main command: its help names the sub-commands beside it."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command is for, with one example."""
        formatter.write_paragraph()
        formatter.write_text(_ABOUT)
        formatter.write_text(f"Example: {_EXAMPLE}")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the sub-commands and the exit statuses."""
        with formatter.section("Commands (scrape COMMAND --help)"):
            formatter.write_dl(_COMMANDS, col_max=26)
        formatter.write_paragraph()
        formatter.write_text(_EXITS)
