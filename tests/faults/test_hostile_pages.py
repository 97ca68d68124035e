"""Hostile pages through the whole harvest: a record or one typed failure, in bounded time and memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from parascrape.harvesting.harvest import crawl
from parascrape.scrapers.loading import BUILTIN
from parascrape.scrapers.select import MAX_CHARACTERS
from parascrape.web.markup import MAX_REOPENED, reopened
from tests.faults.hostile_documents import LARGE, SMALL, XML, large
from tests.faults.hostile_site import PAGES, apart
from tests.faults.test_hostile_servers import code
from tests.faults.test_limits import limited
from tests.helpers.command import read_records, start_scrape
from tests.helpers.harvests import entries, make, records_of
from tests.sites.site import Site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory as Linux has it")

SCRAPERS = "tests.faults.hostile_documents"
GOOD = [f"/page/{number}" for number in range(20)]


def serve(documents: dict[str, bytes], kind: str = "text/html; charset=utf-8") -> list[str]:
    """The paths of these documents, once they are served."""
    PAGES.clear()
    PAGES.update({name: (kind, body) for name, body in documents.items()})
    return [f"/document/{name}" for name in documents]


def harvest(folder: Path, site: Site, paths: list[str], *options: object, memory: int) -> dict[str, Any]:
    """Each path's record, by the command in processes that may have so much memory."""
    listed, output = folder / "list.txt", folder / "out.jsonl"
    listed.write_text("".join(f"{url}\n" for url in apart(site, paths)))
    command = (listed, "-o", output, "--retries", 0, *options)
    with start_scrape(*command, preexec_fn=limited(RLIMIT_DATA=memory)) as process:
        _, said = process.communicate(timeout=800)
    errors = said.decode()
    assert process.returncode in (0, 1), errors
    assert "Traceback" not in errors, errors
    records = {"/" + one["url"].split("/", 3)[3]: one for one in read_records(output)}
    assert sorted(records) == sorted(paths), errors
    return records


@pytest.mark.parametrize("mode", ["process", pytest.param("thread", marks=pytest.mark.slow)])
def test_every_scraper_survives_every_document(mode: str, site: Site, tmp_path: Path) -> None:
    """Nothing in our own code takes more than a moment for a megabyte, whatever stands in it."""
    paths = serve({name: text.encode("utf-8", "surrogatepass") for name, text in SMALL.items()})
    options = ("-m", mode, "-p", 2, "-t", 2, "--timeout", 20, "--scraper", f"{SCRAPERS}:everything")
    records = harvest(tmp_path, site, paths + GOOD, *options, memory=900 << 20)
    assert {path: one["error"] for path, one in records.items() if "error" in one} == {}
    assert records["/document/nested"]["page"]["text"] == "text"
    assert len(records["/document/meta"]["metadata"]["meta_tags"]) == 10_000
    assert records["/document/signs"]["article"]["title"].count("[/x][bold]") == 1


@pytest.mark.parametrize(
    "kind", ["application/xhtml+xml", "application/xml", "image/svg+xml", "application/rss+xml"]
)
def test_xml_reads_no_file_and_no_address(kind: str, site: Site, tmp_path: Path) -> None:
    """Entities are not expanded, whatever they name: no parser here reads a document type definition."""
    secret = tmp_path / "secret"
    secret.write_text("not for strangers")
    names = {"SECRET": secret.as_uri(), "LEAK": site("/leak")}
    documents = {}
    for name, text in XML.items():
        for word, url in names.items():
            text = text.replace(word, url)
        documents[name] = text.encode()
    paths = serve(documents, kind)
    settings = make("thread", scraper=f"{SCRAPERS}:everything")
    records = {one["url"]: one for one in crawl(entries(site, paths), settings)}
    is_html = kind in ("application/xhtml+xml", "application/xml")
    assert {code(one) for one in records.values()} <= {"" if is_html else "not_html", "not_html"}
    assert "not for strangers" not in str(records)
    assert len(str(records)) < 3_000_000
    assert site.seen["/leak"] == 0


