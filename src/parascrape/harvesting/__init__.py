"""One harvest: from a list's entries to outcomes, in threads or processes.

harvest     the entry points `crawl` and `harvest`, and the loop that fills workers and judges outcomes
in_flight   worker groups and the visits they have; worker: one attempt at a URL; auto_mode: the mode's choice
timings     where time went; bottleneck: what limits a run; estimate: before a harvest; audit: after it
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
