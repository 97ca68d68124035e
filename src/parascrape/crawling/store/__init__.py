"""The known URLs of a crawl, in an SQLite file."""

from __future__ import annotations

__all__: list[str] = []
