"""Executors: where calls run. Each is a `concurrent.futures.Executor`, and they are interchangeable.

Waiting is for threads, computing for processes; a task is a top-level function that is complete in
its arguments and its value. A task that raises fails its future with `TaskError`, in every mode.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
