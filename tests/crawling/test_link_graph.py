"""The link graph of a crawl: whole, atomic, safe to open, and the same whatever happened on the way."""

from __future__ import annotations

import csv
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from parascrape.cli import run
from parascrape.crawling.admission import CrawlLimits
from parascrape.crawling.link_graph import COLUMNS, cell, read_edges, write_graph
from parascrape.crawling.links.rules import Scope
from parascrape.crawling.store.keys import NewUrl, url_key
from parascrape.crawling.store.url_store import UrlStore
from parascrape.errors import OutputError
from parascrape.system import output_errors, replace_file
from parascrape.web.canonical import AS_SENT
from tests.helpers.command import finish, start_scrape, until
from tests.sites.crawl_site import Answer, CrawlSite, crawl, page, to, tree

_PAGES = {
    "/": page("/a", "/a#part", "/old", "http://o.example/x", "/gone", title="Start"),
    "/a": Answer(
        b'<link rel="canonical" href="/"><a href="/b" rel="nofollow">no</a><a href="/">=1+1</a>'
        b'<a href="/q?a=1&amp;b=%22%3C">a\x01 "quoted", &lt;tag&gt;</a>'
    ),
    "/old": to("/b"),
    "/b": page(title="B"),
    "/q?a=1&b=%22%3C": page(title="Q"),
}


