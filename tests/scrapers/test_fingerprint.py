"""The fingerprint of a scraper: two runs with the same one make the same records."""

from __future__ import annotations

import functools

import pytest

from parascrape import Page, Settings
from parascrape.scrapers.fingerprint import fingerprint
from tests.helpers import scrapers as own


def closure(word: str) -> object:
    def scraper(page: Page) -> dict[str, str]:
        return {"word": word}

    return scraper


class Callable:
    def __call__(self, page: Page) -> dict[str, str]:
        return {}


@pytest.mark.parametrize("scraper", [closure("a"), Callable(), functools.partial(own.title, page=1)])
def test_a_scraper_with_state_has_no_fingerprint(scraper: object) -> None:
    """Its source does not determine its records."""
    assert fingerprint(Settings(scraper=scraper)) == ""  # type: ignore[arg-type]


def test_a_fingerprint_covers_whatever_changes_the_records() -> None:
    """A function and its name have the same one; settings that do not change the records do not count."""
    plain = fingerprint(Settings(scraper=own.title))
    assert plain == fingerprint(
        Settings(scraper="tests.helpers.scrapers:title", timeout=1, headers={"X": "y"})
    )
    settings = [
        {"scraper": "tests.helpers.scrapers:title", "select": ("a=b",)},
        {"scraper": "page"},
        {"scraper": "article"},
        {"select": ("a=b",)},
        {"select": ("a=c",)},
        {"scraper": "page", "headers": {"accept-language": "de"}},
    ]
    made = [plain, *(fingerprint(Settings(**one)) for one in settings)]  # type: ignore[arg-type]
    assert len(set(made)) == len(made)
    assert all(len(one) == 12 for one in made)
    assert fingerprint(Settings()) == fingerprint(Settings(scraper="article"))
