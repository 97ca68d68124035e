"""Log records on their way from a worker process to the parent's handlers, as text."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

__all__ = ["LogSender", "relay_log"]


class LogSender(logging.Handler):
    """Log records sent to the parent, message and traceback already text."""

    def __init__(self, send: Callable[[tuple[Any, ...]], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        attributes = {
            "name": record.name,
            "levelno": record.levelno,
            "levelname": record.levelname,
            "msg": text[:16_000],
            "created": record.created,
            "msecs": record.msecs,
            "threadName": record.threadName,
            "processName": record.processName,
            "process": record.process,
        }
        self._send(("log", attributes))


def relay_log(attributes: dict[str, Any]) -> None:
    """Pass a worker's log record to this process's handlers."""
    logger = logging.getLogger(attributes["name"])
    if logger.isEnabledFor(attributes["levelno"]):
        logger.handle(logging.makeLogRecord(attributes))
