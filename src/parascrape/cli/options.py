"""Commands made from declared options: the groups of options that commands share, and the parser.

Options that are fields of `Settings` are declared there, the others here or beside the one command that has
them. ``@command(GROUP, ...)`` makes a command of a function that takes the chosen values.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar, cast

import typer

from parascrape.cli.help import COMMANDS, OneCommand
from parascrape.errors import UsageError
from parascrape.settings import SETTINGS_OPTIONS, VERSION, Option

T = TypeVar("T")

Options = Mapping[str, Option]
"""Options by the names under which a command finds their values."""

AT_LEAST_0 = (0, float("inf"))

BadOption: type[Any] = typer.BadParameter.__bases__[0]
"""Raised for any wrong option or argument; older releases of Typer export no name for it."""


def pick(options: Options, names: str) -> Options:
    """Return the options of these names, separated by spaces, in this order."""
    return {name: options[name] for name in names.split()}


SPEED = pick(SETTINGS_OPTIONS, "mode processes threads worker_bytes")
EXTRACT = pick(SETTINGS_OPTIONS, "scraper select")
POLITENESS = pick(SETTINGS_OPTIONS, "per_host delay per_domain robots")
SAME_URL = pick(SETTINGS_OPTIONS, "drop_tracking sort_query")
FETCHING = pick(
    SETTINGS_OPTIONS, "timeout max_bytes retries headers cookies user_agent proxy verify_tls allow_private"
)
REPLAYED: Options = {
    "connect_to": Option("", "--connect-to", hidden=True),
    "ca_file": Option("", "--ca-file", hidden=True),
}
"""For the runs of a comparison, which must reach no host but the replay server."""

_OUT = "Output"

LISTS: Options = {
    "sources": Option(
        ..., "LIST...", ".txt .csv .tsv .jsonl (.gz), - for stdin, or URLs.", "Lists", type=list
    ),
    "url_column": Option("url", "--url-column NAME", "In csv, tsv, jsonl [{default}].", "Lists"),
}
LIMIT: Options = {"limit": Option(0, "--limit -n N", "Only the first N lines [all].", "Lists", AT_LEAST_0)}
OUTPUT: Options = {
    "output": Option(
        "", "--output -o FILE", "JSON lines; - for stdout [output/<list name>.jsonl].", _OUT, in_jobs=False
    ),
    "overwrite": Option(False, "--overwrite", "Start anew [continue the output].", _OUT, in_jobs=False),
    "resume_failed": Option(
        False, "--resume-failed", "Fetch again what failed; good records stay.", _OUT, in_jobs=False
    ),
}
DISPLAY: Options = {
    "quiet": Option(False, "--quiet -q", "No progress, no summary.", "Display", in_jobs=False),
    "verbose": Option(False, "--verbose -v", "Log every URL to stderr.", "Display"),
    "log_file": Option("", "--log-file FILE", "Append the log of all workers to FILE [none].", "Display"),
}
PROFILE: Options = {
    "profile": Option(False, "--profile", "Show where the time of a page went, as a table.", "Display"),
    "profile_json": Option("", "--profile-json", hidden=True),
}
LOG_JSON: Options = {
    "log_json": Option(False, "--log-json", "Log lines as JSON, one object each.", "Display")
}
VERSION_OPTION: Options = {
    "version": Option(False, "--version -V", "Show the version.", "Display", in_jobs=False)
}
TABLE: Options = {
    "top": Option(10, "--top N", "Hosts to name, 0 all [{default}].", "Display", AT_LEAST_0),
    "json": Option(False, "--json", "One JSON object, for machines.", "Display"),
}


class Display(NamedTuple):
    """The choices of what is shown while the command runs."""

    quiet: bool = False
    verbose: bool = False
    log_file: str = ""
    profile: bool = False
    log_json: bool = False
    profile_json: str = ""


class Choices(dict[str, Any]):
    """The value of each option of a command, by the option's name."""

    def make(self, kind: type[T]) -> T:
        """Return an object of this class; options give the fields of their names, others keep defaults.

        Raises:
            UsageError: a value is out of its range.
        """
        names = getattr(kind, "_fields", None) or [field.name for field in fields(cast(Any, kind))]
        return kind(**{name: self[name] for name in names if name in self})


class ScrapeCommand:
    """A command: its options, and the function that is called with their values."""

    def __init__(self, function: Callable[[Choices], int], options: Options) -> None:
        self._function = function
        self.options = options

    def run(self, arguments: Sequence[str], name: str, kind: type[OneCommand] = OneCommand) -> int:
        """Return the exit status of the command with these arguments; 0 after help."""
        status = self._parser(kind).main(list(arguments), prog_name=name, standalone_mode=False)
        return status if isinstance(status, int) else 0

    def read(self, arguments: Sequence[str]) -> Choices:
        """Return the values that these arguments give. Raises UsageError."""
        try:
            context = self._parser(OneCommand).make_context("scrape", list(arguments))
        except BadOption as error:
            raise UsageError(error.format_message()) from None
        return self._choices(context.params)

    def _choices(self, given: Mapping[str, Any]) -> Choices:
        chosen = Choices({name: option.read(given[name]) for name, option in self.options.items()})
        for name, option in self.options.items():
            if name not in SETTINGS_OPTIONS:  # Settings checks its own
                option.check(option.flag if option.flags else name, chosen[name])
        return chosen

    def _parser(self, kind: type[OneCommand]) -> Any:
        """Return the parser; Typer makes it from the signature of a function."""

        def call(**given: Any) -> int:
            return self._function(self._choices(given))

        call.__doc__ = self._function.__doc__
        signature = inspect.Signature([_parameter(*one) for one in self.options.items()])
        call.__signature__ = signature  # type: ignore[attr-defined]
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        context = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        app.command(cls=kind, context_settings=context)(call)
        return typer.main.get_command(app)


def command(*groups: Options) -> Callable[[Callable[[Choices], int]], ScrapeCommand]:
    """Make a command with these options, in this order, of a function that returns the exit status."""
    options = {name: option for group in groups for name, option in group.items()}
    return lambda function: ScrapeCommand(function, options)


def load_command(name: str) -> ScrapeCommand:
    """Return the command of this name, empty for ``scrape LIST...``; only its own module is loaded."""
    module, _, attribute = (COMMANDS[name].home if name else "harvest:lists").partition(":")
    found: ScrapeCommand = getattr(importlib.import_module(f"parascrape.cli.{module}"), attribute)
    return found


def _parameter(name: str, option: Option) -> inspect.Parameter:
    kind = list[str] if option.kind is list else option.kind
    more: dict[str, Any] = {"is_eager": True, "callback": _show_version} if name == "version" else {}
    more |= {"metavar": option.metavar or None, "help": option.shown_help, "show_default": False}
    more |= {"hidden": option.hidden, "rich_help_panel": option.panel or None}
    make = typer.Option if option.flags else typer.Argument
    default = make(... if option.default is ... else False if kind is bool else None, *option.flags, **more)
    annotation = kind if kind is bool or option.default is ... else kind | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"parascrape {VERSION}")
        raise typer.Exit
