"""Scrapers: top-level functions ``Page -> dict`` (or dicts); how one is named, found and checked."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
