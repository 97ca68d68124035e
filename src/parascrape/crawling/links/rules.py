"""Which URLs belong to a crawl (`Scope`), and which links of its pages are followed (`LinkRules`)."""

from __future__ import annotations

import fnmatch
import inspect
import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from parascrape.errors import ScrapeError, TaskError, UsageError
from parascrape.executors import describe
from parascrape.scrapers import load, parse_selection
from parascrape.system import printable
from parascrape.web import AS_SENT, CanonicalOptions, Page, domain_of, site_of

REACHES = ("host", "domain", "any")  # the start URLs' hosts, their registrable domains, or anywhere

_ENDINGS = """
    ai avif bmp cur drw dxf eps gif heic heif icns ico jfif jp2 jpe jpeg jpg jxl pbm pct pgm png pnm ppm ps
    psd raw svg svgz tga tif tiff webp wmf xcf
    3g2 3gp aac ac3 aif aiff amr ape asf asx au avi divx f4v flac flv m2ts m3u m3u8 m4a m4p m4v mid midi mka
    mkv mov mp2 mp3 mp4 mpa mpeg mpg oga ogg ogm ogv opus qt ra ram rm rmvb swf ts vob wav weba webm wma wmv
    7z ace ar arj bz2 cab cpio deb dmg gz img iso jar lha lz lz4 lzh lzma rar rpm sit sitx tar tbz tbz2 tgz
    txz war whl xz z zip zst
    apk appimage bat bin cmd dll dylib exe ipa msi msix msu o pkg so sys wasm xpi
    css eot js less map mjs otf scss ttc ttf woff woff2
    azw azw3 djvu doc docm docx dot dotx epub key mobi numbers odb odf odg odm odp ods odt ott pages pdf pot
    potx pps ppsx ppt pptm pptx pub rtf vsd vsdx wpd wps xls xlsb xlsm xlsx xlt xltx
    bak blend dat db ics mdb parquet pickle pkl ply sqlite stl swp tmp torrent vcf
"""  # of pictures, media, archives, programs, parts of pages, documents, data
NOT_PAGES = frozenset(_ENDINGS.split())
"""Endings of paths, in lower case, of files without links or text.

Left out, because they are often pages: asp, cgi, do, htm, json, jsp, md, php, pl, txt, xml.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which URLs belong to a crawl: plain values, the same in every process.

    ``hosts`` come from `hosts_of` for the ``reach``. ``include`` and ``exclude`` hold patterns: a glob for
    the whole URL (``*`` any characters, ``?`` one), or, if it begins with ``/``, for path and query, or
    ``re:`` with a regular expression to search in the URL. If there are any, one of ``include`` must match;
    none of ``exclude`` may. ``suffixes`` are endings of paths in lower case that are left out.

    Raises:
        UsageError: an unknown reach, or a wrong pattern.
    """

    reach: str = "host"
    hosts: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    suffixes: frozenset[str] = NOT_PAGES

    def __post_init__(self) -> None:
        if self.reach not in REACHES:
            raise UsageError(f"reach: {printable(self.reach, 60)!r} is none of {', '.join(REACHES)}")
        for option, patterns in (("--include", self.include), ("--exclude", self.exclude)):
            for pattern in patterns:
                _check(option, pattern)

    def why_not(self, url: str, page_site: str = "") -> str:
        """Return why a prepared URL is out of scope: host, suffix, include, exclude, or an empty string.

        ``page_site`` is the site (`site_of`) of the linking page: URLs of its own host, or domain, are in
        reach too. 1 us without patterns, 0.5 to 1 us more for each.
        """
        if self.reach != "any" and self._is_out_of_reach(site_of(url), page_site):
            return "host"
        if self.suffixes and _ending(url) in self.suffixes:
            return "suffix"
        if self.include and not _matches(self.include, url):
            return "include"
        return "exclude" if self.exclude and _matches(self.exclude, url) else ""

    def _is_out_of_reach(self, site: str, page_site: str) -> bool:
        if site == page_site:
            return False
        if self.reach == "host":
            return site not in self.hosts
        domain = domain_of(site)
        return domain not in self.hosts and not (page_site and domain == domain_of(page_site))


def hosts_of(urls: Iterable[str], reach: str = "host") -> tuple[str, ...]:
    """Return the ``hosts`` of a `Scope` for these prepared start URLs: sorted, each once.

    >>> hosts_of(["http://b.example.org/", "https://a.example.org/x"], "domain")
    ('example.org',)
    """
    sites = {site_of(url) for url in urls}
    return tuple(sorted(set(map(domain_of, sites)) if reach == "domain" else sites))


