"""Comparing strategies: the same list under each, measured fairly, with the reason why one wins.

list -> sampling -> (a recording and its twin) -> runs (measuring) -> differences -> figures
                                                                         |
     table, HTML page, JSON  <-  verdict  <-  bounds  <-  stages  <------+
"""

from __future__ import annotations

from parascrape.comparison.strategies import Strategy, default_strategies, parse_strategies

__all__ = ["Strategy", "default_strategies", "parse_strategies"]
