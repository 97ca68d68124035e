"""links-check: every link is looked at once, told right, and found on its pages."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from parascrape.cli import run
from parascrape.crawling.broken_links import BROKEN, GOOD, UNCHECKED, judge
from tests.helpers.command import read_records
from tests.sites.crawl_site import Answer, CrawlSite, page, to

_OPTIONS = ("--per-host", "0", "--retries", "0", "--quiet", "--threads", "4")
_BIG = 3_000_000


def there(path: str) -> Answer | None:
    """What the other site answers."""
    statuses = {"/403": "403 Forbidden", "/999": "999 No", "/500": "500 No"}
    if path == "/robots.txt":
        return Answer(b"User-agent: *\nDisallow: /private\n", headers={"content_type": "text/plain"})
    if path == "/big":
        return Answer(bytes(_BIG), headers={"content_type": "application/zip"})
    if path.startswith("/on/"):
        return to(f"/on/{int(path[4:]) + 1}")
    if path == "/page":
        return page("/never", title="of others")
    return Answer(status=statuses[path]) if path in statuses else None


def here(other: str) -> dict[str, Answer]:
    """The site that is checked."""
    odd = Answer(b'<a href="/gone">\x1b[31mred <b>text</b></a><a href="/moved">moved</a>')
    return {
        "/": page("/a", "/odd", "/file.pdf", "/no-form", "/gone", f"{other}/big", f"{other}/page"),
        "/a": page(
            "/", "/gone", "/circle", "/later", "/moved", "/moved-away", f"{other}/page", f"{other}/on/1"
        ),
        "/odd": odd,
        "/no-form": page(*(f"{other}{path}" for path in ("/403", "/999", "/500", "/private/x"))),
        "/file.pdf": Answer(b"%PDF", headers={"content_type": "application/pdf"}),
        "/moved": to("/a", "301 Moved Permanently"),
        "/moved-away": to(f"{other}/missing", "301 Moved Permanently"),
        "/later": to("/a", "302 Found"),
        "/circle": to("/circle/2"),
        "/circle/2": to("/circle"),
    }


@pytest.fixture
def other() -> Iterator[CrawlSite]:
    """Another host."""
    with CrawlSite(there, "127.0.0.2") as site:
        yield site


@pytest.fixture
def site(other: CrawlSite) -> Iterator[CrawlSite]:
    """The host that is checked."""
    with CrawlSite(here(other.url)) as served:
        yield served


def check(folder: Path, site: CrawlSite, *options: object) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """The exit status, and the CSV's rows by their verdict."""
    table = folder / "broken.csv"
    mode = () if "--mode" in options else ("--mode", "thread")
    arguments = ("links-check", site.url + "/", "-o", folder / "o.jsonl", "--csv", table)
    status = run([str(one) for one in (*arguments, *_OPTIONS, *mode, *options)])
    found: dict[str, list[dict[str, str]]] = {"broken": [], "moved": [], "unchecked": []}
    if table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                found[row["verdict"]].append(row)
    return status, found


def links(rows: list[dict[str, str]], site: CrawlSite, other: CrawlSite) -> set[tuple[str, str]]:
    """Code or status, and URL, of the rows; sites' names left out."""

    def short(url: str) -> str:
        return url.replace(site.url, "").replace(other.url, "there:")

    return {(row["status"] if row["code"] == "status" else row["code"], short(row["url"])) for row in rows}


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_every_link_gets_its_verdict(site: CrawlSite, other: CrawlSite, tmp_path: Path, mode: str) -> None:
    """Each URL is fetched once, links on other hosts are not followed, and refusing robots is no fault."""
    workers = ("--mode", mode, *(("--processes", "2") if mode == "process" else ()))
    status, found = check(tmp_path, site, *workers)
    assert status == 1
    assert links(found["broken"], site, other) == {
        ("404", "/gone"),
        ("404", "/moved-away"),
        ("bad_redirect", "/circle"),
        ("500", "there:/500"),
        ("bad_redirect", "there:/on/1"),
    }
    assert links(found["moved"], site, other) == {("redirected", "/moved")}
    assert links(found["unchecked"], site, other) == {
        ("403", "there:/403"),
        ("999", "there:/999"),
        ("robots", "there:/private/x"),
    }
    assert set(site.fetched.values()) == {1}
    assert set(other.fetched.values()) == {1}
    assert "/never" not in other.asked


def test_the_report_names_the_pages_with_a_link(site: CrawlSite, other: CrawlSite, tmp_path: Path) -> None:
    """It names all of them, with the link's text; no cell of the table is a formula."""
    _, found = check(tmp_path, site)
    gone = [row for row in found["broken"] if row["url"] == site("/gone")]
    assert {(row["page"], row["text"]) for row in gone} == {
        (site("/"), "/gone"),
        (site("/a"), "/gone"),
        (site("/odd"), "\ufffd[31mred text"),
    }


