"""Recorder: fetches every URL of a list once, politely, in threads, and keeps each exchange as it was."""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import pycurl

from parascrape.errors import (
    ConnectError,
    DnsError,
    FetchError,
    InvalidUrl,
    ProxyFailed,
    StatusError,
    TlsError,
)
from parascrape.executors import TaskContext, WithContext, open_executor
from parascrape.fetch import Client, FetchTrace, fetch_robots, raise_for, refused_address
from parascrape.frontier import (
    FetchReport,
    PolitenessPolicy,
    Visit,
    VisitSource,
    open_frontier,
    politeness_policy,
)
from parascrape.loopback.replay.exchange import (
    Ending,
    Exchange,
    ExchangeTimes,
    redact_reply,
    redact_request,
    split_lines,
)
from parascrape.loopback.replay.warc import ExchangeWriter, load_library
from parascrape.records import Entry
from parascrape.settings import Settings
from parascrape.system import output_errors, replace_file
from parascrape.web import RobotsRules, host_key, prepare, redact

__all__ = ["RecordingResult", "TransferRecorder", "record"]

_GRACE = 5.0
"""Seconds that a fetch may take beyond its time-out before its thread is given up."""

_NOT_LISTED = -1  # as the line of an entry that is no line of the list


@dataclass(slots=True)
class RecordingResult:
    """What a recording holds: ``failed`` are the codes of the errors that fetches ended with.

    ``entries`` are URLs of the list that were fetched, ``skipped`` those that were not, with the reason:
    ``invalid_url``, ``duplicate``, ``robots``. ``bytes`` is what came over the wire.
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
    """The count of a recording made at ``path``, which takes the place of what is there when it is whole.

    The settings' limits of hosts and robots.txt are kept to, failures are not tried again, and the
    robots.txt of every host is recorded. The mode is of no account: it is always threads.

    Raises:
        UsageError: the extra ``compare`` is missing.
        OutputError: the file cannot be written.
    """
    load_library("warcio.warcwriter")
    path = Path(path)
    with output_errors(path), replace_file(path) as file:
        return _record(entries, RecordingResult(path), settings, file)


def _record(
    entries: Iterable[Entry], recorded: RecordingResult, settings: Settings, file: Any
) -> RecordingResult:
    writer = ExchangeWriter(
        file,
        {
            "robots": "obey" if settings.robots else "ignore",
            "http-header-user-agent": settings.user_agent,
            "timeout": f"{settings.timeout:g}",
        },
    )
    began = time.monotonic()
    run = _Run(entries, recorded, replace(settings, mode="thread"))
    try:
        for exchange in run.exchanges():
            writer.write(exchange)
            recorded.exchanges += 1
            recorded.bytes += len(exchange.before) + len(exchange.reply)
    finally:
        run.close()
    recorded.seconds = time.monotonic() - began
    return recorded


class _Fetched(NamedTuple):
    """What one task gives: the exchanges, what the host is judged by, and the rules of a robots.txt."""

    exchanges: list[Exchange]
    report: FetchReport | None  # None of a robots.txt: it says nothing of the pages
    rules: RobotsRules | None = None


class _Run:
    """One recording under way: fetches in flight, and those who may come next."""

    def __init__(self, entries: Iterable[Entry], recorded: RecordingResult, settings: Settings) -> None:
        self._settings = settings
        self._client = Client(settings)
        self._recorded = recorded
        self._executor = open_executor(0, settings.thread_count, deadline=settings.timeout + _GRACE)
        self._frontier = open_frontier(VisitSource(self._listed(entries)), _limits(settings))
        self._visits: dict[Future[_Fetched], Visit] = {}
        self._finished: SimpleQueue[Future[_Fetched]] = SimpleQueue()

    def close(self) -> None:
        """End what is left, and the connections."""
        self._executor.stop()
        self._client.close()

    def _listed(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Every URL once, then the robots.txt of hosts that nobody has asked for theirs."""
        seen: set[str] = set()
        for entry in entries:
            try:
                if entry.problem:
                    raise InvalidUrl(entry.problem)
                url = prepare(entry.url)
            except InvalidUrl as error:
                self._recorded.skipped[error.code] += 1
                continue
            if url in seen:
                self._recorded.skipped["duplicate"] += 1
                continue
            seen.add(url)
            self._recorded.hosts.add(host_key(url))
            yield entry
        if not self._settings.robots:
            for host in sorted(self._recorded.hosts):
                if f"{host}/robots.txt" not in seen:
                    yield Entry(prepare(f"{host}/robots.txt"), _NOT_LISTED)

    def exchanges(self) -> Iterator[Exchange]:
        """All exchanges, those of one fetch together, as they are finished."""
        while True:
            self._submit()
            if not self._visits and self._frontier.drained:
                return
            room = len(self._visits) < self._settings.thread_count
            with suppress(Empty):
                yield from self._take_in(self._finished.get(timeout=self._frontier.wait(room=room)))

    def _submit(self) -> None:
        """Start what may start now."""
        while len(self._visits) < self._settings.thread_count:
            visit = self._frontier.take()
            if visit is None:
                return
            if visit.refused_code:
                self._recorded.skipped[visit.refused_code] += 1
                continue
            if visit.robots:
                future = self._executor.submit(WithContext(_fetch_rules), visit.robots, self._client)
            else:
                future = self._executor.submit(WithContext(_fetch_page), visit.entry, self._client)
            self._visits[future] = visit
            future.add_done_callback(self._finished.put)

    def _take_in(self, future: Future[_Fetched]) -> list[Exchange]:
        """The exchanges of a fetch that is finished; none where its thread was given up."""
        visit = self._visits.pop(future)
        error = future.exception()
        fetched = _Fetched([], FetchReport("timeout")) if error is not None else future.result()
        if visit.robots and fetched.rules is not None:
            self._frontier.set_robots(visit.robots, fetched.rules)
        elif fetched.report is not None and visit.entry.line != _NOT_LISTED:
            self._recorded.entries += 1
            if fetched.report.code:
                self._recorded.failed[fetched.report.code] += 1
        self._frontier.finish(visit, fetched.report)
        return fetched.exchanges


