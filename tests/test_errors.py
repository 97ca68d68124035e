"""Errors: every one crosses a process border whole, carries a stable code, and stands in the drawn tree."""

from __future__ import annotations

import pickle
import re
from collections import Counter

import pytest

from parascrape import errors
from parascrape.errors import ParascrapeError, Redirected, StatusError, TaskError, TaskTimeout, UsageError

CLASSES: list[type[ParascrapeError]] = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ParascrapeError)
]


def example(kind: type[ParascrapeError]) -> ParascrapeError:
    """An error of the class with all its arguments given."""
    if issubclass(kind, StatusError):
        return kind("503 Service Unavailable", 503, True, 12.5)
    if issubclass(kind, Redirected):
        return kind("it broke", "http://h/")
    if issubclass(kind, TaskError):
        return kind("it broke", "ValueError", "worker-1", "Traceback ...")
    return kind("it broke")


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_unpickles_as_it_was(kind: type[ParascrapeError]) -> None:
    """Type, arguments, message and every attribute survive."""
    error = example(kind)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.args == error.args
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert again.retryable == error.retryable


@pytest.mark.parametrize("kind", CLASSES)
def test_the_message_is_all_that_an_error_shows(kind: type[ParascrapeError]) -> None:
    """Extra arguments are attributes, not part of the text."""
    assert str(example(kind)) == ("503 Service Unavailable" if kind is StatusError else "it broke")


def test_every_code_is_one_class_but_timeout() -> None:
    """Records and statistics tell errors apart by code; a timeout is one for them, wherever it was seen."""
    codes = Counter(kind.code for kind in CLASSES)
    assert {code for code, count in codes.items() if count > 1} == {"timeout"}
    assert codes["timeout"] == 2
    assert all(re.fullmatch("[a-z_]+", code) for code in codes)
    assert all("code" in vars(kind) for kind in CLASSES)


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not ParascrapeError])
def test_the_drawn_tree_shows_every_class_with_its_code_and_parent(kind: type[ParascrapeError]) -> None:
    """The tree in the module's docstring is complete and correct."""
    drawn = [line for line in (errors.__doc__ or "").splitlines() if re.search(r"[├└]── ", line)]
    rows = {}
    parents: list[str] = ["ParascrapeError"]
    for line in drawn:
        prefix, name, code = re.match(r"(.*?)[├└]── (\w+)\s+(\w+)", line).groups()  # type: ignore[union-attr]
        depth = (len(prefix) - 4) // 4 + 1
        parents[depth:] = [name]
        rows[name] = (code, parents[depth - 1], "retried" in line)
    assert set(rows) == {kind.__name__ for kind in CLASSES} - {"ParascrapeError"}
    parent = kind.__bases__[0].__name__
    assert rows[kind.__name__] == (kind.code, parent, kind.retryable or kind is StatusError)


def test_a_timeout_of_the_fetch_is_retried_and_one_of_the_task_is_not() -> None:
    """A page that hangs a parser hangs it again."""
    assert errors.FetchTimeout("").retryable
    assert not TaskTimeout("").retryable
    assert issubclass(errors.MainGuardError, UsageError)


def test_a_status_error_says_itself_whether_it_is_retried() -> None:
    """404 and 503 are one class."""
    assert not StatusError("404", 404).retryable
    assert StatusError("503", 503, True).retryable
    assert StatusError("404", 404).retry_after is None