def _ending(url: str) -> str:
    """Return what follows the last dot of the path's last segment, in lower case."""
    path = url.partition("?")[0]
    name = path[path.rfind("/") + 1 :]  # a prepared URL has a slash behind its host
    return name.rpartition(".")[2].lower() if "." in name else ""


def _matches(patterns: tuple[str, ...], url: str) -> bool:
    """Return whether one of the patterns matches the URL."""
    for pattern, on_path in _compile_all(patterns):
        if pattern.search(url[url.index("/", 8) :] if on_path else url):
            return True
    return False


@lru_cache(64)
def _compile_all(patterns: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], bool], ...]:
    return tuple((_compile(pattern), pattern.startswith("/")) for pattern in patterns)


def _compile(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern. Raises what `re.compile` raises."""
    if pattern.startswith("re:"):
        return re.compile(pattern[3:])
    # fnmatch makes each "*" atomic, so a URL is walked once for a star.
    return re.compile(r"\A" + fnmatch.translate(pattern.replace("[", "[[]")))


def _check(option: str, pattern: str) -> None:
    """Raise UsageError, in one line with the option's name, if the pattern cannot match."""
    shown = f"{option} {printable(pattern, 100)!r}"
    if not pattern.removeprefix("re:"):
        raise UsageError(f"{shown}: an empty pattern")
    try:
        _compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{shown}: no regular expression: {printable(str(error), 200)}") from None
    if pattern.startswith(("re:", "/")):
        return
    start = re.split(r"[*?]", pattern, maxsplit=1)[0]
    if not any(one.startswith(start) or start.startswith(one) for one in ("http://", "https://")):
        raise UsageError(f"{shown}: no URL begins so: write /{pattern}, *{pattern} or re:...")


Priority = Callable[[str, Page], float]
"""Rates a URL that was found on a page: the higher, the sooner it is fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRules:
    """Which links of a page are followed: plain values, the same in every process.

    ``follow`` holds CSS selectors: only links in or at matching elements count; empty: all. ``nofollow``:
    links that ask robots not to follow them are not followed. ``edges``: the link graph is wanted.
    ``priority`` is a function ``(url, page) -> float`` or its reference; empty: breadth-first.

    Raises:
        UsageError: a wrong selector.
    """

    scope: Scope = field(default_factory=Scope)
    follow: tuple[str, ...] = ()
    nofollow: bool = True
    identity: CanonicalOptions = AS_SENT
    edges: bool = False
    priority: str | Priority = ""
    user_agent: str = ""

    def __post_init__(self) -> None:
        for selector in self.follow:
            with suppress(UsageError):
                if parse_selection(f"follow={selector}").selector == selector.strip():
                    continue
            raise UsageError(
                f"--follow {printable(selector, 100)!r}: no CSS selector of elements, "
                "or one with a quote or bracket that is not closed"
            )


def priority_of(rules: LinkRules) -> Priority | None:
    """Return the function that rates links, None without one.

    Raises:
        UsageError: it cannot be loaded, or not be called with a URL and a page.
    """
    if not rules.priority:
        return None
    function: str | Priority = rules.priority
    try:
        if isinstance(function, str):
            function = load(function)
        inspect.signature(function).bind("", None)
    except UsageError as error:
        why = str(error).removeprefix("scraper").lstrip(": ")
        raise UsageError(f"--priority: {why}") from error.__cause__
    except (TypeError, ValueError):
        name = printable(getattr(function, "__qualname__", repr(function)), 100)
        raise UsageError(f"--priority: {name} cannot be called with two arguments, URL and Page") from None
    return function


def ranks_of(priority: Priority, found: Iterable[str], page: Page) -> tuple[float, ...]:
    """Return the rank of each URL: the negative of its priority, so the lowest is fetched first.

    Raises:
        ScrapeError: the function raised an exception (the cause holds its stack), or returned no number.
    """
    try:
        return tuple(-_number(priority(url, page)) for url in found)
    except ScrapeError:
        raise
    except BaseException as error:  # even sys.exit() fails the page only, not the run
        failure = describe(error, skip=2)
        raise ScrapeError(f"--priority: {failure[1]}: {failure[0]}") from TaskError(*failure)


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or math.isnan(value):
        raise ScrapeError(f"--priority: gave {printable(repr(value), 60)}, not a number")
    return float(value)
