"""Changes: what is different between two outputs of one list, as a feed for those who want only the news.

comparing   two records of one page -> what has happened to it
feed        two outputs -> the changes, one JSON line each
"""

from __future__ import annotations

from parascrape.changes.comparing import KINDS, Change
from parascrape.changes.feed import ChangeCounts, find_changes, write_changes

__all__ = ["KINDS", "Change", "ChangeCounts", "find_changes", "write_changes"]
