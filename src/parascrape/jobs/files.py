"""A file that a job wrote: whether it is still that, and its compressed form."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
from pathlib import Path

from parascrape.jobs.history import Output, place_of

__all__ = ["CHANGED", "fault_of", "packed_path", "part_path", "write_packed"]

CHANGED = "it has been changed since the job wrote it, and is not its own any more"

_CHUNK = 1 << 20  # bytes compressed at once
_LEVEL = 6


def fault_of(output: Output) -> str | None:
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


def part_path(path: Path) -> Path:
    """Where the compressed file is written before it has its name."""
    return path.with_name(f".{path.name}.gz.part")


def write_packed(output: Output, part: Path) -> os.stat_result:
    """What the compressed file is like, which is on the disk under the name ``part``. Raises OSError."""
    with open(output.path, "rb") as source, open(part, "wb") as raw:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as target:
            shutil.copyfileobj(source, target, _CHUNK)
        if source.tell() != output.size:
            raise OSError(0, "it has grown meanwhile")
        raw.flush()
        os.fsync(raw.fileno())
    shutil.copymode(output.path, part)
    os.utime(part, ns=(output.modified, output.modified))
    return os.stat(part)
