"""What a fetch is given beside its URL and settings, and what it records. Imports no network library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from parascrape.records import Meta

TransferHook = Callable[[Callable[[Any], None], Any], None]
"""Called with what performs a transfer, and with libcurl's handle; it must perform it."""


class NetworkOptions(NamedTuple):
    """How hosts are reached, where that is not by their own addresses and the usual authorities.

    ``connect_to`` leads connections elsewhere, host names kept: libcurl's ``HOST:PORT:HOST:PORT``, several
    separated by commas. No proxy is used then, and addresses are not checked, as they are not the hosts'.
    ``ca_file`` names the only authorities whose certificates are trusted (PEM); empty: the usual ones.
    ``resolve`` holds known addresses, ``NAME:PORT:ADDRESS`` as in CURLOPT_RESOLVE(3).
    """

    connect_to: str = ""
    ca_file: str = ""
    resolve: tuple[str, ...] = ()


DIRECT = NetworkOptions()


class FetchRules(NamedTuple):
    """How one URL is fetched, beyond the settings.

    Without ``follow_redirects`` an answer that leads to another URL is a `Redirected`. An answer must be
    of one of the ``content_types`` (media types in lower case; one that ends in ``/`` stands for all below
    it), or of none; the bodies of others are not read. Empty: any. ``found_on`` is the page that links here.
    The other three take the place of the settings' values, where given.
    """

    follow_redirects: bool = True
    content_types: tuple[str, ...] = ()
    found_on: str = ""
    max_redirects: int | None = None
    timeout: float | None = None
    max_bytes: int | None = None
    accept: str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


NO_RULES = FetchRules()


@dataclass(slots=True)
class FetchTrace:
    """The trace of a fetch, also of one that fails. Times are seconds, summed over redirects.

    ``meta`` gets status, final_url, redirects, bytes, validators and hash. ``hook`` sees each transfer.
    ``release_body`` ends the count of the body against the memory that bodies may hold together.
    """

    meta: Meta = field(default_factory=lambda: Meta())
    connect: float = 0.0
    first_byte: float = 0.0
    transfer: float = 0.0
    inflate: float = 0.0
    hook: TransferHook | None = None
    release_body: Callable[[], None] | None = None

    def add_transfer(self, connected: float, answered: float, ended: float) -> None:
        """Add a transfer: seconds from its start until its request could be sent, until the first byte of
        the answer, and until the end, as libcurl counts them; 0.0 for what was not reached.
        """
        connected = connected or ended
        answered = max(answered or ended, connected)
        self.connect += connected
        self.first_byte += answered - connected
        self.transfer += max(0.0, ended - answered)

    def release(self) -> None:
        """Release the body's memory: its page is done."""
        if self.release_body is not None:
            self.release_body()
            self.release_body = None
