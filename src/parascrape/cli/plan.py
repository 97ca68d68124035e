"""``scrape plan LIST...``: estimates what a harvest would fetch and how long it takes."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from parascrape.cli import options as opt
from parascrape.cli.options import Choices, Options, command, pick
from parascrape.cli.tables import host_name, make_table, to_json, write_out
from parascrape.harvesting import fit_threads
from parascrape.settings import SETTINGS_OPTIONS, Option, Settings
from parascrape.system import show_count, show_duration
from parascrape.web import RobotsRules

if TYPE_CHECKING:
    from parascrape.harvesting import Change, Estimate, TimeBound

_PLAN: Options = {
    "offline": Option(False, "--offline", "Do not fetch robots.txt [fetched].", "Plan"),
    "latency": Option(
        0.0, "--latency SECONDS", "Assumed time of a fetch [{default} s].", "Plan", opt.AT_LEAST_0
    ),
}
_DUPLICATES = pick(SETTINGS_OPTIONS, "fetch_duplicates")
_ASKING = pick(SETTINGS_OPTIONS, "timeout headers cookies user_agent proxy verify_tls allow_private")


@command(
    *(opt.LISTS, opt.LIMIT, _PLAN, pick(SETTINGS_OPTIONS, "mode processes threads")),
    *(opt.POLITENESS, _DUPLICATES, opt.SAME_URL, _ASKING, opt.REPLAYED, opt.TABLE),
)
def plan(chosen: Choices) -> int:
    """Show what a harvest of the lists would do: hosts, what robots.txt forbids, and the least time it takes.

    Only each host's robots.txt is fetched. Give the options of the harvest that you plan.
    Exit status: 0 the plan is printed, 2 wrong usage, 130 interrupted.
    """
    settings = chosen.make(Settings)
    from parascrape.files import read_lists
    from parascrape.harvesting import plan as make_plan

    listed = read_lists(chosen["sources"], url_column=chosen["url_column"])
    entries = itertools.islice(listed, chosen["limit"] or None)
    ask = settings.robots and not chosen["offline"]
    asking = asking_hosts(chosen, settings, hint="--offline skips that")
    with asking if ask else nullcontext((settings, None)) as (fitted, rules_of):
        top = chosen["top"] or sys.maxsize
        made = make_plan(entries, fitted, rules_of, latency=chosen["latency"], top=top)
    return write_out(to_json(_as_json(made)) if chosen["json"] else "\n".join(_as_text(made, settings)))


def _as_json(made: Estimate) -> dict[str, Any]:
    """Return the estimate as a dict; counts of robots.txt are null if it was not read."""
    values = {field.name: getattr(made, field.name) for field in fields(made)}
    if not made.asked:
        values |= {"forbidden": None, "unreachable": None}
    return {**values, "top": [{**host._asdict(), "fetches": host.fetches} for host in made.top]}


def _as_text(made: Estimate, settings: Settings) -> Iterator[str]:
    yield from _counts(made)
    yield ""
    if made.top:
        yield from _hosts(made, settings)
        yield ""
    yield _lower_bound(made.bound, settings)
    yield _assumptions(made, settings)
    yield from (_advice(change, made) for change in made.changes)


def _counts(made: Estimate) -> Iterator[str]:
    rows = [
        ("lines", made.lines, ""),
        ("invalid", made.invalid, "not an http(s) URL"),
        ("duplicates", made.duplicates, "the same URL stands above"),
    ]
    if made.asked:
        why = "robots.txt could not be fetched, so they are forbidden"
        rows += [("forbidden", made.forbidden, "by robots.txt"), ("unreachable", made.unreachable, why)]
    rows += [("to fetch", made.fetches, ""), ("hosts", made.hosts, "")]
    wide = max(len(f"{number:,}") for _, number, _ in rows)
    for name, number, note in rows:
        yield f"{name:<12}{number:>{wide},}  {note if number else ''}".rstrip()


def _hosts(made: Estimate, settings: Settings) -> Iterator[str]:
    rows = [
        (
            host_name(one.host),
            f"{one.urls:,}",
            f"{one.forbidden + one.unreachable:,}" if made.asked else "?",
            show_duration(one.delay) + (" (robots.txt)" if one.delay_by == "robots" else ""),
            show_duration(one.seconds),
        )
        for one in made.top
    ]
    name = "domain" if settings.per_domain else "host"
    yield make_table([name, "URLs", "forbidden", "delay", "at least"], rows)
    if made.hosts > len(made.top):
        yield f"and {show_count(made.hosts - len(made.top), name)} more"


def _lower_bound(bound: TimeBound, settings: Settings) -> str:
    if not bound.by:
        most = show_count(settings.per_host, "fetch", "es") if settings.per_host else "any number of fetches"
        return f"No delay applies, only {most} at once from a host: --latency SECONDS gives a bound."
    why = {
        "robots": "by the delay that its robots.txt asks for",
        "delay": f"by --delay {settings.delay:g}",
        "per_host": f"by --per-host {settings.per_host}",
        "fetches": f"by {show_count(settings.fetches, 'fetch', 'es')} at once over all",
        "latency": "by the time of one fetch",
    }[bound.by]
    who = f"{host_name(bound.host)} sets it, " if bound.host else ""
    return f"At least {show_duration(bound.seconds)}: {who}{why}."


def _assumptions(made: Estimate, settings: Settings) -> str:
    """Return the assumptions of the bound, in one line."""
    took = f"a fetch takes {show_duration(made.latency)}" if made.latency else "a fetch takes no time"
    parts = [took, "none fails", "gaps are as short as may be"]
    if not made.asked:
        effect = "forbids and delays nothing" if settings.robots else "is ignored"
        parts.append(f"robots.txt {effect}")
    return f"Assumed: {', '.join(parts)}."


def _advice(change: Change, made: Estimate) -> str:
    """Return what one option would change, and whether the sites should agree to it."""
    more = change.fetches - made.fetches
    effects = [f"fetch {show_count(more, 'URL')} more"] if more else []
    if change.bound.seconds != made.bound.seconds:
        effects.append(f"take at least {show_duration(change.bound.seconds)}")
    asks = "" if change.options.startswith(("--threads", "--mode")) else ", if its sites agree"
    return f"{change.options} would {' and '.join(effects)}{asks}."


@contextmanager
def asking_hosts(
    chosen: Choices, settings: Settings, *, hint: str
) -> Iterator[tuple[Settings, Callable[[str], RobotsRules]]]:
    """Yield settings with no more threads than files may be open, and a function that fetches robots.txt.

    Connections are closed at the end. ``hint`` says how to avoid the requests.
    """
    from parascrape.fetch import Client, NetworkOptions, fetch_robots

    fitted = fit_threads(settings)
    client = Client(fitted, chosen.make(NetworkOptions))
    asked = itertools.count(1)

    def rules_of(origin: str) -> RobotsRules:
        number = next(asked)
        if number == 1:
            sys.stderr.write(f"Asking the hosts for robots.txt ({hint}).\n")
        elif number % 500 == 0:
            sys.stderr.write(f"{number:,} hosts asked.\n")
        return fetch_robots(origin, client)

    try:
        yield fitted, rules_of
    finally:
        client.close()
