"""SIGINT and SIGTERM while a command harvests."""

from __future__ import annotations

from parascrape.harvesting.harvests import Stop
from parascrape.system.signals import SignalTaker

__all__ = ["Signals"]


class Signals(SignalTaker):
    """SIGINT and SIGTERM, handled while this is entered; ``numbers`` are those that came.

    As long as the output is being read, which takes half a minute for some millions of records, the first
    raises KeyboardInterrupt; when ``harvesting`` they ask the harvest to end.
    """

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self.harvesting = False
        self._stop = stop

    def take(self, number: int) -> None:
        """Ask the harvest to end, or raise KeyboardInterrupt."""
        if self.harvesting:
            self._stop.ask()
        elif len(self.numbers) == 1:
            raise KeyboardInterrupt
