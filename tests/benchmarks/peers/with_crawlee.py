"""Crawlee for Python with its lxml crawler, in memory, nothing persisted: ``LIST OUTPUT CONCURRENCY``.

Its autoscaling starts at the full concurrency; records are written as they come, which is quicker
than its dataset and an export at the end.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import TextIO

import uvloop
from crawlee import ConcurrencySettings, service_locator
from crawlee.configuration import Configuration
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext
from crawlee.storage_clients import MemoryStorageClient

__all__ = ["crawl", "main"]


async def crawl(urls: list[str], file: TextIO, concurrency: int) -> None:
    """Scrape ``urls`` into ``file``."""
    crawler = ParselCrawler(
        concurrency_settings=ConcurrencySettings(
            min_concurrency=concurrency, desired_concurrency=concurrency, max_concurrency=concurrency
        ),
        storage_client=MemoryStorageClient(),
        use_session_pool=False,
        retry_on_blocked=False,
        max_request_retries=0,
        configure_logging=False,
        request_handler_timeout=timedelta(seconds=60),
    )

    @crawler.router.default_handler
    async def handle(context: ParselCrawlingContext) -> None:
        record = {
            "url": context.request.url,
            "title": context.selector.xpath("string(//title)").get(),
            "content": context.selector.xpath("string(//article)").get(),
        }
        file.write(json.dumps(record, ensure_ascii=False) + "\n")

    await crawler.run(urls)


def main(urls: str, output: str, concurrency: str) -> None:
    """Scrape the list ``urls`` into the JSONL file ``output``, ``concurrency`` fetches at once."""
    logging.disable(logging.WARNING)
    service_locator.set_configuration(Configuration(purge_on_start=False))
    with open(output, "w", encoding="utf-8") as file:
        uvloop.run(crawl(Path(urls).read_text().split(), file, int(concurrency)))


if __name__ == "__main__":
    main(*sys.argv[1:4])
