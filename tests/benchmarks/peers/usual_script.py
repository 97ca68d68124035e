"""The usual hand-written script: a pool of four processes, requests, BeautifulSoup on html.parser."""

from __future__ import annotations

import json
import sys
from multiprocessing import Pool
from pathlib import Path

import requests
from bs4 import BeautifulSoup

__all__ = ["main", "scrape"]


def scrape(url: str) -> dict[str, str]:
    """The record of one URL."""
    response = requests.get(url, timeout=30)
    soup = BeautifulSoup(response.text, "html.parser")
    title, article = soup.find("title"), soup.find("article")
    return {
        "url": url,
        "title": title.get_text() if title else "",
        "content": article.get_text() if article else "",
    }


def main(urls: str, output: str) -> None:
    """Scrape the list ``urls`` into the JSONL file ``output``."""
    with Pool(4) as pool:
        records = pool.map(scrape, Path(urls).read_text().split())
    with open(output, "w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
