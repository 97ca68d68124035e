"""Recorder: fetches every URL of a list once, politely, in threads, and keeps each exchange as it was."""

from __future__ import annotations

import errno
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pycurl

from parascrape.errors import (
    ConnectError,
    DnsError,
    FetchError,
    InvalidUrl,
    ParascrapeError,
    ProxyFailed,
    TlsError,
)
from parascrape.fetch import NO_RULES, FetchRules, raise_for, refused_address
from parascrape.files import Outcome
from parascrape.frontier import PolitenessPolicy, politeness_policy
from parascrape.harvesting import Environment, HarvestHooks, HookResult, harvest
from parascrape.loopback.replay.exchange import (
    Ending,
    Exchange,
    ExchangeTimes,
    redact_reply,
    redact_request,
    split_lines,
)
from parascrape.loopback.replay.warc import ExchangeWriter, load_library
from parascrape.records import Entry, parse
from parascrape.scrapers import DiscoveredLinks
from parascrape.settings import Settings
from parascrape.system import output_errors, replace_file
from parascrape.web import RobotsRules, host_key, prepare, redact

_NOT_LISTED = -1  # line of an entry that is not in the list


@dataclass(slots=True)
class RecordingResult:
    """The contents of a recording.

    ``entries`` counts the URLs of the list that were fetched, ``failed`` the error codes of those fetches.
    ``skipped`` counts those not fetched, by reason: ``invalid_url``, ``duplicate``, ``robots``. ``bytes`` is
    what came over the wire.
    """

    path: Path
    entries: int = 0
    exchanges: int = 0
    bytes: int = 0
    seconds: float = 0.0
    hosts: set[str] = field(default_factory=set)
    failed: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


def record(entries: Iterable[Entry], path: str | Path, settings: Settings) -> RecordingResult:
    """Record the entries to a file, which replaces an older one when it is whole.

    The settings' limits of hosts and robots.txt hold, failures are not tried again, and the robots.txt of
    every host is recorded. It always runs in threads.

    Raises:
        UsageError: the extra ``compare`` is missing.
        OutputError: the file cannot be written.
    """
    load_library("warcio.warcwriter")
    path = Path(path)
    about = {
        "robots": "obey" if settings.robots else "ignore",
        "http-header-user-agent": settings.user_agent,
        "timeout": f"{settings.timeout:g}",
    }
    result, began = RecordingResult(path), time.monotonic()
    settings = replace(settings, mode="thread", retries=0, ordered=False, previous="")
    with output_errors(path), replace_file(path) as file:
        recorder = _Recorder(ExchangeWriter(file, about), result, robots=settings.robots)
        environment = Environment(limits=_limits)
        deque(harvest(recorder.listed(entries), settings, hooks=recorder.hooks(), environment=environment), 0)
    result.seconds = time.monotonic() - began
    return result


def _limits(settings: Settings) -> PolitenessPolicy | None:
    """Return the usual limits, but ask for each URL once, whatever happened to others of its host."""
    limits = politeness_policy(settings)
    return None if limits is None else replace(limits, circuit_after=0, robots_asks=1)


