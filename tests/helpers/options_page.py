"""The page of all options, made from their declarations: ``python -m tests.helpers.options_page``."""

from __future__ import annotations

import sys

from parascrape.cli.help import COMMANDS
from parascrape.cli.options import load_command
from parascrape.settings import Option


def options_page() -> str:
    """Return all options as Markdown: a table for each heading of the help."""
    panels: dict[str, dict[str, list[str]]] = {}
    for name in ("", *COMMANDS):
        for option in load_command(name).options.values():
            if not option.hidden:
                row = _row(option, in_jobs=option in load_command("").options.values())
                panels.setdefault(option.panel, {}).setdefault(row, []).append(f"`scrape {name}`")
    lines = ["# Options"]
    for panel, rows in panels.items():
        lines += ["", f"## {panel}", "", "| option | meaning [default] | range | in a job file | commands |"]
        lines += ["|---|---|---|---|---|", *(f"{row} {', '.join(names)} |" for row, names in rows.items())]
    return "\n".join(lines).replace("`scrape `", "`scrape`") + "\n"


def _row(option: Option, *, in_jobs: bool) -> str:
    job_key = f"`{option.job_key}`" if in_jobs and option.job_key else ""
    names = [f"`{flag} {option.metavar}`".replace(" `", "`") for flag in option.flags]
    bounds = " to ".join(f"{bound / option.unit:,.10g}" for bound in option.bounds or ())
    cells = (
        ", ".join(names) or f"`{option.metavar}`",
        option.shown_help,
        bounds.replace("to inf", "or more"),
        job_key,
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(options_page())