def test_a_formatting_bomb_is_refused_before_it_is_parsed(site: Site) -> None:
    """Some kilobytes that would be gigabytes of elements; their neighbours stay."""
    before = "<p>" + "".join(f"<b id={number}>" for number in range(1000)) + "</p>"
    marked = "".join(f"<FONT size={number}><object></font></object>" for number in range(2000))
    bombs = {
        "paragraphs": before + "<p>x</p>" * 4_000,
        "hidden": f"<p>{marked}</p>" + "<p>x</p>" * 4_000,
        "few-alike": "<p>" + "<b>" * 1000 + "</p>" + "<p>x</p>" * 4_000,
        "closed": "<p><b class=1>x</b></p>" * 4_000,
    }
    paths = serve({name: text.encode() for name, text in bombs.items()})
    for scraper in BUILTIN:
        settings = make("thread", scraper=scraper)
        codes = {one["url"]: code(one) for one in crawl(entries(site, paths + GOOD[:3]), settings)}
        refused = {site(path): "too_complex" for path in paths[:2]}
        assert codes == {**dict.fromkeys(map(site, paths[2:] + GOOD[:3]), ""), **refused}


def test_formatting_that_is_closed_is_not_counted() -> None:
    """Also across a table's cells, where end tags work within a cell alone."""
    assert reopened("<table>" + "<td><b>x</b><font color=red>y</font></td>" * 1000) < 10_000 < MAX_REOPENED


def test_what_one_page_gives_is_bounded(site: Site) -> None:
    """Elements within each other repeat their text in a list, a long base the URL of every link."""
    nested = "<a href=x><object>" * 100 + "y" * (MAX_CHARACTERS // 90)
    based = "<base href='http://h.example/" + "x" * 8000 + "/'>" + "<a href=x>" * (MAX_CHARACTERS // 7000)
    paths = serve({"nested": nested.encode(), "based": based.encode()})
    for settings in (make("thread", scraper="links"), make("thread", scraper="", select=("all[]=object",))):
        codes = [code(one) for one in crawl(entries(site, paths + GOOD[:1]), settings)]
        assert sorted(codes) == (
            ["", "bad_record", "bad_record"] if settings.scraper else ["", "", "bad_record"]
        )


def test_a_page_without_end_is_killed_at_the_deadline(site: Site) -> None:
    """With its process, twice; its neighbours are run again and know nothing of it."""
    paths = serve({"endless": large("endless")})
    settings = make("process", scraper="", select=("title=title",), timeout=1.0, threads=2)
    listed = entries(site, [*GOOD[:4], *paths, *GOOD[4:]])
    records = {one["url"]: one for one in records_of(listed, settings, scrape_grace=0.5)}
    assert code(records.pop(site(paths[0]))) == "timeout"
    assert {url: code(one) for url, one in records.items()} == dict.fromkeys(map(site, GOOD), "")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scraper", [*BUILTIN, f"{SCRAPERS}:selected"])
def test_the_largest_pages_end_in_time_and_memory(scraper: str, site: Site, tmp_path: Path) -> None:
    """Each has a record or a typed failure, and no process has more than a few gigabytes."""
    paths = serve({name: large(name) for name in LARGE})
    options = ("-m", "process", "-p", 2, "-t", 1, "--timeout", 3, "--scraper", scraper)
    records = harvest(tmp_path, site, paths + GOOD, *options, memory=4 << 30)
    assert {code(records[path]) for path in paths} <= {"", "timeout", "too_complex", "bad_record"}
    assert {code(records[path]) for path in GOOD} == {""}
    if scraper != "page":  # resiliparse's own build of lexbor takes a second for it
        assert code(records["/document/endless"]) == "timeout"
    assert code(records["/document/reopened"]) == "too_complex"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_threads_end_with_a_page_without_end(site: Site, tmp_path: Path) -> None:
    """The thread is given up, the others go on, and the process exits at the deadline."""
    paths = serve({"endless": large("endless")})
    options = ("-m", "thread", "-t", 3, "--timeout", 2, "--select", "title=title")
    records = harvest(tmp_path, site, paths + GOOD, *options, memory=1 << 30)
    assert {path: code(one) for path, one in records.items()} == {
        paths[0]: "timeout",
        **dict.fromkeys(GOOD, ""),
    }
