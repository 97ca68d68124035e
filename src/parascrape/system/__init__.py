"""The machine below: files replaced whole, locks, signals, processes, memory, SQLite, quantities, printable text."""

from __future__ import annotations

__all__: list[str] = []
