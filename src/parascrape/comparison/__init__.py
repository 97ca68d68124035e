"""Comparison of strategies: the same list under each, measured fairly, with the reason why one wins.

list -> sample -> recording and replay server -> runs -> differences -> statistics -> verdict -> report
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
