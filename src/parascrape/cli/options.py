"""The options that harvesting commands share, declared once, and the Settings they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any

import typer

from parascrape.errors import UsageError
from parascrape.settings import USER_AGENT, VERSION, Mode, Settings
from parascrape.system import parse_duration

__all__ = [
    "AllowPrivate",
    "CaFile",
    "ConnectTo",
    "Cookie",
    "Delay",
    "DropTracking",
    "FetchDuplicates",
    "Header",
    "IgnoreRobots",
    "Insecure",
    "Limit",
    "LogFile",
    "LogJson",
    "MaxAge",
    "MaxBytes",
    "ModeOption",
    "Ordered",
    "Output",
    "Overwrite",
    "PerDomain",
    "PerHost",
    "Previous",
    "Processes",
    "Profile",
    "ProfileJson",
    "Proxy",
    "Quiet",
    "ResumeFailed",
    "Retries",
    "Scraper",
    "Select",
    "SortQuery",
    "Threads",
    "Timeout",
    "UserAgent",
    "Verbose",
    "Version",
    "WorkerMemory",
    "make_settings",
    "parse_pairs",
]

_SPEED, _WHAT, _FETCH, _OUT, _SHOW = "How", "What to extract", "Fetching", "Output", "Display"
_MANNERS = "Manners"
_DEFAULT = Settings()


def _option(*names: str, panel: str, help: str, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        *names, rich_help_panel=panel, help=help, metavar=metavar, show_default=False
    )
    return option


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"parascrape {VERSION}")
        raise typer.Exit


ModeOption = Annotated[
    Mode,
    _option("--mode", "-m", panel=_SPEED, help="auto, sequential, thread or process [auto].", metavar="MODE"),
]
Processes = Annotated[
    int,
    _option("--processes", "-p", panel=_SPEED, metavar="N", help="Worker processes [the CPUs it may use]."),
]
Threads = Annotated[
    int,
    _option(
        "--threads", "-t", panel=_SPEED, metavar="N", help="Threads per process [32; in process mode 8]."
    ),
]
WorkerMemory = Annotated[
    int,
    _option(
        "--worker-memory", panel=_SPEED, metavar="MB", help="A process that has grown so is replaced [auto]."
    ),
]
Scraper = Annotated[
    str,
    _option(
        "--scraper",
        "-s",
        panel=_WHAT,
        metavar="NAME",
        help="article, page, links, metadata, FILE.py:FUNC or MODULE:FUNC [article].",
    ),
]
Select = Annotated[
    list[str] | None,
    _option(
        "--select",
        panel=_WHAT,
        metavar="NAME=CSS",
        help="First match's text; NAME[]=CSS all; CSS::attr(href).",
    ),
]
PerHost = Annotated[
    int,
    _option(
        "--per-host",
        panel=_MANNERS,
        metavar="N",
        help=f"Fetches at once from a host, 0 any number [{_DEFAULT.per_host}].",
    ),
]
Delay = Annotated[
    float,
    _option(
        "--delay", panel=_MANNERS, metavar="SECONDS", help="From start to start of a host's fetches [0 s]."
    ),
]
PerDomain = Annotated[
    bool, _option("--per-domain", panel=_MANNERS, help="Both for a registrable domain [scheme, host, port].")
]
IgnoreRobots = Annotated[
    bool, _option("--ignore-robots", panel=_MANNERS, help="Fetch what robots.txt forbids [obeyed].")
]
FetchDuplicates = Annotated[
    bool,
    _option("--fetch-duplicates", panel=_MANNERS, help="Fetch a URL as often as it is listed [once]."),
]
DropTracking = Annotated[
    bool,
    _option("--ignore-tracking", panel=_MANNERS, help="URLs that differ in utm_... and the like are one."),
]
SortQuery = Annotated[
    bool,
    _option("--ignore-query-order", panel=_MANNERS, help="URLs that differ in it are one."),
]
Timeout = Annotated[
    float,
    _option(
        "--timeout", panel=_FETCH, metavar="SECONDS", help=f"Total time for a URL [{_DEFAULT.timeout:g} s]."
    ),
]
MaxBytes = Annotated[
    int,
    _option(
        "--max-bytes",
        panel=_FETCH,
        metavar="BYTES",
        help=f"Largest body, as sent and inflated [{_DEFAULT.max_bytes} B].",
    ),
]
Retries = Annotated[
    int,
    _option(
        "--retries",
        panel=_FETCH,
        metavar="N",
        help=f"Tries after the first, where safe [{_DEFAULT.retries}].",
    ),
]
Header = Annotated[
    list[str] | None,
    _option("--header", "-H", panel=_FETCH, metavar="NAME:VALUE", help="Sent with each request. Repeatable."),
]
Cookie = Annotated[
    list[str] | None,
    _option("--cookie", "-b", panel=_FETCH, metavar="NAME=VALUE", help="Sent with each request. Repeatable."),
]
UserAgent = Annotated[
    str,
    _option("--user-agent", "-A", panel=_FETCH, metavar="TEXT", help=f"[{USER_AGENT.split()[0]} ...]."),
]
Proxy = Annotated[str, _option("--proxy", panel=_FETCH, metavar="URL", help="For http and https [none].")]
Insecure = Annotated[bool, _option("--insecure", panel=_FETCH, help="Do not verify certificates [verified].")]
AllowPrivate = Annotated[
    bool,
    _option("--allow-private", panel=_FETCH, help="Public URLs may lead to private addresses [refused]."),
]
# For the runs of a comparison, which must reach no host but the twin, and tell where their time went.
ProfileJson = Annotated[str, typer.Option("--profile-json", hidden=True)]
ConnectTo = Annotated[str, typer.Option("--connect-to", hidden=True)]
CaFile = Annotated[str, typer.Option("--ca-file", hidden=True)]
Previous = Annotated[
    str,
    _option(
        "--previous", panel=_OUT, metavar="FILE", help="An earlier output; what has not changed is kept."
    ),
]
MaxAge = Annotated[
    str,
    _option("--max-age", panel=_OUT, metavar="AGE", help="Do not fetch again before: 6h, 2d [fetch all]."),
]
Output = Annotated[
    str,
    _option(
        "--output",
        "-o",
        panel=_OUT,
        metavar="FILE",
        help="JSON lines; - for stdout [output/<list name>.jsonl].",
    ),
]
Overwrite = Annotated[
    bool, _option("--overwrite", panel=_OUT, help="Start anew [go on where the output ends].")
]
ResumeFailed = Annotated[
    bool, _option("--resume-failed", panel=_OUT, help="Fetch again what failed; good records stay.")
]
Ordered = Annotated[bool, _option("--ordered", panel=_OUT, help="Records in the list's order [as finished].")]
Limit = Annotated[
    int, _option("--limit", "-n", panel="Lists", metavar="N", help="Only the first N lines [all].")
]
Quiet = Annotated[bool, _option("--quiet", "-q", panel=_SHOW, help="No progress, no summary.")]
Profile = Annotated[bool, _option("--profile", panel=_SHOW, help="Where a page's time went, as a table.")]
Verbose = Annotated[bool, _option("--verbose", "-v", panel=_SHOW, help="Log every URL to stderr.")]
LogFile = Annotated[
    str,
    _option("--log-file", panel=_SHOW, metavar="FILE", help="Append the log of all workers to FILE [none]."),
]
LogJson = Annotated[bool, _option("--log-json", panel=_SHOW, help="Log lines as JSON, one object each.")]
Version = Annotated[
    bool,
    typer.Option(
        "--version",
        "-V",
        rich_help_panel=_SHOW,
        help="Show the version.",
        is_eager=True,
        callback=_show_version,
        show_default=False,
    ),
]


def make_settings(chosen: Mapping[str, Any]) -> Settings:
    """The settings of a command's parameters (``ctx.params``); those that it has not keep their default.

    Raises:
        UsageError: a value is out of its range, or an option is not written as it should be.
    """
    values = {field.name: chosen[field.name] for field in fields(Settings) if field.name in chosen}
    values |= {field: not chosen[name] for name, field in _OPPOSITES.items() if name in chosen}
    values["select"] = tuple(chosen.get("select") or ())
    values["headers"] = parse_pairs("--header", chosen.get("header"), ":")
    values["cookies"] = parse_pairs("--cookie", chosen.get("cookie"), "=")
    values["worker_bytes"] = chosen.get("worker_memory", 0) * 1_000_000
    values["max_age"] = _seconds("--max-age", chosen.get("max_age"))
    return Settings(**values)


_OPPOSITES = {"insecure": "verify_tls", "ignore_robots": "robots"}


def _seconds(option: str, text: str | None) -> float:
    """The length of time that ``6h`` means; 0 for nothing. Raises UsageError."""
    try:
        return parse_duration(text).total_seconds() if text else 0.0
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def parse_pairs(option: str, pairs: Sequence[str] | None, separator: str) -> dict[str, str]:
    """The options ``NAME<separator>VALUE`` as a dict. Raises UsageError for one that is not so."""
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, sign, value = pair.partition(separator)
        name, value = name.strip(), value.strip()
        if not sign or not name or not (name + value).isprintable() or " " in name:
            raise UsageError(
                f"{option} {pair!r}: write NAME{separator}{' ' if separator == ':' else ''}VALUE"
            )
        try:
            (name + value).encode("latin-1")
        except UnicodeEncodeError:
            raise UsageError(f"{option} {name}: a header carries Latin-1 characters only") from None
        found[name] = value
    return found
