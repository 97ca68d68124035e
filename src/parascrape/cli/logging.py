"""The log of a run: every worker's lines in one file, and on stderr with --verbose."""

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

__all__ = ["log_line", "logging_to", "open_log"]


@contextmanager
def logging_to(handlers: list[logging.Handler], display: Display, progress: Progress) -> Iterator[None]:
    """All workers' log lines to these handlers, and to stderr with --verbose."""
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
    """The log file, to be appended to; without a path what takes log lines and keeps none."""
    if not path:
        return logging.NullHandler()
    try:
        return logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


class _Said(logging.Handler):
    """Log lines above the progress line."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.say(self.format(record))


_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"


class _Formatter(logging.Formatter):
    """Lines without control characters or passwords: they hold what strangers' pages and lists say."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines()
        return "\n    ".join(printable(redact(line), 4000) for line in lines)


class _JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, thread, logger, message; without passwords."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = redact(super().format(record))
        return log_line(at, record.levelname, message, logger=record.name, thread=record.threadName or "")


def log_line(time: str, level: str, message: str, **more: str) -> str:
    """A log line as JSON; ASCII, so that no control character of a stranger's reaches a terminal."""
    return json.dumps({"time": time, "level": level, **more, "message": message[:4000]})
