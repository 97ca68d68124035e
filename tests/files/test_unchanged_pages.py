"""Harvesting again: what has not changed since the previous output is cheap, and keeps its records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape import Settings, crawl
from parascrape.cli import run
from parascrape.errors import UsageError
from tests.helpers.command import RUDE, finish, read_records, start_scrape, until
from tests.helpers.harvests import MODES
from tests.sites.changing_site import MODIFIED, ChangingSite, Version

OLD, NEW = Path("old.jsonl"), Path("new.jsonl")
BASE = (*RUDE, "--scraper", "tests.sites.shop:product", "--retries", "0", "--mode", "sequential")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChangingSite]:
    """A new site, and a working directory."""
    monkeypatch.chdir(tmp_path)
    with ChangingSite() as running:
        yield running


def scrape(site: ChangingSite, output: Path, *options: object, paths: list[str] | None = None) -> int:
    """The exit status of a harvest of the paths, by default of every page that there is."""
    listed = Path("list.txt")
    listed.write_text("".join(f"{site(path)}\n" for path in paths or site.pages))
    return run([str(one) for one in (listed, "-o", output, "-q", *BASE, *options)])


def records_of(site: ChangingSite, output: Path) -> dict[str, list[dict[str, Any]]]:
    """The records by their path."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in read_records(output):
        found.setdefault(record["url"].removeprefix(site.url), []).append(record)
    return found


def twice(site: ChangingSite, change: Callable[[], object] = lambda: None, *options: object) -> list[Any]:
    """The records of the only page's second harvest, after the change."""
    path = next(iter(site.pages))
    scrape(site, OLD)
    change()
    scrape(site, NEW, "--previous", OLD, *options)
    return records_of(site, NEW)[path]


@pytest.mark.parametrize("mode", MODES)
def test_what_has_not_changed_keeps_its_records(mode: str, site: ChangingSite) -> None:
    """By an entity tag, a date, a hash, several records a page, behind a redirect; all else is made anew."""
    site.pages = {
        "/tag": Version("tag", etag='"1"'),
        "/weak": Version("weak", etag='W/"1"'),
        "/date": Version("date", last_modified=MODIFIED),
        "/hash": Version("hash"),
        "/rows": Version("rows", etag='"rows"', rows=3),
        "/moved": Version("", to="/tag"),
        "/new": Version("old title", etag='"1"'),
        "/back": Version("back", status="500 No"),
        "/gone": Version("gone", etag='"1"'),
    }
    assert scrape(site, OLD, "--mode", mode) == 1
    site.pages |= {
        "/new": Version("new title", etag='"2"'),
        "/back": Version("back"),
        "/more": Version("more"),
    }
    del site.pages["/gone"]
    paths = [*site.pages, "/gone"]
    assert scrape(site, NEW, "--previous", OLD, "--mode", mode, "-p", 2, "-t", 2, paths=paths) == 1
    before, after = records_of(site, OLD), records_of(site, NEW)
    unchanged = {path for path, found in after.items() if found[0]["meta"].get("unchanged")}
    assert unchanged == {"/tag", "/weak", "/date", "/hash", "/rows", "/moved"}
    for path in unchanged:
        assert [without_meta(one) for one in after[path]] == [without_meta(one) for one in before[path]]
        first = after[path][0]["meta"]
        assert first["changed_at"] == before[path][0]["meta"]["fetched_at"] < first["fetched_at"]
    assert [one["meta"]["item"] for one in after["/rows"]] == [1, 2, 3]
    assert {path: after[path][0]["meta"]["status"] for path in ("/tag", "/date", "/hash", "/moved")} == {
        "/tag": 304,
        "/date": 304,
        "/hash": 200,
        "/moved": 200,
    }
    assert after["/new"][0]["title"] == "new title"
    assert after["/gone"][0]["error"]["code"] == "status"
    assert "hash" not in after["/gone"][0]["meta"]


def without_meta(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "meta"}


