"""aiohttp, uvloop and lexbor by hand, on one core: ``LIST OUTPUT CONCURRENCY [isal]``.

With ``isal``, aiohttp inflates with that library in zlib's place, as its documentation offers.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import aiohttp
import orjson
import uvloop
from selectolax.lexbor import LexborHTMLParser

__all__ = ["crawl", "extract", "main"]


def extract(url: str, body: bytes) -> bytes:
    """The record of one page, as a line."""
    tree = LexborHTMLParser(body)
    title, article = tree.css_first("title"), tree.css_first("article")
    record = {
        "url": url,
        "title": title.text() if title else "",
        "content": article.text() if article else "",
    }
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


async def work(session: aiohttp.ClientSession, urls: Iterator[str], file: BinaryIO) -> None:
    """Take URLs until there are none left."""
    for url in urls:
        async with session.get(url) as response:
            file.write(extract(url, await response.read()))


async def crawl(urls: list[str], file: BinaryIO, concurrency: int) -> None:
    """Scrape ``urls`` into ``file``, ``concurrency`` fetches at once."""
    connector, jar = aiohttp.TCPConnector(limit=concurrency), aiohttp.DummyCookieJar()
    timeout = aiohttp.ClientTimeout(60)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=timeout) as session:
        shared = iter(urls)
        await asyncio.gather(*(work(session, shared, file) for _ in range(concurrency)))


def main(urls: str, output: str, concurrency: str, inflate: str = "") -> None:
    """Scrape the list ``urls`` into the JSONL file ``output``."""
    if inflate == "isal":
        from isal import isal_zlib

        aiohttp.set_zlib_backend(isal_zlib)
    with open(output, "wb") as file:
        uvloop.run(crawl(Path(urls).read_text().split(), file, int(concurrency)))


if __name__ == "__main__":
    main(*sys.argv[1:5])
