"""Settings: every choice of a user, with its default, range, unit and option of the command line.

A choice is declared once, at its field. The command's options and their help, the keys of a job file, the
range checks, the options page of the documentation and the command that a comparison prints come from it.
Settings cross to worker processes, so they hold plain values only (and the scraper, by reference).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar, cast, get_args

from parascrape.errors import UsageError
from parascrape.system import available_cpus, parse_duration

VERSION = "0.1.0"
USER_AGENT = f"parascrape/{VERSION} (+https://pypi.org/project/parascrape/)"

Mode = Literal["auto", "sequential", "thread", "process"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option:
    """How a setting is written on the command line and in a job file, and which values it may have."""

    default: Any
    """The value without the option; a switch (a bool) gives its opposite."""
    usage: str = ""
    """Flags and the name of the value, such as ``--limit -n N``; a positional argument has no flags."""
    help: str = ""
    panel: str = ""
    """Its heading in the help."""
    bounds: tuple[float, float] | None = None  # the least and the greatest value
    type: Any = None
    """The type that a user writes if it is not the default's: ``str`` for a duration such as ``6h``."""
    unit: int = 1
    """The factor from the number that a user writes to the value."""
    separator: str = ""
    """Separates the name and the value of a repeatable option."""
    secret: bool = False
    hidden: bool = False
    """Left out of the help: only the program itself uses it."""
    in_jobs: bool = True
    """Whether a job file may set it."""
    compared: bool = True
    """Whether a comparison passes it on to the harvests that it measures."""

    @property
    def flags(self) -> list[str]:
        """All its names, such as ``--limit`` and ``-n``."""
        return [word for word in self.usage.split() if word.startswith("-")]

    @property
    def metavar(self) -> str:
        """The name of its value in the help; empty for a switch."""
        return " ".join(word for word in self.usage.split() if not word.startswith("-"))

    @property
    def flag(self) -> str:
        """The long name, such as ``--per-host``."""
        return max(self.flags, key=len)

    @property
    def job_key(self) -> str:
        """Its key in a job file; empty if a job file may not hold it."""
        fits = self.flags and self.in_jobs and not self.hidden
        return self.flag.removeprefix("--").replace("-", "_") if fits else ""

    @property
    def kind(self) -> Any:
        """The type of what a user writes; ``list`` where the option is repeatable."""
        if self.type is not None:
            return self.type
        return list if isinstance(self.default, tuple | Mapping) else type(self.default)

    @property
    def shown_help(self) -> str:
        """The help text with the default in it."""
        return self.help.replace("{default}", _shown(self.default))

    def read(self, given: Any) -> Any:
        """Return the value of what the user wrote; None stands for the default. Raises UsageError."""
        if isinstance(self.default, bool):
            return given is not self.default
        if isinstance(self.default, Mapping):
            return _parse_pairs(self.flag, given or (), self.separator)
        if given is None:
            return self.default
        if self.kind is list:
            return tuple(given)
        if isinstance(self.default, float) and self.kind is str:
            return _parse_seconds(self.flag, given)
        return given * self.unit if self.unit > 1 else given

    def write(self, value: Any) -> list[str]:
        """Return the arguments that give the option this value; none for the default.

        >>> Option(4, "--per-host N").write(2)
        ['--per-host=2']
        """
        if value == self.default:
            return []
        if isinstance(value, bool):
            return [self.flag]
        if isinstance(value, Mapping):
            return [f"{self.flag}={name}{self.separator}{text}" for name, text in value.items()]
        if isinstance(value, tuple):
            return [f"{self.flag}={one}" for one in value]
        return [f"{self.flag}={_shown(value // self.unit if self.unit > 1 else value)}"]

    def mask(self, value: Any) -> Any:
        """Return the value, or three dots for a secret; of pairs only the values are secret."""
        if not (self.secret and value):
            return value
        return dict.fromkeys(value, "...") if isinstance(value, Mapping) else "..."

    def check(self, name: str, value: float) -> None:
        """Raise UsageError for a value that is out of bounds; the message begins with the name."""
        if self.bounds is None or self.bounds[0] <= value <= self.bounds[1]:
            return
        low, high = map(_shown, self.bounds)
        beyond = f"less than {low}" if high == "inf" else f"not between {low} and {high}"
        raise UsageError(f"{name}: {_shown(value)} is {beyond}")


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parse_seconds(flag: str, text: str) -> float:
    try:
        return parse_duration(text).total_seconds() if text else 0.0
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None


