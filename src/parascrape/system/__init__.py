"""The machine: whole files, locks, signals, processes, memory, SQLite, quantities, printable text."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
