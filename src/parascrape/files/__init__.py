"""Lists in, records out: lists, ledger, sink, previous output, diff, quarantine, duplicates."""

from __future__ import annotations

__all__: list[str] = []
