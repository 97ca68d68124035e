"""Settings: every choice of a harvest with its default and its unit, in one frozen dataclass.

It crosses to worker processes, so it holds plain values only (and the scraper, by reference).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from parascrape.errors import UsageError
from parascrape.system import available_cpus

__all__ = ["USER_AGENT", "VERSION", "Mode", "Settings"]


VERSION = "0.1.0"
USER_AGENT = f"parascrape/{VERSION} (+https://pypi.org/project/parascrape/)"

Mode = Literal["auto", "sequential", "thread", "process"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What to do with every URL, and in how many threads and processes.

    The mode ``auto`` starts in threads, and changes to processes in mid-run where that will pay
    (`parascrape.harvesting.mode_choice`); a scraper then has no state of its own to keep from page to page.
    Times are seconds, sizes bytes. A ``processes`` or ``threads`` of 0 means the mode's default:
    as many processes as CPUs this process may use; 32 threads in thread mode and 8 in each process.
    A worker process that has grown to ``worker_bytes`` is replaced; 0: its share of 70 % of the memory.
    The bodies that a process holds at once have ``body_bytes`` together; 0: a quarter of what it may have.
    A host has at most ``per_host`` fetches at once (0: no limit) that start at least ``delay`` apart; with
    ``per_domain`` all hosts of a registrable domain count as one. With ``robots``, robots.txt is obeyed.
    Without a limit, a delay and robots.txt, hosts are not told apart at all. ``hosts_file`` is where runs
    on this machine tell each other of hosts (`parascrape.frontier.host_store`); empty: nowhere.
    A URL that the list holds twice is fetched once, unless ``fetch_duplicates``;
    with ``drop_tracking`` and ``sort_query`` URLs
    that differ only in that are one (`parascrape.web.canonical`).
    A server whose Retry-After is longer than ``max_backoff`` is not asked again in this run.
    Public URLs may lead to private addresses (`parascrape.web.addresses`) only with ``allow_private``.
    ``aside`` is a folder for the pages under which a worker died or hung (`parascrape.files.quarantine`).
    ``connect_to`` leads connections elsewhere, host names kept: libcurl's ``HOST:PORT:HOST:PORT``, several
    with commas between; no proxy is used then, and addresses are not checked, for they are not the hosts'.
    ``ca_file`` names the only authorities whose certificates are trusted (PEM); empty: the usual ones.
    ``previous`` is an earlier output: pages that have not changed since keep their records, and those that
    were fetched at most ``max_age`` seconds ago are not asked for (`parascrape.files.previous`); empty: none.
    An empty ``scraper`` is ``article``, or nothing but the selections where there are some.

    Raises:
        UsageError: a value is out of its range; the message names the field.
    """

    mode: Mode = "auto"
    processes: int = 0
    threads: int = 0
    worker_bytes: int = 0
    body_bytes: int = 0
    scraper: str | Callable[..., Any] = ""
    select: tuple[str, ...] = ()
    per_host: int = 4
    delay: float = 0.0
    per_domain: bool = False
    robots: bool = True
    hosts_file: str = ""
    fetch_duplicates: bool = False
    drop_tracking: bool = False
    sort_query: bool = False
    timeout: float = 30.0
    max_bytes: int = 20_000_000
    max_redirects: int = 10
    retries: int = 2
    backoff: float = 0.5
    max_backoff: float = 120.0
    user_agent: str = USER_AGENT
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    proxy: str = ""
    verify_tls: bool = True
    allow_private: bool = False
    ordered: bool = False
    aside: str = ""
    connect_to: str = ""
    ca_file: str = ""
    previous: str = ""
    max_age: float = 0.0

    def __post_init__(self) -> None:
        self._check_range("processes", self.processes, 0, 1024)
        self._check_range("threads", self.threads, 0, 1024)
        self._check_range("worker_bytes", self.worker_bytes, 0, 1 << 50)
        self._check_range("body_bytes", self.body_bytes, 0, 1 << 50)
        self._check_range("per_host", self.per_host, 0, 10_000)
        self._check_range("delay", self.delay, 0, 86_400)
        self._check_range("timeout", self.timeout, 0.001, 86_400)
        self._check_range("max_bytes", self.max_bytes, 1, 1 << 31)
        self._check_range("max_redirects", self.max_redirects, 0, 100)
        self._check_range("retries", self.retries, 0, 100)
        self._check_range("backoff", self.backoff, 0, 3600)
        self._check_range("max_backoff", self.max_backoff, 0, 86_400)
        self._check_range("max_age", self.max_age, 0, 1e10)
        self._check_proxy()
        self._check_headers()
        if self.mode not in get_args(Mode):
            raise UsageError(f"mode: {self.mode!r} is none of {', '.join(get_args(Mode))}")

    def _check_proxy(self) -> None:
        scheme, mark, rest = self.proxy.partition("://")
        known = scheme.lower() in ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
        if self.proxy and not (mark and known and rest.strip("/") and self.proxy.isprintable()):
            raise UsageError("proxy: write http://HOST:PORT, https://, socks5:// or socks5h://")

    def _check_headers(self) -> None:
        """Refuse what would break out of its header line, or cannot be sent (RFC 9110 §5.5)."""
        for name, value in {"user_agent": self.user_agent, **self.headers, **self.cookies}.items():
            sendable = all(0x20 <= ord(letter) < 0x100 and letter != "\x7f" for letter in name + value)
            if not name or " " in name or not sendable:
                raise UsageError(f"headers: {name!r} or its value cannot be sent in a header")

    @staticmethod
    def _check_range(name: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:
            raise UsageError(f"{name}: {value} is not between {low} and {high}")

    @property
    def process_count(self) -> int:
        """Processes to start: 0 unless the mode is process; auto may start some later."""
        if self.mode != "process":
            return 0
        return self.processes or available_cpus()

    @property
    def thread_count(self) -> int:
        """Threads in each process (in this one where the mode is not process)."""
        if self.mode == "sequential":
            return 1
        return self.threads or (8 if self.mode == "process" else 32)

    @property
    def fetches(self) -> int:
        """Fetches in flight at once, over all processes."""
        return max(1, self.process_count) * self.thread_count
