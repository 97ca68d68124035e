"""The rules of retention, as a job states them."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Self

from parascrape.errors import UsageError
from parascrape.jobs.history import OutputFile, place_of
from parascrape.system import did_you_mean, parse_duration, parse_size, printable

__all__ = ["CHANGED", "RetentionPolicy", "fault_of", "packed_path", "write_packed"]


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What stays of a job's outputs; None: that does not matter.

    The last ``keep`` runs (as many rejected ones besides), none older than ``max_age``, and at most
    ``max_size`` bytes in all; those before the last ``compress_after`` runs are gzipped.
    """

    keep: int | None = None
    max_age: timedelta | None = None
    max_size: int | None = None
    compress_after: int | None = None

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """The policy of a table such as ``{"keep": 30, "max_age": "90d", "max_size": "2GB"}``.

        Raises:
            UsageError: naming every key that is unknown or has a value that it cannot have.
        """
        values, faults = {}, []
        for key, value in table.items():
            if key not in _READ:
                faults.append(f"{key}: no such rule{did_you_mean(key, _READ)}")
                continue
            try:
                values[key] = _READ[key](value)
            except ValueError as error:
                faults.append(f"{key}: {error}")
        if faults:
            raise UsageError(printable("; ".join(faults), 2000))
        return cls(**values)


def _read_count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{value!r} is no whole number from 1")
    return value


_READ: dict[str, Callable[[Any], Any]] = {
    "keep": _read_count,
    "max_age": parse_duration,
    "max_size": parse_size,
    "compress_after": _read_count,
}


CHANGED = "it has been changed since the job wrote it, and is not its own any more"

_CHUNK = 1 << 20  # bytes compressed at once
_LEVEL = 6


def fault_of(output: OutputFile) -> str | None:
    """Why the file may not be touched; empty where it may, None where there is no file."""
    try:
        status = os.lstat(output.path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.strerror or str(error)
    if place_of(output.path) != output.path:
        return "its folder is a symbolic link now"
    as_written = (status.st_size, status.st_mtime_ns) == (output.size, output.modified)
    return "" if as_written and stat.S_ISREG(status.st_mode) else CHANGED


def packed_path(path: Path) -> Path:
    """The name of the compressed file."""
    return path.with_name(path.name + ".gz")


def write_packed(output: OutputFile, raw: IO[bytes]) -> os.stat_result:
    """Write the compressed output to a named file, and return that file's status. Raises OSError."""
    with open(output.path, "rb") as source:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as target:
            shutil.copyfileobj(source, target, _CHUNK)
        if source.tell() != output.size:
            raise OSError(0, "it has grown meanwhile")
    raw.flush()
    shutil.copymode(output.path, raw.name)
    os.utime(raw.name, ns=(output.modified, output.modified))
    return os.stat(raw.name)
