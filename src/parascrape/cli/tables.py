"""Plain tables and JSON on standard output."""

from __future__ import annotations

import errno
import io
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from parascrape.errors import UsageError
from parascrape.system import printable

_WIDTH = 100  # columns if standard output is not a terminal
_LEAST_TEXT = 20  # columns of the first column on the narrowest screen


def host_name(key: str) -> str:
    """Return the host without the default port of its scheme.

    >>> host_name("https://example.org:443"), host_name("http://example.org:443")
    ('https://example.org', 'http://example.org:443')
    """
    ports = {"http:": ":80", "https:": ":443"}
    return printable(key.removesuffix(ports.get(key.partition("//")[0], "\n")))


def make_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table without rules: a first column of text, cut to fit the screen, and columns of numbers."""
    from rich.console import Console
    from rich.table import Table

    whole = [*map(list, rows)]
    cells = [[*name.split("\n"), *column] for name, *column in zip(columns, *whole, strict=True)]
    numbers = sum(2 + max(map(len, column)) for column in cells[1:])
    width = max(_LEAST_TEXT + numbers, shutil.get_terminal_size((_WIDTH, 24)).columns)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    table.add_column(
        columns[0], no_wrap=True, overflow="ellipsis", vertical="bottom", max_width=width - numbers
    )
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True, vertical="bottom")
    for row in whole:
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(table, markup=False, highlight=False)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def to_json(value: Any) -> str:
    """Return one line of JSON; named tuples become objects, NaN and infinity null."""
    import orjson

    return orjson.dumps(_plain(value)).decode()


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def write_out(text: str) -> int:
    """Write the text to standard output; return 0, or 141 if the reader has closed the pipe."""
    if sys.stdout is None:
        raise UsageError("there is no standard output")
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise UsageError(f"standard output: {error.strerror}") from None
        sys.stdout = None  # or Python reports at exit that it cannot be flushed
        return 141
    return 0