def _parse_pairs(flag: str, pairs: Sequence[str], separator: str) -> dict[str, str]:
    """Return texts such as ``NAME: VALUE`` as a dict. Raises UsageError."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition(separator.strip())
        name, value = name.strip(), value.strip()
        if not sign or not name or not (name + value).isprintable() or " " in name:
            raise UsageError(f"{flag} {pair!r}: write NAME{separator}VALUE")
        try:
            (name + value).encode("latin-1")
        except UnicodeEncodeError:
            raise UsageError(f"{flag} {name}: a header carries Latin-1 characters only") from None
        found[name] = value
    return found


def _option(default: T, *declared: Any, **more: Any) -> T:
    """Return a field with this default and with an `Option` of these arguments."""
    metadata = {"option": Option(default, *declared, **more)}
    if isinstance(default, Mapping):
        return cast(T, field(default_factory=dict, metadata=metadata))
    return field(default=default, metadata=metadata)


_HOW, _EXTRACT, _POLITE, _FETCH, _OUTPUT = "How", "What to extract", "Politeness", "Fetching", "Output"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How URLs are fetched and scraped, in how many workers. Times are seconds, sizes bytes.

    Raises:
        UsageError: a value is out of its range; the message names the field.
    """

    mode: Mode = _option(  # noqa: RUF009 (it returns a field)
        "auto",
        "--mode -m MODE",
        "auto, sequential, thread or process [auto].",
        _HOW,
        type=Mode,
        compared=False,
    )
    """``auto`` starts in threads and changes to processes during the run if that is faster
    (`parascrape.harvesting.auto_mode`); a scraper then keeps no state between pages."""
    processes: int = _option(
        0, "--processes -p N", "Worker processes [the CPUs it may use].", _HOW, (0, 1024), compared=False
    )
    """0 means the number of CPUs that this process may use."""
    threads: int = _option(
        0, "--threads -t N", "Threads per process [32; in process mode 8].", _HOW, (0, 1024), compared=False
    )
    """0 means 32 in thread mode and 8 in each process."""
    worker_bytes: int = _option(
        0, "--worker-memory MB", "Replace a process of this size [auto].", _HOW, (0, 1 << 50), unit=1_000_000
    )
    """A worker process that has grown to this size is replaced; 0 means its share of 70 % of the memory."""
    scraper: str | Callable[..., Any] = _option(  # noqa: RUF009 (it returns a field)
        "",
        "--scraper -s NAME",
        "article, page, links, metadata, FILE.py:FUNC or MODULE:FUNC [article].",
        _EXTRACT,
    )
    """Empty means ``article``, or only the selections where there are some."""
    select: tuple[str, ...] = _option(
        (),
        "--select NAME=CSS",
        "First match's text; NAME[]=CSS all; CSS::attr(href).",
        _EXTRACT,
        separator="=",
    )
    per_host: int = _option(
        4, "--per-host N", "Fetches at once from a host, 0 any number [{default}].", _POLITE, (0, 10_000)
    )
    """Without a limit, a delay and robots.txt, hosts are not tracked at all."""
    delay: float = _option(
        0.0, "--delay SECONDS", "Between the starts of a host's fetches [{default} s].", _POLITE, (0, 86_400)
    )
    per_domain: bool = _option(
        False, "--per-domain", "Apply both to registrable domains [to hosts].", _POLITE
    )
    robots: bool = _option(True, "--ignore-robots", "Fetch what robots.txt forbids [obeyed].", _POLITE)
    fetch_duplicates: bool = _option(
        False, "--fetch-duplicates", "Fetch a URL as often as it is listed [once].", _POLITE
    )
    drop_tracking: bool = _option(
        False, "--ignore-tracking", "Treat URLs as equal if only utm_... etc. differ.", _POLITE
    )
    """By the list of tracking parameters in `parascrape.web.canonical`."""
    sort_query: bool = _option(
        False, "--ignore-query-order", "Treat URLs as equal if only the order differs.", _POLITE
    )
    timeout: float = _option(
        30.0, "--timeout SECONDS", "Total time for a URL [{default} s].", _FETCH, (0.001, 86_400)
    )
    max_bytes: int = _option(
        20_000_000, "--max-bytes BYTES", "Largest body, sent or inflated [{default} B].", _FETCH, (1, 1 << 31)
    )
    max_redirects: int = _option(10, bounds=(0, 100))
    retries: int = _option(
        2, "--retries N", "Retries of a failed fetch, if safe [{default}].", _FETCH, (0, 100)
    )
    backoff: float = _option(0.5, bounds=(0, 3600))
    """The pause before the first retry; it doubles with each."""
    max_backoff: float = _option(120.0, bounds=(0, 86_400))
    """The longest pause. If Retry-After asks for a longer one, the URL is not retried in this run."""
    headers: Mapping[str, str] = _option(
        {},
        "--header -H NAME:VALUE",
        "Added to each request. Repeatable.",
        _FETCH,
        separator=": ",
        secret=True,
    )
    cookies: Mapping[str, str] = _option(
        {}, "--cookie -b NAME=VALUE", "Added to each request. Repeatable.", _FETCH, separator="=", secret=True
    )
    user_agent: str = _option(USER_AGENT, "--user-agent -A TEXT", f"[parascrape/{VERSION} ...].", _FETCH)
    proxy: str = _option("", "--proxy URL", "For http and https [none].", _FETCH, secret=True)
    verify_tls: bool = _option(True, "--insecure", "Do not verify certificates [verified].", _FETCH)
    allow_private: bool = _option(
        False, "--allow-private", "Public URLs may lead to private addresses [refused].", _FETCH
    )
    """Public URLs may lead to private addresses (`parascrape.web.addresses`)."""
    previous: str = _option(
        "",
        "--previous FILE",
        "Earlier output; unchanged pages keep their records.",
        _OUTPUT,
        in_jobs=False,
        compared=False,
    )
    """An earlier output: pages that have not changed keep their records (`parascrape.files.previous`)."""
    max_age: float = _option(
        0.0,
        "--max-age AGE",
        "Keep records younger than 6h, 2d, ... [fetch all].",
        _OUTPUT,
        (0, 1e10),
        type=str,
        compared=False,
    )
    """Pages fetched at most this many seconds ago are taken from ``previous``."""
    ordered: bool = _option(
        False, "--ordered", "Records in the list's order [as finished].", _OUTPUT, compared=False
    )

    def __post_init__(self) -> None:
        for name, option in SETTINGS_OPTIONS.items():
            option.check(name, getattr(self, name))
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

    @property
    def process_count(self) -> int:
        """Processes to start: 0 unless the mode is process; auto may start some later."""
        return (self.processes or available_cpus()) if self.mode == "process" else 0

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


SETTINGS_OPTIONS: Mapping[str, Option] = {one.name: one.metadata["option"] for one in fields(Settings)}
"""The option of each field of `Settings`; some have no flags."""


def command_options(settings: Settings, *, masked: bool = False) -> list[str]:
    """Return the command's options for these settings, without those that a strategy sets: mode and workers.

    ``masked`` hides secrets.
    """
    found = []
    for name, option in SETTINGS_OPTIONS.items():
        if option.compared:
            value = getattr(settings, name)
            found += option.write(option.mask(value) if masked else value)
    return found
