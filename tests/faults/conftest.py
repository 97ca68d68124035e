"""What the fault tests share."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.sites.site import Site


@pytest.fixture
def site() -> Iterator[Site]:
    """A loopback site of its own, which no thread serves any more when the test has ended.

    A thread that still waits in accept() when its socket is closed may be restarted by the kernel with
    the descriptor's number, which is then that of the next test's site: one test in six lost a page so.
    """
    with Site() as running:
        yield running
        running.listener.shutdown(socket.SHUT_RDWR)
