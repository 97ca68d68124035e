"""follow(): the URLs that a scraper has fetched next, and references to the functions that scrape them."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from parascrape.errors import BadRecord, UsageError
from parascrape.scrapers.article import article
from parascrape.scrapers.following import (
    MAX_FOLLOWS,
    Follow,
    FollowRequest,
    follow,
    lead_of,
    reference_of,
    resolve_follows,
    scraper_of,
)
from parascrape.scrapers.loading import load
from parascrape.web.page import Page

BASED = Page(
    "http://h/x/list", b"<!doctype html><base href='/base/'><a>", headers={"Content-Type": "text/html"}
)
PLAIN = Page("http://h/x/list", b"{}", headers={"Content-Type": "application/json"})


def detail(page: Page) -> dict[str, Any]:
    """A scraper at the top level."""
    return {"url": page.url}


async def asynchronous(page: Page) -> dict[str, Any]:
    """No scraper."""
    return {}


def two(page: Page, other: str) -> dict[str, Any]:
    """No scraper either."""
    return {}


def nested() -> Callable[[Page], Any]:
    """A function that only its maker has."""

    def inner(page: Page) -> None: ...

    return inner


class Shop:
    """A scraper's class."""

    def detail(self, page: Page) -> None:
        """A method."""

    def __call__(self, page: Page) -> None:
        """A scraper without a name."""


hidden = detail


@functools.wraps(detail)
def impostor(page: Page) -> dict[str, Any]:
    """It says that it is another."""
    return {}


def test_a_top_level_function_is_found_by_its_reference() -> None:
    """The reference of a module's function loads it again."""
    assert reference_of(detail) == f"{__name__}:detail"
    assert scraper_of(reference_of(detail)) is detail
    assert reference_of(hidden) == reference_of(detail)


def test_a_builtin_scraper_is_known_by_its_name() -> None:
    """And found by it."""
    assert reference_of(article) == "article"
    assert scraper_of("article") is article


def test_a_function_of_a_scrapers_file_is_found_by_the_file(tmp_path: Path) -> None:
    """The path is absolute, because a later run may have another working directory."""
    path = tmp_path / "shop one.py"
    path.write_text("def listing(page): ...\ndef detail(page): ...\n")
    loaded = load(f"{path}:listing")
    reference = reference_of(vars(sys.modules[loaded.__module__])["detail"])
    assert reference == f"{path.resolve()}:detail"
    assert scraper_of(reference).__module__ == loaded.__module__


def test_the_main_scripts_functions_are_found_by_its_file(tmp_path: Path) -> None:
    """Another process loads them; in its own process the script is not run again."""
    path = tmp_path / "script.py"
    path.write_text(
        "import sys\n"
        "from parascrape.scrapers.following import reference_of, scraper_of\n"
        "def detail(page): return {'seen': 1}\n"
        "if __name__ == '__main__':\n"
        "    print(reference_of(detail), scraper_of(reference_of(detail)) is detail)\n"
    )
    run = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == f"{path.resolve()}:detail True\n"
    assert load(f"{path.resolve()}:detail")(None) == {"seen": 1}


@pytest.mark.parametrize("name", ["__main__", "__mp_main__"])
def test_a_main_module_run_by_its_name_keeps_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """python -m package.module: by its file it could not import its neighbours."""
    main = main_module(name, monkeypatch, __file__="/somewhere/shop.py")
    main.__spec__ = type("Spec", (), {"name": "shop.spider"})()  # type: ignore[assignment]
    assert reference_of(main.detail) == "shop.spider:detail"
    assert scraper_of("shop.spider:detail") is main.detail


