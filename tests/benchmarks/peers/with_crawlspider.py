"""Scrapy's CrawlSpider over one site, set as its page on broad crawls says: ``START OUTPUT CONCURRENCY``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urldefrag, urlsplit

from scrapy import Request
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response
from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import CrawlSpider, Rule

__all__ = ["Manual", "main"]


class Manual(CrawlSpider):
    """The title of every page that links lead to on the start URL's host."""

    name = "manual"
    rules = (Rule(LinkExtractor(), callback="parse_page", follow=True),)

    async def start(self) -> AsyncIterator[Any]:
        for url in self.start_urls:
            yield Request(url)  # not `dont_filter`, or the first page is fetched twice

    def parse_start_url(self, response: Response, **_: object) -> Iterator[dict[str, str | None]]:
        return self.parse_page(response)

    def parse_page(self, response: Response) -> Iterator[dict[str, str | None]]:
        yield {"url": urldefrag(response.url).url, "title": response.xpath("string(//title)").get()}


def main(start: str, output: str, concurrency: str) -> None:
    """Crawl from the URL in the file ``start`` into the JSONL file ``output``, so many fetches at once."""
    with open(start) as file:
        url = file.read().strip()
    settings = {
        "FEEDS": {output: {"format": "jsonlines", "encoding": "utf-8"}},
        "CONCURRENT_REQUESTS": int(concurrency),
        "CONCURRENT_REQUESTS_PER_DOMAIN": int(concurrency),
        "DOWNLOAD_DELAY": 0,
        "AUTOTHROTTLE_ENABLED": False,
        "SCRAPER_SLOT_MAX_ACTIVE_SIZE": 50_000_000,
        "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
        "LOG_LEVEL": "ERROR",
        "COOKIES_ENABLED": False,
        "RETRY_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "TELNETCONSOLE_ENABLED": False,
        "MEMUSAGE_ENABLED": False,
    }
    process = CrawlerProcess(settings)
    process.crawl(Manual, start_urls=[url], allowed_domains=[urlsplit(url).hostname])
    process.start()


if __name__ == "__main__":
    main(*sys.argv[1:4])
