"""Scope: which URLs belong to a crawl, by their host, their text and the ending of their path. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from parascrape.errors import UsageError
from parascrape.system import printable
from parascrape.web import domain_of, site_of

__all__ = ["NOT_PAGES", "REACHES", "Scope", "hosts_of"]

REACHES = ("host", "domain", "any")
"""How far a crawl goes: the start URLs' hosts, their registrable domains, wherever links lead."""

_PICTURES = """
    ai avif bmp cur drw dxf eps gif heic heif icns ico jfif jp2 jpe jpeg jpg jxl pbm pct pgm png pnm ppm ps
    psd raw svg svgz tga tif tiff webp wmf xcf
"""
_MEDIA = """
    3g2 3gp aac ac3 aif aiff amr ape asf asx au avi divx f4v flac flv m2ts m3u m3u8 m4a m4p m4v mid midi mka
    mkv mov mp2 mp3 mp4 mpa mpeg mpg oga ogg ogm ogv opus qt ra ram rm rmvb swf ts vob wav weba webm wma wmv
"""
_ARCHIVES = """
    7z ace ar arj bz2 cab cpio deb dmg gz img iso jar lha lz lz4 lzh lzma rar rpm sit sitx tar tbz tbz2 tgz
    txz war whl xz z zip zst
"""
_PROGRAMS = """
    apk appimage bat bin cmd dll dylib exe ipa msi msix msu o pkg so sys wasm xpi
"""
_PARTS_OF_PAGES = """
    css eot js less map mjs otf scss ttc ttf woff woff2
"""
_DOCUMENTS = """
    azw azw3 djvu doc docm docx dot dotx epub key mobi numbers odb odf odg odm odp ods odt ott pages pdf pot
    potx pps ppsx ppt pptm pptx pub rtf vsd vsdx wpd wps xls xlsb xlsm xlsx xlt xltx
"""
_DATA = """
    bak blend dat db ics mdb parquet pickle pkl ply sqlite stl swp tmp torrent vcf
"""

NOT_PAGES = frozenset(
    "".join((_PICTURES, _MEDIA, _ARCHIVES, _PROGRAMS, _PARTS_OF_PAGES, _DOCUMENTS, _DATA)).split()
)
"""Endings of paths, in lower case, that name no pages: what is fetched of them has no links and no text.

Not in it, for they are pages as often as not: asp, cgi, do, htm, json, jsp, md, php, pl, txt, xml.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which URLs belong to a crawl: plain values, the same for every process that asks.

    ``hosts`` are those of the start URLs, as `hosts_of` gives them for the ``reach``. ``include`` and
    ``exclude`` hold patterns: a glob on the whole URL (``*`` any characters, ``?`` one), one that begins with
    ``/`` on its path and query, ``re:...`` a regular expression that is searched in the URL. Of ``include``
    one must match if there are any, of ``exclude`` none. ``suffixes`` are endings of paths, in lower case.

    Raises:
        UsageError: no such reach, or a pattern that is none.
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
        """Empty for a prepared URL in scope, else ``host``, ``suffix``, ``include`` or ``exclude``.

        ``page_site`` is the site (`domains.site_of`) of the page that links to it: what is as near to that
        page as the reach asks for is in reach. 1 us without patterns, 0.5 to 1 us more for each.
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
    """What a `Scope` of this reach has as ``hosts`` for these prepared start URLs: sorted, each once.

    >>> hosts_of(["http://b.example.org/", "https://a.example.org/x"], "domain")
    ('example.org',)
    """
    sites = {site_of(url) for url in urls}
    return tuple(sorted(set(map(domain_of, sites)) if reach == "domain" else sites))


def _ending(url: str) -> str:
    """What follows the last dot of the path's last segment, in lower case."""
    path = url.partition("?")[0]
    name = path[path.rfind("/") + 1 :]  # a prepared URL has a slash behind its host
    return name.rpartition(".")[2].lower() if "." in name else ""


def _matches(patterns: tuple[str, ...], url: str) -> bool:
    """Whether one of the patterns matches the URL."""
    for pattern, on_path in _compile_all(patterns):
        if pattern.search(url[url.index("/", 8) :] if on_path else url):
            return True
    return False


@lru_cache(64)
def _compile_all(patterns: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], bool], ...]:
    return tuple((_compile(pattern), pattern.startswith("/")) for pattern in patterns)


def _compile(pattern: str) -> re.Pattern[str]:
    """The regular expression that a pattern stands for. Raises what `re.compile` does."""
    if pattern.startswith("re:"):
        return re.compile(pattern[3:])
    # fnmatch makes each "*" atomic: a URL is walked once for a star, whatever it holds.
    return re.compile(r"\A" + fnmatch.translate(pattern.replace("[", "[[]")))


def _check(option: str, pattern: str) -> None:
    """Nothing, for a pattern that can match. Raises UsageError, in one line with the option's name."""
    shown = f"{option} {printable(pattern, 100)!r}"
    if not pattern.removeprefix("re:"):
        raise UsageError(f"{shown}: an empty pattern")
    try:
        _compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{shown}: no regular expression: {printable(str(error), 200)}") from None
    start = re.split(r"[*?]", pattern, maxsplit=1)[0]
    if pattern.startswith(("re:", "/")) or _begins_a_url(start):
        return
    raise UsageError(f"{shown}: no URL begins so: write /{pattern}, *{pattern} or re:...")


def _begins_a_url(start: str) -> bool:
    """Whether a URL may begin with this text."""
    return any(scheme.startswith(start) or start.startswith(scheme) for scheme in ("http://", "https://"))
