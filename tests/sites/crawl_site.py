"""A loopback site made for a crawl: what each path answers, and how often each was asked for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parascrape.cli import run
from tests.helpers.command import read_records
from tests.sites.site import Route, Site, Visitor

__all__ = ["Answer", "CrawlSite", "by_path", "crawl", "number_of", "page", "to", "tree"]


@dataclass(frozen=True)
class Answer:
    """What a path answers; ``seconds`` is how long it takes.

    One that sets a cookie is answered by its body alone to who has the cookie, as consent pages are.
    """

    body: bytes = b""
    status: str = "200 OK"
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


Pages = Mapping[str, Answer] | Callable[[str], Answer | None]


def page(*links: str, title: str = "", head: str = "", seconds: float = 0.0, **headers: str) -> Answer:
    """A page that links to these; ``head`` stands in its head, ``x_y="..."`` among the answer's headers."""
    body = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    text = (
        f"<!doctype html><html><head><title>{title}</title>{head}</head><body><ul>{body}</ul></body></html>"
    )
    return Answer(text.encode(), headers=headers, seconds=seconds)


def to(where: str, status: str = "302 Found", **headers: str) -> Answer:
    """A redirect."""
    return Answer(status=status, headers={"location": where, **headers})


class CrawlSite(Site):
    """Serves ``pages`` by their path and query; ``asked`` counts the requests for each.

    Where a path is in ``gates``, its answer waits until that event is set.
    """

    def __init__(self, pages: Pages, host: str = "127.0.0.1") -> None:
        super().__init__(host)
        self.pages = pages
        self.asked: Counter[str] = Counter()
        self.gates: dict[str, threading.Event] = {}
        self._counting = threading.Lock()

    def route(self, name: str) -> Route:
        """Every path is answered by what `pages` says."""
        return self._answer

    def _answer(self, visitor: Visitor) -> None:
        target = visitor.target
        with self._counting:
            self.asked[target] += 1
        if gate := self.gates.get(target):
            gate.wait(20)
        found = self.pages.get(target) if isinstance(self.pages, Mapping) else self.pages(target)
        if found is None:
            visitor.answer(b"no such page", "404 Not Found")
            return
        if found.seconds:
            visitor.stall(found.seconds)
        if found.headers.get("set_cookie", "?") in visitor.headers.get("cookie", ""):
            visitor.answer(found.body)
        else:
            visitor.answer(found.body, found.status, **found.headers)

    @property
    def fetched(self) -> Counter[str]:
        """The requests for pages: all but those for robots.txt."""
        return Counter({path: count for path, count in self.asked.items() if path != "/robots.txt"})


def number_of(path: str) -> int | None:
    """The number in ``/17``; None for any other path."""
    text = path.removeprefix("/")
    return int(text) if text.isdecimal() else None


def tree(count: int, width: int = 3, *extra: str) -> Callable[[str], Answer | None]:
    """Pages ``/0`` to ``/count - 1``, each with links to ``width`` below it, its parent and a cousin."""

    def answer(path: str) -> Answer | None:
        number = number_of(path)
        if number is None or number >= count:
            return None
        below = range(width * number + 1, min(width * number + width + 1, count))
        others = [max(0, (number - 1) // width), number * 7 % count]
        return page(*(f"/{one}" for one in [*below, *others]), *extra, title=f"page {number}")

    return answer


OPTIONS = ("--per-host", "0", "--ignore-robots", "--retries", "0", "--quiet", "--select", "title=title")
"""A crawl without manners, which says nothing."""


def crawl(
    output: Path, starts: Sequence[str], *options: object, mode: str = "thread", rude: bool = True
) -> tuple[int, list[dict[str, Any]]]:
    """The exit status of a crawl in this process, and the records of its output."""
    workers = ("--mode", mode, "--processes", "2" if mode == "process" else "0", "--threads", "4")
    arguments = ["crawl", *starts, "-o", output, *workers, *(OPTIONS if rude else ()), *options]
    status = run([str(one) for one in arguments])
    return status, read_records(output) if output.exists() else []


def by_path(site: Site, records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the records by the path of their URL, each once; those of other sites by the whole URL."""
    found = {one["url"].removeprefix(site.url): one for one in records}
    assert len(found) == len(records)
    return found
