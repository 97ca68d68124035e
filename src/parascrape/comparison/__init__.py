"""Comparing strategies: the same list under each, measured fairly, with the reason why one wins.

list -> sampling -> (a recording and its twin) -> runs (measuring) -> differences -> figures
                                                                         |
     table, HTML page, JSON  <-  verdict  <-  bounds  <-  stages  <------+
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
