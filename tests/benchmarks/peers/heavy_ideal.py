"""The ideal of heavy parsing: one process a core, pages read from disk, no network: ``LIST OUTPUT ROOT``."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from urllib.parse import urlsplit

from heavy_scraper import extract

__all__ = ["main", "parse"]


def parse(root: str, url: str) -> str:
    """The record of one URL, as a line, from the file that the server would send."""
    text = Path(root, urlsplit(url).path.lstrip("/")).read_text(encoding="utf-8")
    return json.dumps({"url": url, **extract(text)}, ensure_ascii=False)


def main(urls: str, output: str, root: str) -> None:
    """Parse the list ``urls`` into the JSONL file ``output``."""
    listed = Path(urls).read_text().split()
    with Pool(os.cpu_count()) as pool, open(output, "w", encoding="utf-8") as file:
        for line in pool.imap_unordered(partial(parse, root), listed):
            file.write(line + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
