"""The crawl as a library: start URLs in, records out. A script calls `crawl_site`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from parascrape import records
from parascrape.crawling import CrawlLimits, SiteCrawl, StartUrls
from parascrape.crawling.links.discover import LinkDiscovery
from parascrape.crawling.links.rules import LinkRules, Scope, hosts_of
from parascrape.errors import InvalidUrl, UsageError
from parascrape.executors import refuse_during_import
from parascrape.harvesting import HarvestHooks, harvest
from parascrape.scrapers import check_scraper
from parascrape.settings import Settings
from parascrape.web import prepare

__all__ = ["crawl_site"]


def crawl_site(
    starts: Iterable[str],
    settings: Settings | None = None,
    plan: CrawlLimits | None = None,
    *,
    links: bool = True,
) -> Iterator[dict[str, Any]]:
    """The records of these pages and of all they lead to, as they are finished; by default on their hosts.

    ``plan`` says how far it goes. Without ``links`` it goes only where the scraper says (`follow`). Leaving
    the loop early ends the crawl. Its frontier is in a temporary file: only the command can go on later.

    Raises:
        UsageError: at once, where a start URL, the settings or the scraper cannot work.
    """
    if isinstance(starts, str):
        raise UsageError("starts: a string, not URLs; write [url] for a single one")
    try:
        urls = [prepare(url) for url in starts]
    except InvalidUrl as error:
        raise UsageError(f"starts: {error}") from None
    settings = settings or Settings()
    refuse_during_import()
    check_scraper(settings.scraper, settings.mode, settings.select)
    plan = plan or CrawlLimits(scope=Scope(hosts=hosts_of(urls)))
    rules = LinkRules(scope=plan.scope, identity=plan.identity, user_agent=settings.user_agent)
    site_crawl = SiteCrawl(StartUrls(urls), plan, LinkDiscovery(rules=rules, links=links), settings)
    return _records(site_crawl, settings)


def _records(site_crawl: SiteCrawl, settings: Settings) -> Iterator[dict[str, Any]]:
    hooks = site_crawl.watch(HarvestHooks())
    try:
        for outcome in harvest(site_crawl.entries(), settings, hooks=hooks):
            yield from (records.parse(line) for line in outcome.lines.splitlines())
    finally:
        site_crawl.close()
