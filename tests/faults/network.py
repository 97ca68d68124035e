"""A small Internet for one process: run as root of a network and a mount namespace of its own.

``python -m tests.faults.network FOLDER OPTION...`` gives ``lo`` a public address, writes its own /etc/hosts,
harvests the list below, and prints the error code (or "") of every record by its URL's label.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from parascrape.cli import run
from tests.helpers.command import read_records
from tests.sites.site import Site

PUBLIC = "93.184.216.34"
HOSTS = f"""\
127.0.0.1 localhost intranet rebind.example both.example
{PUBLIC} shop.example both.example
"""

LIST = {
    "public": "http://shop.example:{port}/page/1",
    "local name": "http://intranet:{port}/page/2",
    "loopback": "http://127.0.0.1:{port}/page/3",
    "local to public": "http://intranet:{port}/to?where=http://shop.example:{port}/page/4",
    "local to local": "http://intranet:{port}/to?where=http://127.0.0.1:{port}/page/5",
    "one address of two": "http://both.example:{port}/page/6",
    "rebinding": "http://rebind.example:{port}/page/7",
    "redirect to an address": "http://shop.example:{port}/to?where=http://127.0.0.1:{port}/page/8",
    "redirect to a name": "http://shop.example:{port}/to?where=http://rebind.example:{port}/page/9",
    "redirect to a local name": "http://shop.example:{port}/to?where=http://intranet:{port}/page/10",
    "redirect to metadata": "http://shop.example:{port}/to?where=http://169.254.169.254/latest/",
}
"""The last five are refused; where one's connection would be idle already, the list has opened it before."""


def main(folder: str, *options: str) -> None:
    """Print a JSON object: the codes by label, and the paths that were asked for at either address."""
    set_up(Path(folder))
    public, private = Site(PUBLIC), Site("127.0.0.1")
    port = public.listener.getsockname()[1]
    private.listener.close()
    private.listener = socket.create_server(("127.0.0.1", port), backlog=64)
    with public, private:
        urls = {label: url.format(port=port) for label, url in LIST.items()}
        (Path(folder) / "list.txt").write_text("\n".join(urls.values()))
        output = Path(folder) / "out.jsonl"
        run([f"{folder}/list.txt", "-o", str(output), "-q", "--timeout", "20", "--retries", "0", *options])
        codes = {record["url"]: record.get("error", {}).get("code", "") for record in read_records(output)}
        sys.stdout.write(
            json.dumps(
                {
                    "codes": {label: codes[url] for label, url in urls.items()},
                    "public": sorted(path for path, _ in public.log if path.startswith("/page")),
                    "private": sorted(path for path, _ in private.log if path.startswith("/page")),
                }
            )
        )


def set_up(folder: Path) -> None:
    """Addresses and names of this namespace."""
    hosts = folder / "hosts"
    hosts.write_text(HOSTS)
    for command in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "address", "add", f"{PUBLIC}/32", "dev", "lo"],
        ["mount", "--bind", str(hosts), "/etc/hosts"],
    ):
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