def test_one_condition_is_sent_to_the_url_it_is_about(site: ChangingSite) -> None:
    """The entity tag goes before the date; behind a redirect, and where nothing is known, there is none."""
    site.pages = {
        "/both": Version("both", etag='"1"', last_modified=MODIFIED),
        "/date": Version("date", last_modified=MODIFIED),
        "/moved": Version("", to="/there"),
        "/there": Version("there", etag='"1"'),
    }
    scrape(site, OLD, paths=["/both", "/date", "/moved"])
    scrape(site, NEW, "--previous", OLD, paths=["/both", "/date", "/moved"])
    last = {path: site.asked(path)[-1] for path in site.pages}
    assert last["/both"]["if-none-match"] == '"1"'
    assert "if-modified-since" not in last["/both"]
    assert last["/date"]["if-modified-since"] == MODIFIED
    for path in ("/moved", "/there"):
        assert not {"if-none-match", "if-modified-since"} & last[path].keys()


def test_a_chain_of_harvests_remembers_the_last_change(site: ChangingSite) -> None:
    """The third output still says when the first one made the record."""
    site.pages = {"/a": Version("a", etag='"1"')}
    scrape(site, OLD)
    scrape(site, NEW, "--previous", OLD)
    scrape(site, Path("third.jsonl"), "--previous", NEW)
    first, third = read_records(OLD)[0]["meta"], read_records("third.jsonl")[0]["meta"]
    assert third["unchanged"] is True
    assert third["changed_at"] == first["fetched_at"]


# --- servers that lie -------------------------------------------------------------------------------


def test_an_entity_tag_that_changes_each_time_is_seen_through(site: ChangingSite) -> None:
    """The body's hash is the same; the new tag is kept."""
    site.pages = {"/a": Version("a", etag='"1"')}
    (found,) = twice(site, lambda: setattr(site.pages["/a"], "etag", '"2"'))
    assert (found["meta"]["unchanged"], found["meta"]["etag"]) == (True, '"2"')


def test_an_unrequested_304_is_a_failure(site: ChangingSite) -> None:
    """Where there was no validator, in the first run and in the second."""
    site.pages = {"/a": Version("a"), "/b": Version("b", lies=True)}
    scrape(site, OLD)
    site.pages["/a"].lies = True
    assert scrape(site, NEW, "--previous", OLD) == 1
    for record in [*read_records(NEW), records_of(site, OLD)["/b"][0]]:
        assert (record["error"]["code"], record["meta"]["status"]) == ("status", 304)


@pytest.mark.parametrize(
    "headers",
    [
        {"etag": '"' + "x" * 600 + '"'},
        {"etag": "unquoted"},
        {"etag": '"a", "b"'},
        {"etag": '"a b"'},
        {"etag": '"a\x01b"'},
        {"etag": '""'},
        {"last_modified": "Thu, 01 Jan 2125 00:00:00 GMT"},
        {"last_modified": "yesterday"},
        {"last_modified": "Mon, 99 Jan 2026 10:00:00 GMT"},
    ],
)
def test_validators_that_are_none_are_not_kept(headers: dict[str, str], site: ChangingSite) -> None:
    """Nothing of them is in the record or in the next request; the hash does."""
    site.pages = {"/a": Version("a", **headers)}  # type: ignore[arg-type]
    (found,) = twice(site)
    assert found["meta"]["unchanged"] is True
    assert not {"etag", "last_modified"} & found["meta"].keys()
    assert not {"if-none-match", "if-modified-since"} & site.asked("/a")[-1].keys()


def test_what_the_page_is_read_by_counts_as_its_content(site: ChangingSite) -> None:
    """The same bytes in another encoding are another page."""
    site.pages = {"/a": Version("a")}
    (found,) = twice(
        site, lambda: site.pages["/a"].headers.update({"content-type": "text/html;charset=utf-16"})
    )
    assert "unchanged" not in found["meta"]


def test_a_304_for_a_record_that_is_gone_is_fetched_again(
    site: ChangingSite,
) -> None:
    """Without a condition: the page is scraped, and has its one record."""

    class Emptying(dict[str, Version]):
        """Empties the previous output when a page is asked for."""

        def get(self, *arguments: Any) -> Any:
            OLD.write_bytes(b"")
            return super().get(*arguments)

    site.pages = {"/a": Version("a", etag='"1"')}
    (found,) = twice(site, lambda: setattr(site, "pages", Emptying(site.pages)))
    assert (found["title"], found["meta"]["attempts"], found["meta"]["status"]) == ("a", 2, 200)
    assert ["if-none-match" in headers for headers in site.asked("/a")] == [False, True, False]