@pytest.mark.parametrize(
    ("attributes", "message"),
    [({}, "interactive session"), ({"__file__": "/usr/bin/shop"}, "does not end in .py")],
)
def test_a_function_without_a_file_is_refused(
    attributes: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could load it again."""
    main = main_module("__main__", monkeypatch, **attributes)
    with pytest.raises(UsageError, match=message):
        reference_of(main.detail)


def main_module(name: str, monkeypatch: pytest.MonkeyPatch, **attributes: str) -> Any:
    """A main module with its own function, instead of the running one."""
    main = ModuleType(name)
    vars(main).update(attributes)
    exec("def detail(page): ...", vars(main))
    monkeypatch.setitem(sys.modules, name, main)
    return main


@pytest.mark.parametrize(
    ("scraper", "message"),
    [
        (lambda page: {}, "lambda"),
        (nested(), "nested in a function"),
        (functools.partial(two, other=""), "a partial has no name"),
        (Shop().detail, "is a method"),
        (Shop.__call__.__get__(Shop()), "is a method"),
        (Shop(), "a Shop has no name"),
        (impostor, "no 'detail' at its top level that is this one"),
        (asynchronous, "async"),
        (two, "one argument"),
        (42, "int, not a function"),
    ],
)
def test_a_function_that_cannot_be_imported_is_refused_in_one_line(scraper: Any, message: str) -> None:
    """The error comes where the scraper names it, not hours later in another process."""
    with pytest.raises(UsageError, match=message) as refused:
        follow("/a", scraper)
    assert str(refused.value).startswith("scraper")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["article", "shop.py:detail", "/a b/shop.py:detail", "shop.spiders:detail", "C:\\shop.py:detail"]
)
def test_a_text_of_the_right_form_is_kept(text: str) -> None:
    """It is loaded when a page is there for it."""
    assert follow("/a", text) == Follow("/a", text)


@pytest.mark.parametrize(
    "text",
    ["artikle", "shop:", ":detail", "shop.py:a.b", "shop.py:1", "a\nb:c", "\ud800:x", "a" * 5000 + ":b"],
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    """With what to write."""
    with pytest.raises(UsageError, match="scraper"):
        follow("/a", text)


def test_a_url_alone_is_for_the_crawls_own_scraper() -> None:
    """Which has no reference."""
    assert follow("/a") == follow("/a", None) == follow("/a", "") == Follow("/a", "")


@pytest.mark.parametrize(
    ("url", "based", "plain"),
    [
        ("d?q=1#top", "http://h/base/d?q=1", "http://h/x/d?q=1"),
        ("/d", "http://h/d", "http://h/d"),
        (" HTTPS://Other/ü ", "https://other/%C3%BC", "https://other/%C3%BC"),
        ("//other/d", "http://other/d", "http://other/d"),
        ("?page=2", "http://h/base/?page=2", "http://h/x/list?page=2"),
    ],
)
def test_a_followed_url_is_resolved_like_a_link(url: str, based: str, plain: str) -> None:
    """Relative to <base href> in HTML and to the page's URL elsewhere, without its fragment."""
    assert lead_of(follow(url, "article"), BASED) == FollowRequest(based, "follow", "article")
    assert lead_of(follow(url), PLAIN) == FollowRequest(plain)


@pytest.mark.parametrize("url", ["mailto:a@h", "javascript:x()", "", "http://[", None, 7, "ftp://me:pw@h/"])
def test_following_an_invalid_url_fails_the_record(url: Any) -> None:
    """The message shows it, without a password."""
    with pytest.raises(BadRecord, match="not an http or https URL") as refused:
        lead_of(Follow(url), BASED)
    assert "pw" not in str(refused.value)


def test_follows_are_separated_from_records() -> None:
    """They keep their order, each once; other values pass, and the caller refuses them."""
    given = [{"a": 1}, follow("1"), "text", follow("2", detail), follow("1"), {"b": 2}, None]
    rest, leads = resolve_follows(iter(given), PLAIN)
    assert list(rest) == [{"a": 1}, "text", {"b": 2}, None]
    assert list(leads) == [
        FollowRequest("http://h/x/1"),
        FollowRequest("http://h/x/2", scraper=f"{__name__}:detail"),
    ]


def test_a_scraper_may_return_a_single_follow() -> None:
    """It is a tuple, but it is not read as an iterable of its fields."""
    rest, leads = resolve_follows(follow("1"), PLAIN)
    assert (list(rest), list(leads)) == ([], [FollowRequest("http://h/x/1")])


@pytest.mark.parametrize("found", [{"a": 1}, "text", b"bytes", None, 42])
def test_other_results_pass_unchanged(found: Any) -> None:
    """The very object."""
    rest, leads = resolve_follows(found, PLAIN)
    assert rest is found
    assert leads == {}


def test_endless_follows_are_stopped() -> None:
    """This holds even if it is one URL again and again."""

    def endless() -> Iterator[Follow]:
        while True:
            yield follow("1")

    with pytest.raises(BadRecord, match=f"more than {MAX_FOLLOWS} URLs"):
        list(resolve_follows(endless(), PLAIN)[0])
