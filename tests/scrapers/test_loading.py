"""How a scraper is named, found, checked, and joined with selections."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parascrape.errors import UsageError
from parascrape.scrapers.loading import check_scraper, load_scraper, scraper_for
from parascrape.settings import Settings
from parascrape.web.page import Page


def make_page(body: str) -> Page:
    return Page("http://a.example/", body.encode(), headers={"content-type": "text/html; charset=utf-8"})


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scraper's file, with a neighbour that it imports."""
    monkeypatch.setattr("sys.path", sys.path.copy())
    (tmp_path / "shop_helper_of_tests.py").write_text("NAME = 'shop'\n")
    path = tmp_path / "shop.py"
    path.write_text(
        "from shop_helper_of_tests import NAME\nLOADED = object()\nnumber = 3\n"
        "def product(page):\n    return {'name': NAME, 'loaded': id(LOADED)}\n"
        "def listing(page):\n    return [{'n': 1}, {'n': 2}]\n"
        "async def later(page):\n    return {}\n"
        "def nothing():\n    return {}\n"
    )
    return path


def test_a_file_s_function_is_found_and_run_once(shop: Path) -> None:
    """Its neighbours import, and a second look gives the same module's function."""
    scrape = load_scraper(f"{shop}:product")
    assert scrape(make_page(""))["name"] == "shop"
    assert load_scraper(f"{shop}:product") is scrape
    check_scraper(f"{shop}:product", "process")


def test_a_module_s_function_is_found() -> None:
    """By package.module:function."""
    from parascrape.scrapers.links import links

    assert load_scraper("parascrape.scrapers.links:links") is links
    assert load_scraper("links") is links


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("artcle", "did you mean 'article'"),
        ("nonsense", "article, page, links, metadata"),
        ("{shop}", "write {shop}:FUNCTION; There are product, listing, later, nothing"),
        ("{shop}:prodct", "did you mean 'product'? There are product, listing"),
        ("{shop}:number", "is int, not a function"),
        ("{shop}:", "FILE.py:FUNCTION"),
        ("{shop}:a.b", "FILE.py:FUNCTION"),
        ("{shop}:later", "is async"),
        ("{shop}:nothing", "one argument, the Page"),
        ("{folder}/none.py:product", "there is no file"),
        ("no_such_module_at_all:f", "there is no module 'no_such_module_at_all'"),
        ("parascrape.nothing:f", "there is no module 'parascrape.nothing'"),
        ("parascrape.web.text:colapse", "did you mean 'collapse'?"),
    ],
)
def test_a_missing_function_is_reported_in_one_line(shop: Path, name: str, says: str) -> None:
    """The message says what to write instead."""
    places = {"shop": shop, "folder": shop.parent}
    with pytest.raises(UsageError) as raised:
        check_scraper(name.format(**places), "process")
    message = str(raised.value)
    assert says.format(**places) in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1\n\ny = x / 0\n", "line 3: ZeroDivisionError: division by zero"),
        ("def f(:\n", "line 1: SyntaxError"),
        ("import no_such_module_at_all\n", "line 1: ModuleNotFoundError"),
        ("import sys\nsys.exit('no')\n", "line 2: SystemExit: no"),
        ("raise ValueError('two\\nlines \\x1b[2J')\n", "line 1: ValueError: two lines \\x1b[2J"),
        ("import json\njson.loads('{')\n", "line 2: JSONDecodeError"),
    ],
)
def test_a_file_that_fails_says_where(tmp_path: Path, source: str, says: str) -> None:
    """The error's type, message and the file's own line, in one line; and again at the next try."""
    path = tmp_path / "broken.py"
    path.write_text(source)
    for _ in range(2):
        with pytest.raises(UsageError) as raised:
            check_scraper(f"{path}:f", "thread")
        assert says in str(raised.value)
        assert str(raised.value).isprintable()


def scrape_title(page: Page, key: str = "name") -> dict[str, str]:
    return {key: "mine"}


def scrape_twice(page: Page) -> Iterator[dict[str, int]]:
    yield {"n": 1}
    yield {"n": 2}


class Scrapes:
    """A scraper with a state that does not pickle."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def scrape(self, page: Page) -> dict[str, str]:
        return {}


def make_nested() -> Callable[[Page], dict[str, str]]:
    def nested(page: Page) -> dict[str, str]:
        return {}

    return nested


@pytest.mark.parametrize(
    "scraper", [scrape_title, functools.partial(scrape_title, key="k"), load_scraper("page")]
)
def test_top_level_functions_pass_in_every_mode(scraper: Callable[..., Any]) -> None:
    """Also with arguments bound."""
    for mode in ("sequential", "thread", "process"):
        check_scraper(scraper, mode)


@pytest.mark.parametrize(
    ("scraper", "says"),
    [
        (lambda page: {}, "a lambda"),
        (functools.partial(lambda page, n: {}, n=1), "a lambda"),
        (make_nested(), "nested"),
        (Scrapes().scrape, "does not pickle"),
    ],
)
def test_a_function_that_does_not_pickle_is_refused_in_process_mode_only(
    scraper: Callable[..., Any], says: str
) -> None:
    """Threads may call anything."""
    check_scraper(scraper, "thread")
    with pytest.raises(UsageError, match=says):
        check_scraper(scraper, "process")


def test_an_object_that_is_not_a_function_is_refused_in_every_mode() -> None:
    """A scraper is called."""
    with pytest.raises(UsageError, match="is int, not a function"):
        check_scraper(3, "thread")  # type: ignore[arg-type]


def test_bad_selections_are_found_with_the_scraper() -> None:
    """Before the first fetch."""
    with pytest.raises(UsageError, match="not a CSS selector"):
        check_scraper("", "thread", ("a=[",))


@pytest.mark.parametrize(
    ("scraper", "select", "expected"),
    [
        ("", ("h=h1",), {"h": "H"}),
        ("page", ("h1=h1", "p=p"), ["title", "description", "language", "canonical_url", "h1", "text", "p"]),
        (scrape_title, (), {"name": "mine"}),
        (scrape_title, ("h=h1",), {"name": "mine", "h": "H"}),
        (scrape_title, ("name=h1",), {"name": "H"}),
        (scrape_twice, ("h=h1",), [{"n": 1, "h": "H"}, {"n": 2, "h": "H"}]),
        (
            "",
            (),
            ["title", "text", "author", "date", "language", "description", "site_name", "canonical_url"],
        ),
    ],
)
def test_scraper_and_selections_make_one_record(scraper: Any, select: tuple[str, ...], expected: Any) -> None:
    """The scraper's keys, then the selections'; in each record if there are several."""
    result = scraper_for(Settings(scraper=scraper, select=select))(make_page("<h1>H</h1><p>P"))
    keys = expected and isinstance(expected, list) and isinstance(expected[0], str)
    assert (list(result) if keys or not isinstance(result, dict) else result) == expected


def test_invalid_records_pass_to_the_worker() -> None:
    """Selections do not hide a scraper's mistake."""
    assert scraper_for(Settings(scraper=lambda page: "text", select=("h=h1",)))(make_page("")) == "text"