@pytest.fixture
def site() -> Iterator[CrawlSite]:
    """Six links' worth of oddities."""
    with CrawlSite(_PAGES) as served:
        yield served


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def edges_of(path: Path, site: str) -> Counter[tuple[str, ...]]:
    """Source, target, kind, nofollow and in_scope of each link, this site's URLs by their path."""
    return Counter(tuple(value.removeprefix(site) for value in row.values())[:5] for row in rows(path))


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_the_csv_has_every_link_once_and_no_cell_is_a_formula(
    site: CrawlSite, tmp_path: Path, mode: str
) -> None:
    """Redirects and canonical links too, links that are not followed, and those that lead elsewhere."""
    graph = tmp_path / "new" / "links.csv"
    status, _ = crawl(tmp_path / "o.jsonl", [site.url + "/"], "--graph", graph, mode=mode)
    assert status == 1  # /gone
    assert graph.read_bytes().startswith(",".join(COLUMNS).encode() + b"\r\n")
    assert edges_of(graph, site.url) == Counter(
        [
            ("/", "/a", "a", "false", "true"),
            ("/", "/old", "a", "false", "true"),
            ("/", "http://o.example/x", "a", "false", "false"),
            ("/", "/gone", "a", "false", "true"),
            ("/a", "/", "canonical", "false", "true"),
            ("/a", "/b", "a", "true", "true"),
            ("/a", "/", "a", "false", "true"),
            ("/a", "/q?a=1&b=%22%3C", "a", "false", "true"),
            ("/old", "/b", "redirect", "false", "true"),
        ]
    )
    texts = {row["text"] for row in rows(graph)}
    assert {"'=1+1", 'a\ufffd "quoted", <tag>'} <= texts
    assert os.listdir(graph.parent) == ["links.csv"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("links.txt", "the graph is written as CSV; name a .csv file"),
        ("links.graphml", "the graph is written as CSV; name a .csv file"),
        ("", "name a .csv file"),
        ("folder.csv", "Is a directory"),
        ("file/links.csv", "File exists|Not a directory"),
        ("o.csv", "is the output as well"),
    ],
)
def test_a_graph_that_cannot_be_written_is_refused_before_the_first_fetch(
    site: CrawlSite, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    """Exit status 2 and one line, no request, and no output file."""
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    graph = f"{tmp_path}/{name}" if name else ".csvx"
    output = tmp_path / "o.csv"
    assert run(["crawl", site.url, "-o", str(output), "--graph", graph]) == 2
    message = capsys.readouterr().err
    assert message.startswith("scrape: --graph ")
    assert message.count("\n") == 1
    assert any(one in message for one in reason.split("|"))
    assert not site.seen
    assert not output.exists()


def test_a_graph_cannot_be_added_to_a_begun_crawl(
    site: CrawlSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages that were had without it would be missing from it: --overwrite starts anew."""
    output = tmp_path / "o.jsonl"
    crawl(output, [site.url + "/"], "--max-pages", "1")
    assert crawl(output, [site.url + "/"], "--graph", tmp_path / "links.csv")[0] == 2
    assert "has link graph false, not true: --overwrite starts anew" in capsys.readouterr().err


def test_a_graph_of_what_is_known_so_far_is_written_at_a_limit(site: CrawlSite, tmp_path: Path) -> None:
    """--max-pages is an end like any other; going on, the graph is written anew."""
    output, graph = tmp_path / "o.jsonl", tmp_path / "links.csv"
    crawl(output, [site.url + "/"], "--graph", graph, "--max-pages", "1")
    assert {row["source"] for row in rows(graph)} == {site.url + "/"}
    crawl(output, [site.url + "/"], "--graph", graph)
    assert len(rows(graph)) == 9


def test_a_graph_is_written_when_records_go_to_a_pipe(site: CrawlSite, tmp_path: Path) -> None:
    """The frontier of such a crawl is a temporary file."""
    graph = tmp_path / "links.csv"
    options = ("--graph", graph, "--per-host", "0", "--quiet", "--mode", "thread")
    finish(start_scrape("crawl", site.url + "/", "-o", "-", *options))
    assert len(rows(graph)) == 9


def make_store(path: Path, texts: list[str]) -> UrlStore:
    """A store of one page that is done, with links that have these texts."""
    store = UrlStore.open(path, options=CrawlLimits(scope=Scope()).fixed())
    store.add([NewUrl(url_key("http://h/"), "http://h/", "h", 0, 0, 0.0)])
    store.done(store.take("h", 1)[0].number)
    links = (f"a\t-\thttp://h/{number}\t{text}" for number, text in enumerate(texts))
    store.set_edges(1, "\n".join(links))
    return store


NASTY = [
    "\x00\x0b\ud800\uffff",
    "</graphml>",
    "]]>",
    "&amp;",
    "\u2028",
    "@SUM(A1)",
    "\x85",
    "'\"",
    "\U0001f600",
]


def test_no_text_breaks_the_file(tmp_path: Path) -> None:
    """Control characters and lone surrogates are U+FFFD; all else is as it was."""
    path = tmp_path / "links.csv"
    with make_store(tmp_path / "f", NASTY) as store:
        assert write_graph(path, store, AS_SENT) == len(NASTY)
    assert [row["text"] for row in rows(path)] == [cell(text) for text in NASTY]
    assert cell(NASTY[0]) == "\ufffd" * 4


def test_a_page_that_is_fetched_again_replaces_its_links(tmp_path: Path) -> None:
    """And one that has none any more takes them out."""
    with make_store(tmp_path / "f", ["one", "two"]) as store:
        store.set_edges(1, "a\tn\thttp://h/2\tthree")
        assert [list(read_edges(lines)) for _, lines in store.each_edges()] == [
            [("a", "n", "http://h/2", "three")]
        ]
        store.set_edges(1, "")
        assert list(store.each_edges()) == []


def write_half(path: Path) -> None:
    """Begin a file and run out of room."""
    with output_errors(path), replace_file(path, text=True) as file:
        file.write("half")
        raise OSError(28, "No space left on device")


def test_an_earlier_graph_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    """A fault on the way leaves the file of the last time, and nothing beside it."""
    path = tmp_path / "links.csv"
    path.write_text("before")
    with pytest.raises(OutputError, match="cannot write"):
        write_half(path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["links.csv"]


@pytest.mark.slow
def test_three_kills_and_an_interrupt_leave_the_graph_of_an_undisturbed_crawl(tmp_path: Path) -> None:
    """`kill -9` three times, then Ctrl-C, which writes the links known so far, then to the end."""
    whole, killed = tmp_path / "whole.csv", tmp_path / "killed.csv"
    with CrawlSite(tree(200)) as site:
        crawl(tmp_path / "whole.jsonl", [site.url + "/0"], "--graph", whole)
        output = tmp_path / "killed.jsonl"
        options = ("--graph", killed, "--per-host", "0", "--mode", "thread", "--threads", "2", "--quiet")
        arguments = ("crawl", site.url + "/0", "-o", output, *options)
        for number, kind in enumerate([signal.SIGKILL] * 3 + [signal.SIGINT], 1):
            path = f"/{35 * number}"
            gate = site.gates[path] = threading.Event()
            process = start_scrape(*arguments)
            assert until(lambda path=path: site.asked[path] > 1, 20)
            process.send_signal(kind)
            gate.set()
            finish(process)
            assert killed.exists() == (kind == signal.SIGINT)
        finish(start_scrape(*arguments))
        assert edges_of(killed, site.url) == edges_of(whole, site.url)
        assert len(rows(whole)) > 200
