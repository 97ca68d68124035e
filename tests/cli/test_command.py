"""The command, run in this process: its lists, its options, its output and its exit status."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape.cli import run
from parascrape.settings import VERSION
from tests.helpers.command import read_records
from tests.sites.site import Site

SHOP = """
def product(page):
    print("PRINTED BY THE SCRAPER")
    return {"name": page.css_first("h1").text()}
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of each test, with a scraper in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def scrape(*arguments: object) -> int:
    """The exit status of the command, with a scraper that is quick to load."""
    chosen = () if {"-s", "--select", "--scraper"} & set(arguments) else ("--select", "title=title")
    return run([str(argument) for argument in (*arguments, *chosen)])


def write_list(site: Site, *paths: str, name: str = "list.txt") -> Path:
    """A list of the site's pages."""
    file = Path(name)
    file.write_text("".join(f"{site(path) if path[:1] == '/' else path}\n" for path in paths))
    return file


# --- lists ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sequential", "thread", "process"])
def test_a_list_becomes_a_file_of_records(mode: str, site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """Under the list's name, a line for every URL, a summary on stderr and nothing on stdout."""
    write_list(site, "# bread", "", "/page/1", "/page/2", name="bread.list.txt")
    assert scrape("bread.list.txt", "--mode", mode, "--processes", 1) == 0
    records = read_records("output/bread.list.jsonl")
    assert {(record["title"], record["meta"]["line"]) for record in records} == {
        ("Bread 1 — a loaf", 3),
        ("Bread 2 — a loaf", 4),
    }
    out, errors = capfd.readouterr()
    assert out == ""
    assert "2 outcomes: 2 good, 0 failed." in errors
    assert "Records: output/bread.list.jsonl" in errors


def test_a_url_can_be_given_instead_of_a_list(site: Site) -> None:
    """Its host names the output."""
    assert scrape(site("/page/5")) == 0
    (record,) = read_records("output/127.0.0.1.jsonl")
    assert (record["url"], record["title"]) == (site("/page/5"), "Bread 5 — a loaf")


def lists(site: Site) -> dict[str, bytes]:
    """The same three URLs in each kind of list; the second has another column."""
    urls = [site(f"/page/{number}") for number in (1, 2, 3)]
    rows = [{"sku": f"S{number}", "url": url} for number, url in enumerate(urls)]
    return {
        "list.txt": b"\xef\xbb\xbf" + "\r\n".join(urls).encode(),
        "list.csv": "\n".join(["sku,url", *(f"{row['sku']},{row['url']}" for row in rows)]).encode(),
        "list.tsv": "\n".join(["sku\turl", *(f"{row['sku']}\t{row['url']}" for row in rows)]).encode(),
        "list.jsonl": "\n".join(map(json.dumps, rows)).encode(),
    }


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.tsv", "list.jsonl"])
def test_every_kind_of_list_is_read(name: str, packed: bool, site: Site) -> None:
    """It may be gzipped; other columns are in the record under ``input``."""
    data = lists(site)[name]
    file = Path(name + ".gz" if packed else name)
    file.write_bytes(gzip.compress(data) if packed else data)
    assert scrape(file, "--ordered", "-q") == 0
    records = read_records("output/list.jsonl")
    assert [record["url"] for record in records] == [site(f"/page/{number}") for number in (1, 2, 3)]
    columns = [record.get("input") for record in records]
    assert columns == ([None] * 3 if name == "list.txt" else [{"sku": f"S{number}"} for number in range(3)])


def test_the_url_column_can_be_named(site: Site) -> None:
    """The other columns keep their case and order."""
    Path("goods.csv").write_text(f"sku,Link,note\n7,{site('/ok')},fresh\n")
    assert scrape("goods.csv", "--url-column", "Link") == 0
    assert read_records("output/goods.jsonl")[0]["input"] == {"sku": "7", "note": "fresh"}


def test_several_lists_are_one_harvest(site: Site) -> None:
    """Each record names its list."""
    write_list(site, "/page/1", name="a.txt")
    write_list(site, "/page/2", name="b.txt")
    assert scrape("a.txt", "b.txt", "--ordered") == 0
    records = read_records("output/a+b.jsonl")
    assert [(record["meta"]["source"], record["meta"]["line"]) for record in records] == [
        ("a.txt", 1),
        ("b.txt", 1),
    ]


def test_a_limit_takes_the_first_lines_only(site: Site) -> None:
    """No other line is fetched."""
    write_list(site, *(f"/page/{number}" for number in range(100, 150)))
    assert scrape("list.txt", "--limit", 3) == 0
    assert len(read_records("output/list.jsonl")) == 3
    assert {site.seen[f"/page/{number}"] for number in range(103, 150)} == {0}


def test_lines_before_the_damage_of_a_list_are_harvested(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    """They have their records, and one message describes the damage."""
    data = "".join(f"{site(f'/page/{number}')}\n{os.urandom(30).hex()}\n" for number in range(200)).encode()
    Path("cut.txt.gz").write_bytes(gzip.compress(data)[:4000])
    assert scrape("cut.txt.gz", "-q") == 2
    lines = [record["meta"]["line"] for record in read_records("output/cut.jsonl")]
    assert len(lines) > 20
    assert sorted(lines) == list(range(1, len(lines) + 1))
    errors = capfd.readouterr().err
    assert errors.startswith("scrape: cut.txt.gz")
    assert errors.count("\n") == 1


# --- extraction -------------------------------------------------------------------------------------


def test_select_extracts_fields(site: Site) -> None:
    """The text of the first match, all matches, an attribute, and a selector without a match."""
    chosen = ["first=li", "all[]=li.item", "none=h6", "nones[]=h6"]
    assert scrape(site("/items"), *(part for one in chosen for part in ("--select", one)), "-o", "out") == 0
    record = read_records("out")[0]
    assert list(record)[:-1] == ["url", "first", "all", "none", "nones"]
    assert (record["first"], record["all"], record["none"], record["nones"]) == (
        "0",
        ["0", "1", "2"],
        None,
        [],
    )
    assert scrape(site("/ok"), "--select", "link=a::attr(href)", "-o", "links") == 0
    assert read_records("links")[0]["link"] == "/two"


@pytest.mark.parametrize("scraper", ["article", "page", "links", "metadata"])
def test_built_in_scrapers_are_chosen_by_name(scraper: str, site: Site) -> None:
    """Each gives a good record."""
    assert scrape(site("/ok"), "--scraper", scraper, "-o", "out") == 0
    (record,) = read_records("out")
    assert len(record) > 2


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_stdout_carries_records_only(mode: str, site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """Output of the user's scraper goes to stderr."""
    assert scrape(site("/ok"), "--scraper", "shop.py:product", "-o", "-", "-m", mode, "-p", 1) == 0
    out, errors = capfd.readouterr()
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["Bread"]
    assert "PRINTED BY THE SCRAPER" in errors


def test_headers_cookies_and_user_agent_are_sent(site: Site) -> None:
    """They are added to those of every request."""
    options = ("-H", "X-Shop: bread", "-H", "Accept-Language: ja", "-b", "seen=1", "-A", "tester/1")
    assert scrape(site("/ok?sent"), *options) == 0
    sent = next(headers for path, headers in site.log if path == "/ok?sent")
    assert (sent["x-shop"], sent["accept-language"], sent["cookie"], sent["user-agent"]) == (
        "bread",
        "ja",
        "seen=1",
        "tester/1",
    )


def test_limits_apply_to_the_fetch(site: Site) -> None:
    """The options set time, bytes and retries."""
    write_list(site, "/silent", "/ok", "/flaky/9/limits")
    assert scrape("list.txt", "--timeout", 1, "--max-bytes", 100, "--retries", 0, "--ordered") == 1
    records = read_records("output/list.jsonl")
    assert [record["error"]["code"] for record in records] == ["timeout", "too_large", "status"]
    assert {record["meta"]["attempts"] for record in records} == {1}


# --- what is shown ----------------------------------------------------------------------------------


def test_quiet_writes_nothing(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """Failures show in the exit status only."""
    assert scrape(write_list(site, "/ok", "/status/404"), "--quiet") == 1
    assert capfd.readouterr() == ("", "")


def test_verbose_logs_every_url(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """Good and failed ones are on stderr."""
    assert scrape(write_list(site, "/page/8", "/status/404"), "-v") == 1
    errors = capfd.readouterr().err
    assert f"{site('/page/8')}: 1 records" in errors
    assert f"{site('/status/404')} failed: status" in errors


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_the_log_file_has_the_lines_of_all_workers(mode: str, site: Site) -> None:
    """Each line has the time and the worker's name; a second run appends."""
    listed = write_list(site, "/page/8", "/status/404")
    for _ in range(2):
        assert scrape(listed, "--overwrite", "--log-file", "run.log", "-m", mode, "-p", 1, "-q") == 1
    lines = Path("run.log").read_text().splitlines()
    failed = [line.split() for line in lines if "failed: status" in line]
    assert len(failed) == 2
    for date, clock, level, worker, *_ in failed:
        assert (date[:2], clock[2], level) == ("20", ":", "INFO")
        assert worker.startswith("worker-" if mode == "process" else "thread-")


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_password_is_never_shown(mode: str, site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """It is sent, but no record, log line or message has it, whatever the outcome of the URL."""
    secret = site.url.replace("://", "://me:xyzzy@")
    paths = ("/ok", "/status/404", "/loop", "/no-answer", "/to?where=http://me:xyzzy@127.0.0.1:1/")
    write_list(site, *(secret + path for path in paths), "http://me:xyzzy@bad host/", "ftp://me:xyzzy@h/")
    assert scrape("list.txt", "-v", "--log-file", "run.log", "-m", mode, "-p", 1, "--retries", 1) == 1
    out, errors = capfd.readouterr()
    shown = out + errors + Path("run.log").read_text() + Path("output/list.jsonl").read_text()
    assert len(read_records("output/list.jsonl")) == 7
    assert "xyzzy" not in shown
    assert any("authorization" in headers for _, headers in site.log)


def test_help_and_version(capfd: pytest.CaptureFixture[str]) -> None:
    """The help is shown with --help and without arguments; the version is on stdout."""
    assert [run([]), run(["--help"]), run(["-h"])] == [0, 0, 0]
    out = capfd.readouterr().out
    assert out.count("Usage: scrape [OPTIONS] LIST...") == 3
    assert max(map(len, out.splitlines())) <= 80
    assert run(["--version"]) == 0
    assert capfd.readouterr().out == f"parascrape {VERSION}\n"
    assert run(["demo", "--help"]) == 0
    assert "Usage: scrape demo" in capfd.readouterr().out


# --- exit status ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "status"),
    [(("/ok",), 0), (("/ok", "/status/404"), 1), (("/ok", "no-url"), 1), (("# nothing",), 0)],
)
def test_the_exit_status_is_1_if_a_url_failed(paths: tuple[str, ...], status: int, site: Site) -> None:
    """It is 0 if all records are good."""
    assert scrape(write_list(site, *paths)) == status


WRONG: list[tuple[list[Any], str]] = [
    (["missing.txt"], "missing.txt: no such file"),
    (["."], "directory"),
    (["example.com"], "https://example.com"),
    (["URL", "--mode", "fast"], "--mode"),
    (["URL", "--scraper", "artikel"], "did you mean 'article'"),
    (["URL", "--scraper", "shop.py:produkt"], "did you mean 'product'"),
    (["URL", "--scraper", "nowhere.py:product"], "nowhere.py"),
    (["URL", "--scraper", "nowhere:product"], "nowhere"),
    (["URL", "--select", "title"], "NAME=CSS"),
    (["URL", "--select", "title=h1["], "CSS"),
    (["URL", "--select", "url=a"], "url"),
    (["URL", "--select", "a=b", "--select", "a=c"], "twice"),
    (["goods.csv", "--url-column", "link"], "no column 'link'"),
    (["URL", "--timeout", "0"], "timeout"),
    (["URL", "--timeout", "soon"], "--timeout"),
    (["URL", "--timeout", "nan"], "timeout"),
    (["URL", "--threads", "-1"], "threads"),
    (["URL", "--processes", "-1"], "processes"),
    (["URL", "--retries", "-1"], "retries"),
    (["URL", "--max-bytes", "0"], "max_bytes"),
    (["URL", "--limit", "-1"], "limit"),
    (["URL", "--header", "no colon"], "--header"),
    (["URL", "--header", "X: a\nb"], "--header"),
    (["URL", "--cookie", "flag"], "--cookie"),
    (["URL", "--nonsense"], "--nonsense"),
    (["URL", "--output", "shop.py/x.jsonl"], "shop.py/x.jsonl"),
    (["URL", "--output", "."], "cannot write"),
    (["URL", "--log-file", "no/such/folder/log"], "no/such/folder/log"),
    (["-", "-"], "only once"),
    (["demo", "--mode", "fast"], "--mode"),
    (["demo", "more"], "more"),
]


@pytest.mark.parametrize(("arguments", "part"), WRONG, ids=[" ".join(map(repr, one[0])) for one in WRONG])
def test_wrong_usage_is_reported_in_one_line(
    arguments: list[Any], part: str, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with exit status 2; nothing is fetched and no output is begun."""
    Path("goods.csv").write_text("sku,url\n1,http://127.0.0.1:1/\n")
    before = len(site.log)
    assert run([site("/ok") if argument == "URL" else argument for argument in arguments]) == 2
    out, errors = capfd.readouterr()
    assert out == ""
    assert part in errors
    assert errors.startswith("scrape: ")
    assert errors.count("\n") == 1
    assert len(site.log) == before
    assert not Path("output").exists()


def test_wrong_usage_does_not_change_the_output(site: Site) -> None:
    """A misspelt option of the next run loses no records."""
    assert scrape(site("/ok"), "-o", "out") == 0
    for wrong in (["--log-file", "no/such/log"], ["--select", "a=["], ["--mode", "fast"]):
        for option in ("--ordered", "--overwrite", "--resume-failed"):
            assert run([site("/ok"), "-o", "out", option, *wrong]) == 2
            assert len(read_records("out")) == 1


def test_an_output_never_overwrites_its_list(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """A second harvest of a file of records has the same default name in the same folder."""
    assert scrape(site("/ok"), "-o", "output/again.jsonl", "-q") == 0
    assert scrape("output/again.jsonl") == 2
    assert len(read_records("output/again.jsonl")) == 1
    assert "--output" in capfd.readouterr().err
