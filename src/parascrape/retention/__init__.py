"""Retention: which outputs of a job stay, which are compressed, and which go.

    history.outputs --> what is there and ours --> by count and age --> compressed --> by size
                                                         |                               |
                                                         +----------> removed <----------+

Only files go that the history says the job wrote and that are still as it wrote them. Each step leaves
either what was there or what is to be there: whoever is killed in between loses nothing that should be
kept, and the next sweep goes on.
"""

from __future__ import annotations

from parascrape.retention.policy import Policy
from parascrape.retention.sweeping import Swept, sweep

__all__ = ["Policy", "Swept", "sweep"]
