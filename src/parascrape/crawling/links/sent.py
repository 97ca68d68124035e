"""What this process has already handed to the parent: links that need not cross a second time.

A link counts as sent when the thread that found it begins another page: then the outcome that held it has
left this thread. A thread that is given up, or a process that dies, takes along what it had not handed over.
A link is sent once more where a page nearer to the start leads to it: its depth is then another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

__all__ = ["MAX_SENT", "Sent"]

MAX_SENT = 200_000
"""Links that are remembered, 130 bytes each; then all are forgotten, and cross once more."""

_Sender = tuple[int, int]  # a page's key and depth


class Sent:
    """The links of one crawl that have been sent, each with the page that sent it. For all threads."""

    def __init__(self) -> None:
        self._senders: dict[int, _Sender] = {}
        self._own = threading.local()

    def unsent(self, page: int, depth: int, links: Iterable[int]) -> set[int]:
        """Those of the links (64-bit keys) that no other page of this depth or less has sent.

        A page that is asked for again sends again what it sent before.
        """
        self._settle(page)
        senders = self._senders
        new: set[int] = set()
        for link in links:
            sender = senders.get(link)
            if sender is None or sender[0] == page or sender[1] > depth:
                new.add(link)
        self._own.sending = ((page, depth), new)
        return new

    def take_back(self) -> None:
        """The last page of this thread has no outcome that counts: what it was to send is not sent."""
        self._own.sending = None

    def _settle(self, page: int) -> None:
        """What this thread's last page sent is sent, unless this is that page again."""
        sender, links = getattr(self._own, "sending", None) or ((page, 0), ())
        if sender[0] == page:
            return
        if len(self._senders) + len(links) > MAX_SENT:
            self._senders = {}
        senders = self._senders
        for link in links:
            known = senders.get(link)
            if known is None or known[1] > sender[1]:
                senders[link] = sender
