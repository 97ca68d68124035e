"""Operating system helpers: atomic file replacement, locks, signals, memory, SQLite, safe text."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