def _limits(settings: Settings) -> PolitenessPolicy | None:
    """The run's limits, but that each URL is asked for, and once, whatever came of the host's others."""
    limits = politeness_policy(settings)
    return None if limits is None else replace(limits, circuit_after=0, robots_asks=1)


def _fetch_page(context: TaskContext, entry: Entry, client: Client) -> _Fetched:
    """One page of the list, in a thread."""
    witness = TransferRecorder()
    trace = FetchTrace(hook=witness)
    context.when_idle(client.leave)
    began = time.monotonic()
    failure: FetchError | None = None
    url = prepare(entry.url)
    try:
        client.fetch(url, trace)
    except FetchError as error:
        failure = error
    finally:
        trace.release()
    wish = failure.retry_after if isinstance(failure, StatusError) else None
    code = failure.code if failure is not None else ""
    report = FetchReport(code, trace.meta.get("status", 0), wish, time.monotonic() - began)
    listed = url if entry.line != _NOT_LISTED else ""
    return _Fetched(_numbered(witness.seen, listed, failure), report)


def _fetch_rules(context: TaskContext, origin: str, client: Client) -> _Fetched:
    """One robots.txt, in a thread."""
    witness = TransferRecorder()
    context.when_idle(client.leave)
    rules = fetch_robots(origin, client, FetchTrace(hook=witness))
    return _Fetched(_numbered(witness.seen, "", None), None, rules)


def _numbered(seen: list[Exchange], entry: str, failure: FetchError | None) -> list[Exchange]:
    """The exchanges of one fetch with their places in it; the last has the error it ended with."""
    entry = redact(entry)
    found = [replace(exchange, entry=entry, hop=hop) for hop, exchange in enumerate(seen)]
    if found and failure is not None:
        message = redact(str(failure))[:2000]
        found[-1] = replace(found[-1], error=failure.code, message=message)
    return found


