"""The link graph of a crawl, as a file: CSV (RFC 4180) or GraphML, by its ending.

Two spellings of one URL are one page, written as the crawl has fetched it; the ids of GraphML's nodes are
hashes of URLs, the same in every run. Pages and links are read one after the other; which nodes are
written is kept in a table on the disk where there are many.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple
from xml.sax.saxutils import escape

from parascrape.crawling.links.url_patterns import identity_of
from parascrape.crawling.store.edges import Edge, read_edges
from parascrape.crawling.store.url_store import UrlStore, url_key
from parascrape.errors import UsageError
from parascrape.files import read_pages
from parascrape.system import ScratchTables, check_writable, output_errors, printable, replace_file
from parascrape.web import CanonicalOptions, redact

__all__ = [
    "COLUMNS",
    "Link",
    "Node",
    "cell",
    "check_graph",
    "each_link",
    "each_node",
    "key_of",
    "plain",
    "write_graph",
]

COLUMNS = ("source", "target", "kind", "nofollow", "in_scope", "text")
"""The header of the CSV."""

_RECENT = 100_000  # URLs whose page need not be looked up again, 40 MB: a site's pages repeat their links


class Node(NamedTuple):
    """A page that was fetched: its URL, and the status and code of its outcome."""

    url: str
    status: int = 0
    code: str = ""


class Link(NamedTuple):
    """One link; source and target are (key, URL)."""

    source: tuple[int, str]
    target: tuple[int, str]
    edge: Edge


def check_graph(path: str) -> None:
    """Nothing, where the link graph can be written there. Raises UsageError."""
    if Path(path).suffix.lower() not in (".csv", ".graphml"):
        raise UsageError(f"--graph {printable(path, 200)!r}: write a name that ends in .csv or .graphml")
    check_writable("--graph", Path(path))


def write_graph(path: Path, store: UrlStore, identity: CanonicalOptions, output: Path | None = None) -> int:
    """How many links were written: all that the store knows of, and the pages of the output.

    Raises:
        OutputError: the disk is full or failed; an earlier file is there still.
    """
    with output_errors(path), replace_file(path, text=True) as file:
        links = each_link(store, identity)
        if path.suffix.lower() == ".csv":
            return _write_csv(file, links)
        nodes = ((key_of(node.url, identity), node) for node in each_node(store, output))
        return _write_graphml(file, nodes, links)


def key_of(url: str, identity: CanonicalOptions) -> int:
    """What all spellings of a URL have in common (`store.url_key`)."""
    return url_key(identity_of(url, identity))


def each_link(store: UrlStore, identity: CanonicalOptions) -> Iterator[Link]:
    """Every link of every page, each of a kind once from one page to another; without user names."""

    @lru_cache(_RECENT)
    def find(url: str) -> tuple[int, str]:
        key = key_of(url, identity)
        return key, redact(store.url_of(key) or url)

    for page, lines in store.each_edges():
        source = find(page)
        drawn: set[tuple[int, str]] = set()
        for edge in read_edges(lines):
            target = find(edge.url)
            if (target[0], edge.kind) not in drawn:
                drawn.add((target[0], edge.kind))
                yield Link(source, target, edge)


def each_node(store: UrlStore, output: Path | None) -> Iterator[Node]:
    """The pages that were fetched: of the output with their status; without one those that are done."""
    if output is None or not output.exists():
        yield from (Node(redact(url)) for _, url in store.each_done())
        return
    for page in read_pages(output):
        yield Node(page.record["url"], page.record["meta"].get("status", 0), page.code)


def _write_csv(file: IO[str], links: Iterable[Link]) -> int:
    rows = csv.writer(file, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    count = 0
    for count, (source, target, edge) in enumerate(links, 1):  # noqa: B007 (the last)
        flags = (_WORDS[edge.nofollow], _WORDS[edge.in_scope])
        rows.writerow((cell(source[1]), cell(target[1]), edge.kind, *flags, cell(plain(edge.text))))
    return count


_WORDS = ("false", "true")
_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns \
http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">
<key id="url" for="node" attr.name="url" attr.type="string"/>
<key id="status" for="node" attr.name="status" attr.type="int"/>
<key id="code" for="node" attr.name="code" attr.type="string"/>
<key id="kind" for="edge" attr.name="kind" attr.type="string"/>
<key id="nofollow" for="edge" attr.name="nofollow" attr.type="boolean"/>
<key id="in_scope" for="edge" attr.name="in_scope" attr.type="boolean"/>
<key id="text" for="edge" attr.name="text" attr.type="string"/>
<graph id="crawl" edgedefault="directed">
"""
_TAIL = "</graph>\n</graphml>\n"


def _write_graphml(file: IO[str], fetched: Iterable[tuple[int, Node]], links: Iterable[Link]) -> int:
    file.write(_HEAD)
    count = 0
    with ScratchTables("CREATE TABLE nodes (key INTEGER PRIMARY KEY)") as scratch:
        nodes = _Nodes(file, scratch)
        for key, node in fetched:
            nodes.write(key, node)
        for count, (source, target, edge) in enumerate(links, 1):  # noqa: B007
            for key, url in (source, target):
                nodes.write(key, Node(url))
            file.write(_edge(source[0], target[0], edge))
    file.write(_TAIL)
    return count


class _Nodes:
    """The nodes of a file, each written once; the keys of those met lately are in memory too."""

    def __init__(self, file: IO[str], scratch: ScratchTables) -> None:
        self._file = file
        self._scratch = scratch
        self._recent: set[int] = set()

    def write(self, key: int, node: Node) -> None:
        """Write the node if it is not there."""
        if key in self._recent:
            return
        if len(self._recent) >= _RECENT:
            self._recent.clear()
        self._recent.add(key)
        if self._scratch.run("INSERT OR IGNORE INTO nodes VALUES (?)", (key,)):
            values = (("url", node.url), ("status", str(node.status or "")), ("code", node.code))
            self._file.write(f'<node id="{_id(key)}">{_data(values)}</node>\n')


def _edge(source: int, target: int, edge: Edge) -> str:
    flags = (("nofollow", _WORDS[edge.nofollow]), ("in_scope", _WORDS[edge.in_scope]))
    data = _data((("kind", edge.kind), *flags, ("text", edge.text)))
    return f'<edge source="{_id(source)}" target="{_id(target)}">{data}</edge>\n'


def _id(key: int) -> str:
    return f"n{key & (1 << 64) - 1:016x}"


def _data(values: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<data key="{key}">{escape(plain(value))}</data>' for key, value in values if value)


_FORMULA = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def cell(text: str) -> str:
    """The text as a CSV cell that no spreadsheet takes for a formula: an apostrophe before what may be one.

    >>> cell("=HYPERLINK(1)"), cell("http://h/")
    ("'=HYPERLINK(1)", 'http://h/')
    """
    return f"'{text}" if text[:1] in _FORMULA else text


def plain(text: str) -> str:
    """The text with U+FFFD for the characters that XML 1.0 §2.2 has no place for.

    >>> plain("a\\x00b\\udc80")
    'a\ufffdb\ufffd'
    """
    return _NO_XML.sub("\ufffd", text)
