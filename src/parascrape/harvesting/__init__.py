"""One harvest: the loop that fills workers from the frontier and takes their outcomes.

loop        what happens next; in_flight: the visits that workers have
changing    crews of workers, and mode auto; choosing: whether processes pay; mainscript: whether they may
manners     what the settings owe to hosts; neighbours: other runs on this machine
"""

from __future__ import annotations

from parascrape.harvesting.loop import Loop, Stop

__all__ = ["Loop", "Stop"]
