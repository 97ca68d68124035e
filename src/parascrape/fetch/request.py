"""What a fetch is given beside the URL. Light: it imports no network library."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FetchRules"]


class FetchRules(NamedTuple):
    """How one URL is fetched, beyond the settings.

    Without ``follow_redirects`` an answer that leads to another URL is a `Redirected`. An answer must be
    of one of the ``content_types`` (media types in lower case; one that ends in ``/`` stands for all below
    it), or of none; the bodies of others are not read. Empty: any. ``found_on`` is the page that links here.
    """

    follow_redirects: bool = True
    content_types: tuple[str, ...] = ()
    found_on: str = ""
