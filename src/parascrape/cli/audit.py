"""``scrape audit OUTPUT...``: checks from its records whether a harvest was polite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from parascrape.cli.options import REPLAYED, TABLE, Choices, Options, command, pick
from parascrape.cli.tables import host_name, make_table, to_json, write_out
from parascrape.settings import SETTINGS_OPTIONS, Option, Settings
from parascrape.system import show_count, show_duration

if TYPE_CHECKING:
    from parascrape.harvesting import Audit, HostAudit

_COLUMNS = ("fetches", "least\ngap", "at\nonce", "too\nsoon", "too\nmany", "Retry-\nAfter", "for-\nbidden")

_AUDIT: Options = {
    "outputs": Option(..., "OUTPUT...", "Files of records; several are judged together.", "Audit", type=list),
    "ask_robots": Option(
        False, "--robots", "Fetch each host's robots.txt and check the fetches against it.", "Audit"
    ),
}
_HOSTS = pick(
    SETTINGS_OPTIONS, "per_host delay per_domain timeout headers user_agent proxy verify_tls allow_private"
)


@command(_AUDIT, _HOSTS, REPLAYED, TABLE)
def audit(chosen: Choices) -> int:
    """Compare the fetches that the records show with each host's limits; give the options of the harvest.

    Overlaps of under 2 ms, and gaps short by under 2 ms and a thousandth, are allowed.
    Exit status: 0 no limit was broken, 1 some were, 2 wrong usage, 74 no temporary file.
    """
    settings, ask_robots = chosen.make(Settings), chosen["ask_robots"]
    from parascrape.cli.plan import asking_hosts
    from parascrape.harvesting import audit as make_audit

    asking = asking_hosts(chosen, settings, hint="as they are today")
    with asking if ask_robots else nullcontext((settings, None)) as (fitted, rules_of):
        made = make_audit(chosen["outputs"], fitted, rules_of)
    shown = made.hosts[: chosen["top"] or None]
    if chosen["json"]:
        status = write_out(to_json(_as_json(made, shown, settings, ask_robots)))
    else:
        status = write_out("\n".join(_as_text(made, shown, settings, ask_robots)))
    return status or int(made.broken > 0)


def _as_json(made: Audit, shown: list[HostAudit], settings: Settings, asked: bool) -> dict[str, Any]:
    from parascrape.harvesting import TOLERANCE

    values = {field.name: getattr(made, field.name) for field in fields(made)}
    limits = {"per_host": settings.per_host, "delay": settings.delay, "tolerance": TOLERANCE}
    return {
        "broken": made.broken,
        **values,
        "asked": asked,
        "limits": limits,
        "hosts": len(made.hosts),
        "top": [{**one._asdict(), "broken": one.broken} for one in shown],
    }


def _as_text(made: Audit, shown: list[HostAudit], settings: Settings, asked: bool) -> Iterator[str]:
    name = "domain" if settings.per_domain else "host"
    if shown:
        yield make_table([name, *_COLUMNS], map(_row, shown))
        if len(made.hosts) > len(shown):
            yield f"and {show_count(len(made.hosts) - len(shown), name)} more"
        yield ""
    fetches, outcomes = show_count(made.fetches, "fetch", "es"), show_count(made.pages, "outcome")
    yield f"{fetches} for {outcomes}. {_verdict(made)}"
    yield _limits(settings, asked)
    if unjudged := list(_unjudged(made, asked)):
        yield f"Not judged: {', '.join(unjudged)}."


def _row(one: HostAudit) -> list[str]:
    gap = "-" if one.least_gap is None else f"{one.least_gap:,.3f} s"
    counts = (one.too_soon, one.too_many, one.in_retry_after, one.forbidden)
    numbers = [f"{number:,}" for number in (one.most_at_once, *counts)]
    return [host_name(one.host), f"{one.fetches:,}", gap, *numbers]


def _verdict(made: Audit) -> str:
    if not made.fetches:
        return "No fetch to audit."
    if not made.broken:
        return "No limit was broken."
    hosts = sum(1 for one in made.hosts if one.broken)
    return f"BROKEN {made.broken:,} times, at {show_count(hosts, 'host')}."


def _limits(settings: Settings, asked: bool) -> str:
    most = f"at most {show_count(settings.per_host, 'fetch', 'es')}" if settings.per_host else "any number"
    parts = [
        f"{most} at once",
        f"{show_duration(settings.delay)} between two starts",
        "none while Retry-After runs",
    ]
    if asked:
        parts.append("what robots.txt says today")
    return f"Limits of a {'domain' if settings.per_domain else 'host'}: {', '.join(parts)}."


def _unjudged(made: Audit, asked: bool) -> Iterator[str]:
    """Yield what could not be judged."""
    if made.unseen:
        yield f"{show_count(made.unseen, 'attempt')} whose time no record has"
    if made.unmeasured:
        yield f"how long {show_count(made.unmeasured, 'attempt')} took"
    if made.foreign:
        yield f"{show_count(made.foreign, 'line')} without a record"
    if made.unreachable:
        yield f"{show_count(made.unreachable, 'host')} whose robots.txt cannot be fetched now"
    if made.fetches and not asked:
        yield "robots.txt (--robots asks for it)"