class _Recorder:
    """The page hook of a recording: keeps the transfers of each fetch, and leaves out the scraping."""

    def __init__(self, writer: ExchangeWriter, result: RecordingResult, *, robots: bool) -> None:
        self._writer = writer
        self._result = result
        self._robots = robots
        self._fetches: dict[str, TransferRecorder] = {}  # under way, by the URL or the origin

    def hooks(self) -> HarvestHooks:
        """Return the hooks of the harvest."""
        return HarvestHooks(on_outcome=self._page_done, on_robots=self._robots_done, page_hook=self)

    def listed(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield every URL once, then the robots.txt of each host unless the harvest asks for it anyway."""
        seen: set[str] = set()
        for entry in entries:
            try:
                if entry.problem:
                    raise InvalidUrl(entry.problem)
                url = prepare(entry.url)
            except InvalidUrl as error:
                self._result.skipped[error.code] += 1
                continue
            if url in seen:
                self._result.skipped["duplicate"] += 1
                continue
            seen.add(url)
            self._result.hosts.add(host_key(url))
            yield entry
        if not self._robots:
            for url in (prepare(f"{host}/robots.txt") for host in sorted(self._result.hosts)):
                if url not in seen:
                    yield Entry(url, _NOT_LISTED)

    def _page_done(self, entry: Entry, outcome: Outcome) -> None:
        """Write the exchanges of a page, and count it."""
        fetch = self._fetches.pop(entry.url, None)
        if fetch is None:
            self._result.skipped[outcome.code] += 1
            return
        listed = entry.line != _NOT_LISTED
        self._write(fetch.seen, redact(prepare(entry.url)) if listed else "", outcome)
        if listed:
            self._result.entries += 1
            self._result.failed.update([outcome.code] if outcome.code else [])

    def _robots_done(self, origin: str, _: RobotsRules) -> None:
        self._write(self._fetches.pop(origin).seen)

    def _write(self, seen: Sequence[Exchange], entry: str = "", outcome: Outcome | None = None) -> None:
        """Write the exchanges of one fetch with their places in it; the last has the error it ended with."""
        for hop, exchange in enumerate(seen):
            placed = replace(exchange, entry=entry, hop=hop)
            if outcome is not None and outcome.code and hop == len(seen) - 1:
                error = parse(outcome.lines)["error"]
                placed = replace(placed, error=error["code"], message=error["message"])
            self._writer.write(placed)
            self._result.exchanges += 1
            self._result.bytes += len(exchange.before) + len(exchange.reply)

    # --- in the threads of the harvest ---

    def transfer_hook(self, url: str) -> TransferRecorder:
        """Return what sees the transfers of a URL, or of the robots.txt of an origin."""
        return self._fetches.setdefault(url, TransferRecorder())

    def fetch_rules(self, _: Entry) -> FetchRules:
        """Fetch as the settings say."""
        return NO_RULES

    def page_fetched(self, *_: Any) -> HookResult:
        """Give an empty record instead of scraping the page."""
        return HookResult(DiscoveredLinks(), record={})

    def fetch_failed(self, _: ParascrapeError, __: Entry) -> None:
        """Leave the failure as it is."""

    def outcome_lost(self) -> None:
        """Keep what was seen."""


_NO_CONNECTION: dict[type[FetchError], Ending] = {
    ConnectError: "refused",
    DnsError: "dns",
    ProxyFailed: "refused",
    TlsError: "tls",
}
_ENDINGS: dict[int, Ending] = {18: "closed", 28: "silent", 52: "closed", 55: "closed", 56: "closed"}
"""Endings by libcurl's error number, where the number alone tells."""


class TransferRecorder:
    """Keeps the transfers of one fetch as exchanges, in ``seen``.

    libcurl's debug messages hold the head that is sent and all that comes, before chunks are undone.
    """

    def __init__(self) -> None:
        self.seen: list[Exchange] = []

    def __call__(self, perform: Callable[[Any], None], handle: Any) -> None:
        """Perform a transfer, and keep it. Raises pycurl.error as ``perform`` does."""
        notes: list[tuple[int, bytes]] = []
        handle.setopt(pycurl.DEBUGFUNCTION, lambda kind, data: notes.append((kind, data)) if kind else None)
        handle.setopt(pycurl.VERBOSE, 1)
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        failure: tuple[Any, ...] = ()
        try:
            perform(handle)
        except pycurl.error as error:
            failure = error.args
            raise
        finally:
            handle.setopt(pycurl.VERBOSE, 0)
            handle.setopt(pycurl.DEBUGFUNCTION, lambda *_: None)  # it would keep the notes
            self._keep(handle, notes, at, failure)

    def _keep(self, handle: Any, notes: list[tuple[int, bytes]], at: str, failure: tuple[Any, ...]) -> None:
        before, reply = _received(notes)
        sent = [data for kind, data in notes if kind == pycurl.INFOTYPE_HEADER_OUT]
        request = redact_request(sent[-1] if sent else b"")  # libcurl may send it again on a new connection
        self.seen.append(
            Exchange(
                url=handle.getinfo(pycurl.EFFECTIVE_URL),
                request=request.head,
                before=before,
                reply=reply,
                ending=_ending(handle, failure, bool(before or reply)) if failure else "whole",
                seconds=_seconds(handle),
                new_connection=handle.getinfo(pycurl.NUM_CONNECTS) > 0,
                cookies=request.cookies,
                authorised=request.authorised,
                at=at,
                address=handle.getinfo(pycurl.PRIMARY_IP) or "",
            )
        )


def _received(notes: Sequence[tuple[int, bytes]]) -> tuple[bytes, bytes]:
    """Return what came before the final head, and the answer; libcurl reports trailers twice."""
    lines: list[bytes] = []
    pieces: list[bytes] = []
    for kind, data in notes:
        if kind == pycurl.INFOTYPE_DATA_IN:
            pieces.append(data)
        elif kind == pycurl.INFOTYPE_HEADER_IN and not pieces:
            lines.append(data)
    return split_lines(redact_reply(lines), b"".join(pieces))


def _ending(handle: Any, failure: Sequence[Any], answered: bool) -> Ending:
    """Return how a failed exchange ended, by libcurl's number and message."""
    number, reason = int(failure[0]), handle.getinfo(pycurl.OS_ERRNO)
    if number in (55, 56) and reason in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return "reset"
    try:
        raise_for(number, str(failure[1]), refused_address(handle))
    except FetchError as error:
        if not answered and (ending := _NO_CONNECTION.get(type(error))):
            return ending
        return _ENDINGS.get(number, "refused" if error.code == "address" else "left")


def _seconds(handle: Any) -> ExchangeTimes:
    """Return the times of a transfer; where no byte came, ``first_byte`` is how long we waited."""
    looked_up = handle.getinfo(pycurl.NAMELOOKUP_TIME)
    connected = handle.getinfo(pycurl.CONNECT_TIME)
    sent = handle.getinfo(pycurl.PRETRANSFER_TIME)
    total = handle.getinfo(pycurl.TOTAL_TIME)
    began = handle.getinfo(pycurl.STARTTRANSFER_TIME) or total
    return ExchangeTimes(
        dns=looked_up,
        connect=max(0.0, connected - looked_up),
        tls=max(0.0, handle.getinfo(pycurl.APPCONNECT_TIME) - connected),
        first_byte=max(0.0, began - sent) if sent else 0.0,
        transfer=max(0.0, total - began),
        total=total,
    )
