"""SIGINT and SIGTERM while a command harvests."""

from __future__ import annotations

import signal
from typing import Any, Self

from parascrape.crawler import Stop

__all__ = ["Signals"]


class Signals:
    """SIGINT and SIGTERM, handled while this is entered; ``numbers`` are those that came.

    As long as the output is being read, which takes half a minute for some millions of records, the first
    raises KeyboardInterrupt; when ``harvesting`` they ask the harvest to end.
    """

    def __init__(self, stop: Stop) -> None:
        self.numbers: list[int] = []
        self.harvesting = False
        self._stop = stop
        self._before: dict[int, Any] = {}

    def _take(self, number: int, _: Any) -> None:
        self.numbers.append(number)
        if self.harvesting:
            self._stop.ask()
        elif len(self.numbers) == 1:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