_NO_CONNECTION: dict[type[FetchError], Ending] = {
    ConnectError: "refused",
    DnsError: "dns",
    ProxyFailed: "refused",
    TlsError: "tls",
}
_ENDINGS: dict[int, Ending] = {18: "closed", 28: "silent", 52: "closed", 55: "closed", 56: "closed"}
"""libcurl's error numbers where they alone say how it ended."""


class TransferRecorder:
    """The hook of a `FetchTrace`; ``seen`` holds the exchanges in their order.

    libcurl's debug messages carry the head that is sent and all that comes, before chunks are undone.
    """

    def __init__(self) -> None:
        self.seen: list[Exchange] = []

    def __call__(self, perform: Callable[[Any], None], handle: Any) -> None:
        """Perform, and keep what passes. Raises pycurl.error as ``perform`` does."""
        notes: list[tuple[int, bytes]] = []
        handle.setopt(pycurl.DEBUGFUNCTION, lambda kind, data: notes.append((kind, data)) if kind else None)
        handle.setopt(pycurl.VERBOSE, 1)
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        try:
            perform(handle)
        except pycurl.error as error:
            self._keep(handle, notes, at, error.args)
            raise
        self._keep(handle, notes, at, ())

    def _keep(self, handle: Any, notes: list[tuple[int, bytes]], at: str, failure: tuple[Any, ...]) -> None:
        handle.setopt(pycurl.VERBOSE, 0)
        handle.setopt(pycurl.DEBUGFUNCTION, _ignore)
        before, reply = _received(notes)
        request = redact_request(_sent(notes))
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


def _ignore(_kind: int, _data: bytes) -> None:
    """Nothing: the handle's next transfer is nobody's business."""


def _sent(notes: Sequence[tuple[int, bytes]]) -> bytes:
    """The head of the request; the last, where libcurl had to send it again on a new connection."""
    return next((data for kind, data in reversed(notes) if kind == pycurl.INFOTYPE_HEADER_OUT), b"")


def _received(notes: Sequence[tuple[int, bytes]]) -> tuple[bytes, bytes]:
    """What came before the final head, and the answer; trailers are told twice and kept once."""
    lines: list[bytes] = []
    pieces: list[bytes] = []
    for kind, data in notes:
        if kind == pycurl.INFOTYPE_DATA_IN:
            pieces.append(data)
        elif kind == pycurl.INFOTYPE_HEADER_IN and not pieces:
            lines.append(data)
    return split_lines(redact_reply(lines), b"".join(pieces))


def _ending(handle: Any, failure: Sequence[Any], answered: bool) -> Ending:
    """How an exchange ended that did not end well, by libcurl's number and message."""
    number, message = int(failure[0]), str(failure[1])
    reason = handle.getinfo(pycurl.OS_ERRNO)
    if number in (55, 56) and reason in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return "reset"
    try:
        raise_for(number, message, refused_address(handle))
    except FetchError as error:
        if not answered and (ending := _NO_CONNECTION.get(type(error))):
            return ending
        return _ENDINGS.get(number, "refused" if error.code == "address" else "left")


def _seconds(handle: Any) -> ExchangeTimes:
    """The times of a transfer that has ended; where no byte came, ``first_byte`` is how long we waited."""
    looked_up = handle.getinfo(pycurl.NAMELOOKUP_TIME)
    connected = handle.getinfo(pycurl.CONNECT_TIME)
    secured = handle.getinfo(pycurl.APPCONNECT_TIME)
    sent = handle.getinfo(pycurl.PRETRANSFER_TIME)
    first = handle.getinfo(pycurl.STARTTRANSFER_TIME)
    total = handle.getinfo(pycurl.TOTAL_TIME)
    began = first or total
    return ExchangeTimes(
        dns=looked_up,
        connect=max(0.0, connected - looked_up),
        tls=max(0.0, secured - connected),
        first_byte=max(0.0, began - sent) if sent else 0.0,
        transfer=max(0.0, total - began),
        total=total,
    )