# --- what is never served from old records ----------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ("--scraper", "tests.sites.shop:talkative"),
        ("--select", "title=p"),
        ("--scraper", "page"),
        ("-H", "Accept-Language: de"),
    ],
)
def test_another_scraper_makes_its_own_records(options: tuple[str, ...], site: ChangingSite) -> None:
    """Nor is a condition sent."""
    site.pages = {"/a": Version("a", etag='"1"')}
    (found,) = twice(site, lambda: None, *options)
    assert "unchanged" not in found["meta"]
    assert "if-none-match" not in site.asked("/a")[-1]


def test_a_scraper_whose_file_was_changed_makes_its_own_records(site: ChangingSite) -> None:
    """It runs in a separate process, as a user would run it."""
    site.pages = {"/a": Version("a", etag='"1"')}
    Path("list.txt").write_text(site("/a"))
    shop = Path("own.py")
    options = ("list.txt", *RUDE, "-q", "-m", "sequential", "-s", "own.py:own")
    outputs = []
    for number, value in enumerate((1, 1, 2)):
        shop.write_text(f"def own(page):\n    return {{'value': {value}}}\n")
        before = ("--previous", outputs[-1]) if outputs else ()
        outputs.append(Path(f"{number}.jsonl"))
        assert finish(start_scrape(*options, "-o", outputs[-1], *before))[0] == 0
    assert [read_records(one)[0]["value"] for one in outputs] == [1, 1, 2]
    assert [read_records(one)[0]["meta"].get("unchanged", False) for one in outputs] == [False, True, False]


def test_a_url_with_a_password_is_always_fetched(site: ChangingSite) -> None:
    """Its record does not say whose page it was."""
    site.pages = {"/a": Version("a", etag='"1"')}
    urls = [site("/a").replace("//", f"//{user}:x@") for user in ("me", "you")]
    for output, more in ((OLD, ()), (NEW, ("--previous", OLD))):
        Path("list.txt").write_text("\n".join(urls))
        assert run([str(one) for one in ("list.txt", "-q", "-o", output, *BASE, *more)]) == 0
    assert [one["meta"].get("unchanged") for one in read_records(NEW)] == [None, None]


# --- no fetch at all --------------------------------------------------------------------------------


def test_what_is_fresh_is_not_asked_for(site: ChangingSite) -> None:
    """Its record stays as it was fetched; an old one, one of the future and a failure are fetched."""
    site.pages = {"/fresh": Version("a"), "/old": Version("b"), "/future": Version("c"), "/bad": Version("d")}
    site.pages["/bad"].status = "500 No"
    scrape(site, OLD)
    for path, when in (("/old", "2020-01-01T00:00:00Z"), ("/future", "2999-01-01T00:00:00Z")):
        lines = [json.loads(line) for line in OLD.read_text().splitlines()]
        for one in lines:
            if one["url"].endswith(path):
                one["meta"]["fetched_at"] = when
        OLD.write_text("".join(json.dumps(one) + "\n" for one in lines))
    site.log.clear()
    scrape(site, NEW, "--previous", OLD, "--max-age", "1h")
    assert {target for target, _ in site.log} == {"/old", "/future", "/bad"}
    (found,), (before,) = records_of(site, NEW)["/fresh"], records_of(site, OLD)["/fresh"]
    assert found["meta"]["fresh"] is True
    assert found["meta"]["fetched_at"] == found["meta"]["changed_at"] == before["meta"]["fetched_at"]
    assert (found["title"], found["meta"]["attempts"]) == ("a", 0)


