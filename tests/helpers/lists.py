"""Lists of URLs from files and from standard input, for tests."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from parascrape.files import read_lists
from parascrape.records import Entry

Write = Callable[..., str]


def feed_stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let standard input give these bytes."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))


def read(*sources: str, **options: Any) -> list[Entry]:
    """Return the entries of the lists."""
    return list(read_lists(sources, **options))
