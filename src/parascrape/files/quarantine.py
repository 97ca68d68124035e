"""The quarantine: it keeps a page that killed or hung its worker, with the command that scrapes it again.

    OUTPUT.aside/3f2a….http    one HTTP response message (RFC 9112 §6): status line, fields, body

A page is stored before its scraper runs and removed when the scraper returns. The body is stored without its
content coding; the header fields about the coded body are kept as ``X-Crawler-Content-Encoding`` and so on,
as in Common Crawl's archives. Cookies are left out.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from http.client import responses
from pathlib import Path
from typing import Any, NamedTuple

from parascrape.errors import UsageError
from parascrape.records import Entry, ErrorInfo
from parascrape.settings import Settings
from parascrape.system import printable, remove_leftovers, replace_file
from parascrape.web import Page, prepare, redact

MAX_FILES = 100
MAX_BYTES = 200_000_000
"""Limits of a folder: beyond them no page is kept, and its record says so. The bytes limit one page too."""

StashedPages = dict[Path, Page]
"""The pages that threads of this process are scraping, by the file that each would be kept in."""


class Quarantine(NamedTuple):
    """Where pages are kept: their folder (empty: nowhere), and those that this process scrapes just now.

    Without ``pages`` no thread shares memory with the scraper, so a page is written before it is scraped.
    """

    folder: str = ""
    pages: StashedPages | None = None


NO_QUARANTINE = Quarantine()

log = logging.getLogger("parascrape.harvesting.worker")

_URL, _FINAL_URL, _AS_SENT = "X-Crawler-Url", "X-Crawler-Final-Url", "X-Crawler-"
_CODED = frozenset(("content-encoding", "content-length", "transfer-encoding"))
_SECRET = frozenset(("set-cookie", "set-cookie2", "authorization", "proxy-authorization", "cookie"))
_UNBREAKING = bytes.maketrans(b"\r\n\0", b"   ")  # RFC 9110 §5.5
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")  # RFC 9110 §5.6.2


def folder_of(output: str) -> str:
    """Return the quarantine folder of an output, beside it; empty if the output is not a file.

    >>> folder_of("output/urls.jsonl")
    'output/urls.aside'
    """
    if output == "-" or (os.path.exists(output) and not os.path.isfile(output)):
        return ""
    return f"{output.removesuffix('.jsonl')}.aside"


def quarantine_path(folder: str, entry: Entry) -> Path:
    """Return the file of an entry's page, named by a hash of its URL and place: no two entries share it."""
    place = f"{redact(entry.url)}\n{entry.source}\n{entry.line}"
    digest = hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()
    return Path(folder, f"{digest[:24]}.http")


def keep_page(page: Page, path: Path, max_bytes: int = MAX_BYTES) -> None:
    """Write the page to its file atomically, readable by its owner only.

    If the folder is full or cannot be written, log a warning and keep nothing.
    """
    data = encode_page(page)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        reason = _why_full(path.parent) or ("it is too large" if len(data) > max_bytes else "")
        if reason:
            log.warning("a page was not set aside: %s", reason)
            return
        with replace_file(path, mode=0o600, sync=False) as file:
            file.write(data)
    except OSError as error:
        log.warning("a page was not set aside: %s", error)


def stash(path: Path | None, page: Page, pages: StashedPages | None) -> None:
    """Keep the page while its scraper runs: in ``pages``, or in its file if no memory is shared."""
    if path is not None and pages is not None:
        pages[path] = page
    elif path is not None:
        keep_page(page, path)


def discard(path: Path | None, pages: StashedPages | None) -> None:
    """Undo `stash` when the scraper returns. A file that another thread has kept stays."""
    if path is not None and pages is not None:
        pages.pop(path, None)
    elif path is not None:
        _remove(path)


def keep(path: Path, pages: StashedPages) -> None:
    """Write the page that is in ``pages`` to its file; without one, remove the file of an earlier run."""
    page = pages.pop(path, None)
    if page is None:
        _remove(path)
    else:
        keep_page(page, path)


def _remove(path: Path) -> None:
    """Remove a file, or the leftovers of a killed writer."""
    with suppress(OSError):  # the folder's rights were changed
        try:
            path.unlink()
        except FileNotFoundError:  # perhaps its writer was killed
            remove_leftovers(path)


