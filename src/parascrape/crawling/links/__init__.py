"""What pages, sitemaps and feeds link to."""

from __future__ import annotations

__all__: list[str] = []
