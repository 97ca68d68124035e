"""Recorded sites, replayed on loopback."""

from __future__ import annotations

__all__: list[str] = []
