"""URLs, robots.txt and documents as the standards have them; pure, without I/O."""

from __future__ import annotations

__all__: list[str] = []
