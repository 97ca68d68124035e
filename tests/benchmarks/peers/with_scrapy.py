"""Scrapy, set as its pages on optimization and broad crawls say: ``LIST OUTPUT CONCURRENCY``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response

__all__ = ["Articles", "main"]


class Articles(scrapy.Spider):
    """Title and text of the first article of every URL of a list."""

    name = "articles"
    urls = ""

    async def start(self) -> AsyncIterator[Any]:
        for url in Path(self.urls).read_text().split():
            yield scrapy.Request(url, dont_filter=True)

    def parse(self, response: Response) -> Iterator[dict[str, str]]:
        yield {
            "url": response.url,
            "title": response.xpath("string(//title)").get(),
            "content": response.xpath("string(//article)").get(),
        }


def main(urls: str, output: str, concurrency: str) -> None:
    """Scrape the list ``urls`` into the JSONL file ``output``, ``concurrency`` fetches at once."""
    settings = {
        "FEEDS": {output: {"format": "jsonlines", "encoding": "utf-8"}},
        "CONCURRENT_REQUESTS": int(concurrency),
        "CONCURRENT_REQUESTS_PER_DOMAIN": int(concurrency),
        "DOWNLOAD_DELAY": 0,
        "SCRAPER_SLOT_MAX_ACTIVE_SIZE": 50_000_000,
        "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
        "LOG_LEVEL": "ERROR",
        "COOKIES_ENABLED": False,
        "RETRY_ENABLED": False,
        "REDIRECT_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "TELNETCONSOLE_ENABLED": False,
        "MEMUSAGE_ENABLED": False,
    }
    process = CrawlerProcess(settings)
    process.crawl(Articles, urls=urls)
    process.start()


if __name__ == "__main__":
    main(*sys.argv[1:4])
