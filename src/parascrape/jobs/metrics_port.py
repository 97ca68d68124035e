"""A small HTTP server that answers GET /metrics, for Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from parascrape.errors import UsageError
from parascrape.jobs.metrics import Metric, render

__all__ = ["serve_metrics"]


@contextmanager
def serve_metrics(address: str, port: int, samples: Callable[[], Iterable[Metric]]) -> Iterator[int]:
    """The port at which ``/metrics`` is served until the end; for port 0 a free one.

    Raises:
        UsageError: nobody can listen there.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds that a slow client may hold a thread
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            found = self.path.split("?")[0] == "/metrics"
            body = render(samples()).encode() if found else b"see /metrics\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing of requests."""

    try:
        server = ThreadingHTTPServer((address, port), Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--metrics-port: cannot listen on {address}:{port}: {reason}") from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