def _why_full(folder: Path) -> str:
    """Return why the folder is full; empty if it is not."""
    sizes = []
    with suppress(OSError), os.scandir(folder) as files:
        sizes = [file.stat().st_size for file in files]
    if len(sizes) >= MAX_FILES or sum(sizes) >= MAX_BYTES:
        return f"{folder} is full: {len(sizes)} files, {sum(sizes)} bytes"
    return ""


def encode_page(page: Page) -> bytes:
    """Return the page as one HTTP response message. Its URLs are UTF-8: lists may hold any text."""
    reason = responses.get(page.status, "")
    urls = ((_URL, page.url), (_FINAL_URL, page.final_url))
    lines = [f"HTTP/1.1 {page.status:03} {reason}".encode("ascii")]
    lines += [_line(name, url.encode("utf-8", "backslashreplace")) for name, url in urls]
    lines += [_line(name, value.encode("latin-1", "backslashreplace")) for name, value in _fields(page)]
    lines.append(_line("Content-Length", b"%d" % len(page.body)))
    return b"\r\n".join([*lines, b"", page.body])


def _line(name: str, value: bytes) -> bytes:
    return name.encode("ascii") + b": " + value.translate(_UNBREAKING)


def _fields(page: Page) -> Iterator[tuple[str, str]]:
    """Yield the header fields to keep, without secrets; those about the coded body get another name."""
    for name, value in page.headers.items():
        lower = name.lower()
        if lower in _SECRET or lower.startswith(_AS_SENT.lower()) or not _TOKEN.issuperset(lower):
            continue
        yield (f"{_AS_SENT}{name}" if lower in _CODED else name), redact(value)


def read_page(path: Path) -> Page:
    """Return the page of a file that `keep_page` has written, with the header fields that the server sent.

    Raises:
        UsageError: there is no such file, or it is something else.
    """
    shown = printable(str(path))
    try:
        if not path.is_file():
            raise UsageError(f"{shown}: is not a file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{shown}: {error.strerror}") from None
    try:
        return decode_page(data)
    except (KeyError, ValueError):
        raise UsageError(f"{shown}: is not a page that a harvest has set aside") from None


def decode_page(data: bytes) -> Page:
    """Return the page of a message. Raises KeyError or ValueError for a foreign or incomplete message."""
    head, _, body = data.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, status, _ = status_line.split(" ", 2)
    fields = dict(line.split(": ", 1) for line in lines)
    url, final_url = (fields.pop(name).encode("latin-1").decode("utf-8") for name in (_URL, _FINAL_URL))
    if version != "HTTP/1.1" or int(fields.pop("Content-Length")) != len(body):
        raise ValueError("not a whole message of ours")
    headers = {name.removeprefix(_AS_SENT): value for name, value in fields.items()}
    return Page(url, body, final_url=final_url, status=int(status), headers=headers)


def describe_quarantined(entry: Entry, settings: Settings, folder: str = "") -> ErrorInfo:
    """Return what a failed record says of its page: ``aside`` (the file, or why none was kept), ``command``.

    The command runs the scraper on the file; without one, as when the fetch hung, it fetches the page again.
    There is none for a scraper without a name, or a path that cannot be shown.
    """
    info: ErrorInfo = {}
    path = quarantine_path(folder, entry) if folder else None
    words = ["scrape", redact(prepare(entry.url)), "--mode", "sequential", "--output", "-"]
    if path is not None and path.is_file():
        info["aside"] = str(path)
        words = ["scrape", "replay", f"./{path}" if str(path).startswith("-") else str(path)]
    elif path is not None and (reason := _why_full(path.parent)):
        info["aside"] = f"not kept: {reason}"
    scraper = _name_scraper(settings.scraper)
    words += ["--scraper", scraper] if scraper else []
    words += [word for text in settings.select for word in ("--select", text)]
    command = shlex.join(words)
    if scraper is not None and command.isprintable():
        info["command"] = command
    return info


def _name_scraper(scraper: Any) -> str | None:
    """Return the value of ``--scraper`` that finds it, "" for the default; None if it has no name."""
    if isinstance(scraper, str):
        return scraper
    module, name = getattr(scraper, "__module__", None), getattr(scraper, "__qualname__", "")
    if module == "__main__":
        module = getattr(sys.modules["__main__"], "__file__", None) or ""
        module = module if module.endswith(".py") else ""
    return f"{module}:{name}" if module and name.isidentifier() else None
