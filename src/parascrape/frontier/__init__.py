"""The frontier: what may be fetched now, and everything that is known of hosts to decide it.

frontier     what the harvest talks to: entries in, visits out
host_queues  each host's queue; turns: whose turn it is; origins: who waits for a robots.txt
hosts        a host's state; backing_off: its health; politeness: the limits
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
