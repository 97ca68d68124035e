"""Log of a run: the lines of all workers in one file, and on standard error with --verbose."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from parascrape.cli.options import Display
from parascrape.cli.report import Progress
from parascrape.errors import UsageError
from parascrape.system import printable
from parascrape.web import redact


@contextmanager
def logging_to(handlers: list[logging.Handler], display: Display, progress: Progress) -> Iterator[None]:
    """Send the log lines of all workers to these handlers, and to standard error with --verbose."""
    if display.verbose:
        handlers.append(_Said(progress))
    root = logging.getLogger()
    level = logging.DEBUG if display.verbose else logging.INFO if display.log_file else logging.CRITICAL
    before = (root.level, root.handlers[:])
    root.setLevel(level)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    root.handlers = handlers
    for handler in handlers:
        handler.setFormatter(_JsonFormatter() if display.log_json else _Formatter(_FORMAT))
    try:
        yield
    finally:
        root.level, root.handlers = before


def open_log(path: str) -> logging.Handler:
    """Return a handler that appends to the file; without a path, one that discards lines."""
    if not path:
        return logging.NullHandler()
    try:
        return logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


class _Said(logging.Handler):
    """Shows log lines above the progress line."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.say(self.format(record))


_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"


class _Formatter(logging.Formatter):
    """Removes control characters and passwords, for lines quote untrusted pages and lists."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines()
        return "\n    ".join(printable(redact(line), 4000) for line in lines)


class _JsonFormatter(logging.Formatter):
    """Writes one JSON object per line: time (RFC 3339, UTC), level, thread, logger, message; no passwords."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = redact(super().format(record))
        return log_line(at, record.levelname, message, logger=record.name, thread=record.threadName or "")


def log_line(time: str, level: str, message: str, **more: str) -> str:
    """Return a log line as JSON, in ASCII, so that no untrusted control character reaches a terminal."""
    return json.dumps({"time": time, "level": level, **more, "message": message[:4000]})
