"""trafilatura's own command on a list, without its waits and its guard against loopback: ``LIST OUTPUT``.

It downloads in threads and extracts in one; it writes a file a page, which are joined afterwards.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import trafilatura

__all__ = ["main"]


def main(urls: str, output: str) -> None:
    """Extract the pages of the list ``urls`` into the JSONL file ``output``."""
    command = Path(sys.executable).with_name("trafilatura")
    settings = Path(trafilatura.__file__).with_name("settings.cfg").read_text()
    settings = settings.replace("SLEEP_TIME = 5.0", "SLEEP_TIME = 0")
    settings = settings.replace("SSRF_PROTECTION = on", "SSRF_PROTECTION = off")
    with tempfile.TemporaryDirectory() as work:
        config, results = Path(work, "settings.cfg"), Path(work, "results")
        config.write_text(settings)
        options = [
            "--parallel",
            str(os.cpu_count()),
            "--json",
            "--with-metadata",
            "--config-file",
            str(config),
        ]
        subprocess.run([command, "-i", urls, "-o", results, *options], check=True)
        with open(output, "w", encoding="utf-8") as file:
            for path in results.rglob("*.json"):
                page = json.loads(path.read_text(encoding="utf-8"))
                record = {"url": page["source"], "title": page["title"], "content": page["text"]}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
