"""A bound on CPU time that only a quadratic algorithm exceeds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

LIMIT = 20
"""CPU seconds of one thread; linear work on a megabyte takes less than one, quadratic work minutes."""


@contextmanager
def linear_time() -> Iterator[None]:
    """Fail if the body of the ``with`` statement takes quadratic time."""
    began = time.thread_time()
    yield
    assert time.thread_time() - began < LIMIT