def test_the_record_belongs_to_the_line_of_now(site: ChangingSite) -> None:
    """Its place and its columns, in the list's order, of unchanged pages and fresh ones."""
    site.pages = {"/a": Version("a", etag='"1"'), "/b": Version("b", etag='"1"')}
    Path("old.csv").write_text(f"url,id\n{site('/a')},1\n{site('/b')},2\n")
    Path("new.csv").write_text(f"url,name\n{site('/b')},two\n{site('/a')},one\n")
    run([str(one) for one in ("old.csv", "-q", "-o", OLD, *BASE)])
    for output, more in ((NEW, ()), (Path("fresh.jsonl"), ("--max-age", "1d"))):
        run(
            [
                str(one)
                for one in ("new.csv", "-q", "-o", output, "--ordered", "--previous", OLD, *BASE, *more)
            ]
        )
        found = [(one["title"], one["input"], one["meta"]["line"]) for one in read_records(output)]
        assert found == [("b", {"name": "two"}, 2), ("a", {"name": "one"}, 3)]


# --- the whole run ----------------------------------------------------------------------------------


def test_the_summary_counts_what_was_kept(site: ChangingSite, capfd: pytest.CaptureFixture[str]) -> None:
    """Beside the good ones, of which they are."""
    site.pages = {f"/{number}": Version(str(number), etag='"1"') for number in range(4)}
    scrape(site, OLD)
    site.pages["/3"] = Version("other", etag='"2"')
    options = [str(one) for one in ("list.txt", "-o", NEW, *BASE)]
    run([*options, "--previous", str(OLD)])
    assert "4 outcomes: 4 good, 3 of them unchanged, 0 failed." in capfd.readouterr().err
    run([*options, "--previous", str(OLD), "--max-age", "1h", "--overwrite"])
    assert "4 outcomes: 4 good, 4 of them fresh, 0 failed." in capfd.readouterr().err
    run([*options, "--previous", str(OLD), "--overwrite", "--scraper", "page"])
    assert "4 of 4 earlier pages are scraped anew" in capfd.readouterr().err


def test_a_killed_run_is_gone_on_with(site: ChangingSite) -> None:
    """The records are those of a run that was left alone."""
    site.pages = {f"/{number}": Version(str(number), etag='"1"', rows=number % 3) for number in range(60)}
    scrape(site, OLD)
    scrape(site, NEW, "--previous", OLD)
    whole = NEW.read_bytes()
    options = ("list.txt", "-q", "-o", NEW, "--previous", OLD, *BASE, "--delay", "0.03", "--per-host", "1")
    NEW.unlink()
    killed = start_scrape(*options)
    assert until(lambda: NEW.exists() and NEW.stat().st_size > 0)
    killed.kill()
    finish(killed)
    cut = NEW.read_bytes()
    assert 0 < len(cut) < len(whole)
    NEW.write_bytes(cut[:-9])
    assert scrape(site, NEW, "--previous", OLD) == 0
    assert sorted(map(str, map(without_meta, read_records(NEW)))) == sorted(
        str(without_meta(json.loads(line))) for line in whole.splitlines()
    )
    assert all(one["meta"]["unchanged"] for one in read_records(NEW))


def test_the_library_takes_a_previous_output(site: ChangingSite) -> None:
    """It works as in the command; a missing file is an error at once."""
    site.pages = {"/a": Version("a", etag='"1"')}
    settings = {"scraper": "tests.sites.shop:product", "per_host": 0, "robots": False, "mode": "sequential"}
    scrape(site, OLD)
    (found,) = crawl([site("/a")], Settings(previous=str(OLD), **settings))  # type: ignore[arg-type]
    assert found["meta"]["unchanged"] is True
    with pytest.raises(UsageError, match="no file"):
        crawl([site("/a")], Settings(previous="nowhere.jsonl"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--previous", "nowhere.jsonl"), "there is no file"),
        (("--previous", "new.jsonl"), "is the output as well"),
        (("--max-age", "1h"), "--previous"),
        (("--previous", "old.jsonl", "--max-age", "soon"), "--max-age"),
        (("--previous", "list.txt"), "not a record"),
    ],
)
def test_wrong_options_are_told(
    options: tuple[str, ...], said: str, site: ChangingSite, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line, status 2, and nothing is fetched."""
    site.pages = {"/a": Version("a")}
    scrape(site, OLD)
    shutil.copy(OLD, NEW)
    site.log.clear()
    assert scrape(site, NEW, *options) == 2
    assert said in capfd.readouterr().err
    assert not site.log
