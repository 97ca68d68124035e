"""A spider as Scrapy's documentation writes them: a record for each URL of ``-a listed=FILE``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scrapy

__all__ = ["Titles"]


class Titles(scrapy.Spider):
    """The title of every page of a list."""

    name = "titles"
    custom_settings = {"ROBOTSTXT_OBEY": False, "RETRY_ENABLED": False}  # noqa: RUF012 (as Scrapy wants it)

    async def start(self) -> Any:
        """A request for every line."""
        for url in Path(self.listed).read_text().split():
            yield scrapy.Request(url)

    def parse(self, response: Any) -> Iterator[dict[str, Any]]:
        """The page's record."""
        yield {"url": response.url, "title": response.css("title::text").get()}
