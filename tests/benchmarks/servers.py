"""The server of a run, as a context manager: nginx where it is installed, else `site_server`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Server", "asyncio_server", "nginx_server", "serve"]

# gzip_static: bodies compressed beforehand; the pages stay in the page cache, so a request is two sends.
NGINX = """daemon off; pid {work}/nginx.pid; worker_processes auto; error_log {work}/error.log; {user}
events {{ worker_connections 8192; multi_accept on; }}
http {{
  types {{ text/html html; }} charset utf-8; access_log off; server_tokens off;
  sendfile on; tcp_nopush on; tcp_nodelay on; gzip off; gzip_static on;
  keepalive_requests 10000000; keepalive_timeout 600; open_file_cache max=20000 inactive=1h;
  client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
  uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Server:
    """A running server: its name with version, the port on 127.0.0.1 (and further addresses), its process."""

    name: str
    port: int
    pid: int

    def base(self, host: int = 1) -> str:
        """The URL's beginning for 127.0.0.``host``."""
        return f"http://127.0.0.{host}:{self.port}"

    def take_counts(self) -> dict[str, float]:
        """What `site_server` counted since last asked: pages, peak in flight, seconds first to last."""
        with urllib.request.urlopen(f"{self.base()}/-/counts", timeout=10) as answer:
            counts: dict[str, float] = json.load(answer)
        return counts


@contextmanager
def serve(root: Path, prefer_nginx: bool = True) -> Iterator[Server]:
    """Whichever server is the quicker of those there are, for one host without latency."""
    with nginx_server(root) if prefer_nginx and shutil.which("nginx") else asyncio_server(root) as server:
        yield server


@contextmanager
def nginx_server(root: Path) -> Iterator[Server]:
    """nginx with a configuration of its own, in a directory of its own."""
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as work:
        port = _free_port()
        user = "user root;" if os.geteuid() == 0 else ""  # else it would become nobody, who may not read
        config = Path(work, "nginx.conf")
        config.write_text(NGINX.format(work=work, port=port, root=root.resolve(), user=user))
        process = subprocess.Popen(["nginx", "-e", f"{work}/error.log", "-p", work, "-c", config])
        try:
            _wait_for(port, process)
            yield Server(version.strip().removeprefix("nginx version: "), port, process.pid)
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def asyncio_server(root: Path, hosts: int = 1, latency: float = 0.0, dead: bool = False) -> Iterator[Server]:
    """`site_server` in a process of its own, on 127.0.0.1 to 127.0.0.``hosts``; the next one is dead."""
    script = Path(__file__).with_name("site_server.py")
    command = [sys.executable, str(script), str(root), f"--hosts={hosts}", f"--latency={latency}"]
    command += ["--dead"] if dead else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit("the benchmark's server did not start: its reason stands above")
        yield Server("asyncio", int(line), process.pid)
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    """Return when something listens at ``port``. Raises SystemExit where the process ended instead."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise SystemExit("nginx did not start: its reason stands above")
