"""Executors of threads or processes, interchangeable: each is a `concurrent.futures.Executor`.

Threads are for waiting, processes for computing. A task is a top-level function that depends on its
arguments only. If it raises, its future fails with a `TaskError`, in every mode.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
