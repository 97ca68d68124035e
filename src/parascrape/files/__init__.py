"""Lists in, records out: lists, ledger, sink, previous output, diff, quarantine, duplicates."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
