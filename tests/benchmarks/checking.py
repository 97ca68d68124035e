"""Whether a peer did the work: the same URLs, the same titles, and about as much text as the others."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .pages import fold

__all__ = ["WrongResult", "check_contents", "check_records", "check_titles", "check_urls", "read"]


class WrongResult(Exception):
    """A peer did not do the work that its time is taken for; no ratio is printed."""


def read(output: Path) -> list[dict[str, Any]]:
    """The records of a JSONL file; none where there is no file."""
    if not output.exists():
        return []
    with output.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def check_urls(peer: str, records: list[dict[str, Any]], expected: Mapping[str, str]) -> None:
    """Exactly one record for every URL. Raises WrongResult."""
    counted = Counter(record["url"] for record in records)
    if missing := expected.keys() - counted.keys():
        raise WrongResult(f"{peer}: {len(missing)} URLs have no record, such as {min(missing)}")
    if extra := counted.keys() - expected.keys():
        raise WrongResult(
            f"{peer}: {len(extra)} records of URLs that were not asked for, such as {min(extra)}"
        )
    if twice := [url for url, count in counted.items() if count > 1]:
        raise WrongResult(f"{peer}: {len(twice)} URLs have several records, such as {twice[0]}")


def check_titles(peer: str, output: Path, expected: Mapping[str, str]) -> int:
    """Characters of text in all records, when every URL has one record with its page's title.

    ``expected`` is URL -> title, white space folded. Raises WrongResult.
    """
    return check_records(peer, read(output), expected)


def check_records(peer: str, records: list[dict[str, Any]], expected: Mapping[str, str]) -> int:
    """As `check_titles`, for records that were read. Raises WrongResult."""
    check_urls(peer, records, expected)
    for record in records:
        title, right = fold(str(record.get("title", ""))), expected[record["url"]]
        if title != right:
            raise WrongResult(f"{peer}: {record['url']} has the title {title!r}, not {right!r}")
    return sum(len("".join(str(record.get("content") or "").split())) for record in records)


def check_contents(characters: Mapping[str, int]) -> None:
    """Every peer's text is at least half of the median peer's. Raises WrongResult.

    Half, because peers differ in whether the code of a script within an article is text.
    """
    middle = statistics.median(characters.values())
    for peer, count in characters.items():
        if count < middle / 2:
            raise WrongResult(f"{peer}: {count} characters of text, where the median peer has {middle:.0f}")
