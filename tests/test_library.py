"""The library as scripts use it: in every mode, with and without the guard that processes need."""

from __future__ import annotations

import functools
import importlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape import Page, Settings, crawl, write_changes
from parascrape.errors import UsageError
from tests.helpers import command
from tests.sites import shop
from tests.sites.site import Site

GUARDED = """
import sys
from parascrape import Page, Settings, crawl

def title(page: Page) -> dict:
    return {"title": page.soup.title.string}

if __name__ == "__main__":
    for record in crawl(sys.argv[2:], Settings(mode=sys.argv[1], scraper=title)):
        print(record["url"], record["title"])
"""
UNGUARDED = GUARDED.replace('if __name__ == "__main__":', "if True:")
README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def run(folder: Path, source: str, *arguments: object) -> tuple[int, str, str]:
    """What comes of a script file."""
    script = folder / "harvest.py"
    script.write_text(source)
    return command.finish(command.start(script, *arguments))


@pytest.mark.parametrize("mode", ["sequential", "thread", "process"])
def test_the_script_in_the_readme_works(mode: str, site: Site, tmp_path: Path) -> None:
    """As it stands there, but for the address and the mode."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    source = next(block for block in blocks if "crawl(" in block)
    for old, new in (('"https://example.org/"', repr(site("/page/1"))), ('"process"', repr(mode))):
        assert source.count(old) == 1
        source = source.replace(old, new)
    assert run(tmp_path, source) == (0, f"{site('/page/1')} Bread 1\n", "")


def test_a_scripts_own_function_is_a_scraper_for_processes(site: Site, tmp_path: Path) -> None:
    """Workers find it in the script; every URL has its record, and nothing else is printed."""
    urls = [site(f"/page/{number}") for number in range(5)]
    status, out, errors = run(tmp_path, GUARDED, "process", *urls)
    assert (status, errors) == (0, "")
    assert sorted(out.splitlines()) == [f"{url} Bread {number} — a loaf" for number, url in enumerate(urls)]


def test_without_main_guard_process_mode_gives_one_message(site: Site, tmp_path: Path) -> None:
    """The script ends with the error that says what to write, and no worker starts workers."""
    before = len(site.log)
    status, out, errors = run(tmp_path, UNGUARDED, "process", site("/page/1"))
    assert (status, out) == (1, "")
    assert errors.splitlines()[-1].startswith("parascrape.errors.MainGuardError: ")
    assert errors.count('if __name__ == "__main__":') == errors.count("Traceback") == 1
    assert len(site.log) == before


def test_without_main_guard_threads_simply_work(site: Site, tmp_path: Path) -> None:
    """Only processes import the script again."""
    status, out, errors = run(tmp_path, UNGUARDED, "thread", site("/page/1"))
    assert (status, out, errors) == (0, f"{site('/page/1')} Bread 1 — a loaf\n", "")


@pytest.mark.parametrize("scraper", ["title", '"page"'])
def test_a_script_from_stdin_is_refused_in_process_mode(scraper: str, site: Site) -> None:
    """Workers could import it from nowhere; one line says so, and nothing is fetched."""
    source = GUARDED.replace("scraper=title", f"scraper={scraper}")
    process = command.start("-", "process", site("/never-asked"), stdin=subprocess.PIPE)
    status, out, errors = command.finish(process, source.encode())
    assert (status, out) == (1, "")
    assert "write it to a file, or use mode thread" in errors.splitlines()[-1]
    assert site.seen["/never-asked"] == 0


def test_a_script_from_stdin_works_with_threads(site: Site) -> None:
    """Nothing is imported again."""
    process = command.start("-", "thread", site("/page/4"), stdin=subprocess.PIPE)
    status, out, errors = command.finish(process, GUARDED.encode())
    assert (status, out, errors) == (0, f"{site('/page/4')} Bread 4 — a loaf\n", "")


def nested() -> Callable[[Page], Any]:
    """A function that only this call knows."""

    def scrape(page: Page) -> dict[str, Any]:
        return {}

    return scrape


@pytest.mark.parametrize(
    ("mode", "scraper", "message"),
    [
        ("process", lambda page: {}, "a lambda cannot go to worker processes"),
        ("process", nested(), "is nested and cannot go to worker processes"),
        ("process", functools.partial(shop.nothing_fits), "cannot be called with one argument"),
        ("thread", shop.later, "async"),
        ("sequential", shop.nothing_fits, "cannot be called with one argument"),
        ("thread", "artikle", "did you mean 'article'"),
        ("process", "tests.sites.shop:produkt", "did you mean 'product'"),
        ("thread", 7, "int, not a function"),
    ],
)
def test_a_scraper_that_cannot_work_is_refused_before_the_first_fetch(
    mode: Any, scraper: Any, message: str, site: Site
) -> None:
    """By the call itself, not by the first record; no URL is even asked for."""
    urls: Iterator[str] = (pytest.fail("a URL was asked for") for _ in range(1))
    with pytest.raises(UsageError, match=re.escape(message)) as raised:
        crawl(urls, Settings(mode=mode, scraper=scraper))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("mode", ["sequential", "thread"])
def test_where_there_are_no_processes_any_function_will_do(mode: Any, site: Site) -> None:
    """A lambda and a nested function are called as they are."""
    for scraper in (lambda page: {"size": len(page.body)}, functools.partial(nested())):
        (record,) = crawl([site("/ok")], Settings(mode=mode, scraper=scraper))
        assert "error" not in record


def test_a_bound_method_and_a_partial_can_go_to_processes(site: Site) -> None:
    """What pickles is fit."""
    settings = Settings(mode="process", processes=1, scraper=functools.partial(shop.product))
    (record,) = crawl([site("/page/3")], settings)
    assert record["title"] == "Bread 3 — a loaf"


def test_a_bad_selection_is_refused_at_once(site: Site) -> None:
    """Before the first fetch, as a bad scraper is."""
    with pytest.raises(UsageError, match="not a CSS selector"):
        crawl([site("/ok")], Settings(select=("title=h1[",)))


def test_a_single_string_is_refused() -> None:
    """Its characters are no URLs."""
    with pytest.raises(UsageError, match=r"write \[url\]"):
        crawl("http://127.0.0.1/")


def test_records_are_plain_dicts_with_keys_in_their_order(site: Site) -> None:
    """What json makes of them is what the command writes."""
    (record,) = crawl([site("/page/2")], Settings(scraper="page"))
    assert next(iter(record)) == "url"
    assert list(record)[-1] == "meta"
    assert json.loads(json.dumps(record)) == record
    assert list(record["meta"]) == [
        "status",
        "final_url",
        "fetched_at",
        "elapsed",
        "fetch_seconds",
        "attempts",
        "bytes",
        "encoding",
        "hash",
        "made_by",
        "line",
    ]


def test_only_what_is_promised_is_exported() -> None:
    """Each name of the package resolves, and an unknown one says so."""
    import parascrape

    assert all(hasattr(parascrape, name) for name in parascrape.__all__)
    with pytest.raises(AttributeError, match="crawler_of_all"):
        parascrape.crawler_of_all  # noqa: B018


def test_the_old_name_of_the_change_feed_still_works() -> None:
    """Scripts that import it from ``parascrape.changes`` go on."""
    old = importlib.import_module("parascrape.changes")
    assert old.write_changes is write_changes
