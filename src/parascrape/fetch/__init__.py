"""The transport below requests: an adapter over libcurl, and what bounds and decodes what it brings.

curl     the adapter that a session mounts; handles: how each transfer is set up
multi    all transfers of a session on one thread at a time; budget: bytes that bodies may hold
errors   libcurl's error codes; inflate: content codings
"""

from __future__ import annotations

from parascrape.fetch.adapter import CurlAdapter, open_session

__all__ = ["CurlAdapter", "open_session"]