def test_the_report_is_readable_and_safe_for_terminals(
    site: CrawlSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken links first, what has moved and what could not be checked behind them, counts last."""
    check(tmp_path, site)
    report = capsys.readouterr().out
    headings = [line for line in report.splitlines() if line.split(":")[0] in _HEADINGS]
    assert headings == ["Broken: 5", "Moved for good: 1", "Could not be checked: 3"]
    assert f"404 Not Found  {site('/gone')}\n" in report
    assert f'  on {site("/a")}  "/gone"\n' in report
    assert f"     leads to {site('/a')}\n" in report
    assert report.splitlines()[-1].endswith("5 broken, 1 moved, 3 could not be checked.")
    assert "\x1b" not in report


_HEADINGS = ("Broken", "Moved for good", "Could not be checked")


def test_the_report_names_ten_pages_and_counts_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link in every page of a site does not fill the screen; the table has them all."""
    pages = {f"/{number}": page("/gone", f"/{number + 1}") for number in range(13)}
    with CrawlSite({"/": page("/0"), **pages, "/13": page()}) as site:
        status, found = check(tmp_path, site)
    report = capsys.readouterr().out
    assert status == 1
    assert report.count("  on ") == 10
    assert "  and 3 more\n" in report
    assert len(found["broken"]) == 13


@pytest.mark.parametrize(
    ("pages", "status", "told"),
    [
        ({"/": page("/a"), "/a": page()}, 0, "2 URLs looked at: 2 good, 0 broken"),
        ({}, 1, "  a start URL, or one of a sitemap\n"),
        ({"/": page("/a", "/b", "/c"), "/a": page(), "/b": page(), "/c": page()}, 0, "4 URLs looked at"),
    ],
)
def test_the_exit_status_is_1_if_a_link_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pages: dict[str, Answer], status: int, told: str
) -> None:
    """0 or 1; a start URL that is broken stands on no page."""
    with CrawlSite(pages) as site:
        assert check(tmp_path, site)[0] == status
    assert told in capsys.readouterr().out


def test_hosts_that_refuse_robots_do_not_fail_the_check(other: CrawlSite, tmp_path: Path) -> None:
    """The status is 0 if no link is known to be broken. The site's own 403 counts as broken."""
    with CrawlSite({"/": page(f"{other.url}/403")}) as site:
        assert check(tmp_path / "1", site)[0] == 0
    with CrawlSite({"/": page("/x"), "/x": Answer(status="403 Forbidden")}) as site:
        assert check(tmp_path / "2", site)[0] == 1


def test_internal_only_sends_no_request_to_other_hosts(
    site: CrawlSite, other: CrawlSite, tmp_path: Path
) -> None:
    """Their robots.txt is not fetched, and redirects to them are not followed."""
    status, found = check(tmp_path, site, "--internal-only")
    assert not other.asked
    assert status == 1
    assert links(found["broken"], site, other) == {("404", "/gone"), ("bad_redirect", "/circle")}
    assert links(found["unchecked"], site, other) == {("redirected", "/moved-away")}


def test_depth_and_patterns_limit_following_but_not_checking(tmp_path: Path) -> None:
    """Links on the last pages and those outside of --include are checked; --exclude skips links."""
    pages = {
        "/": page("/in/a", "/out", "/no/x"),
        "/in/a": page("/in/b", "/gone"),
        "/in/b": page("/in/c"),
        "/out": page("/further"),
    }
    with CrawlSite(pages) as site:
        options = ("--depth", "1", "--include", "/in/*", "--exclude", "/no/*")
        _, found = check(tmp_path, site, *options)
        assert set(site.fetched) == {"/", "/in/a", "/in/b", "/out", "/gone"}
    assert [row["url"] for row in found["broken"]] == [site("/gone")]


def test_a_check_resumes(site: CrawlSite, other: CrawlSite, tmp_path: Path) -> None:
    """The report covers both runs, each URL is fetched once, and unchecked URLs are counted."""
    check(tmp_path, site, "--max-pages", "3")
    few = len(read_records(tmp_path / "o.jsonl"))
    _, found = check(tmp_path, site)
    assert few < len(read_records(tmp_path / "o.jsonl"))
    assert len(links(found["broken"], site, other)) == 5
    assert set(site.fetched.values()) == {1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "-"), "--output -: standard output has the report; name a file"),
        (("--csv", "/proc/none/x.csv"), "--csv /proc/none/x.csv: No such file or directory"),
        (("-o", "x.csv", "--csv", "x.csv"), "--csv 'x.csv': is the output as well"),
        (("--graph", "x.dot"), "--graph 'x.dot': the graph is written as CSV; name a .csv file"),
        (("--depth", "-1"), "depth: -1 is less than 0"),
        (("--same-host", "--same-domain"), "--same-host, --same-domain, --any-host: only one of them"),
        (("--include", "nothing"), "--include 'nothing': no URL begins so"),
    ],
)
def test_wrong_usage_is_reported_before_the_first_fetch(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    message: str,
) -> None:
    """Exit status 2."""
    monkeypatch.chdir(tmp_path)
    with CrawlSite({}) as site:
        assert run(["links-check", site.url, *options]) == 2
        assert not site.asked
    errors = capsys.readouterr().err
    assert errors.startswith(f"scrape: {message}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "status", "elsewhere", "verdict"),
    [
        ("", 200, True, GOOD),
        ("other_type", 200, False, GOOD),
        ("scrape_error", 200, False, GOOD),
        ("status", 404, True, BROKEN),
        ("status", 503, True, UNCHECKED),
        ("status", 503, False, BROKEN),
        ("dns", 0, True, BROKEN),
        ("tls", 0, True, BROKEN),
        ("timeout", 0, False, BROKEN),
        ("robots", 0, False, UNCHECKED),
        ("host_down", 0, True, UNCHECKED),
        ("address", 0, True, UNCHECKED),
        ("redirected", 301, True, "redirected"),
    ],
)
def test_verdicts_follow_from_the_outcome(code: str, status: int, elsewhere: bool, verdict: str) -> None:
    """The code decides, and on other sites the status too."""
    assert judge(code, status, elsewhere=elsewhere) == verdict
