"""The demo site: eight hosts, about four hundred pages, and what the harvest is to make of them."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache, partial

from parascrape.loopback.demo import faults, forum, manual, pages, shop
from parascrape.loopback.demo.pages import Paper
from parascrape.loopback.demo.route import Route

__all__ = ["HOSTS", "expected", "listing", "routes"]

HOSTS = 8

_PAPERS = (
    Paper(
        host=0,
        name="The Harbour Courier",
        publisher="Harbour Courier Press",
        domain="www.harbour-courier.example",
        language="en",
        encoding="utf-8",
        articles=84,
    ),
    Paper(
        host=4,
        name="港町日報",
        publisher="港町日報社",
        domain="www.minatomachi-nippo.example",
        language="ja",
        encoding="utf-8",
        articles=34,
    ),
    Paper(
        host=5,
        name="白川新報",
        publisher="㈱白川新報社",  # U+3231 is in cp932 and not in JIS X 0208
        domain="www.shirakawa-shimpo.example",
        language="ja",
        encoding="shift_jis",
        articles=30,
    ),
    Paper(
        host=6,
        name="鳴海タイムス",
        publisher="鳴海タイムス社",
        domain="www.narumi-times.example",
        language="ja",
        encoding="euc-jp",
        articles=30,
    ),
)
_ROBOTS = {3: forum.ROBOTS, 7: faults.ROBOTS}


@lru_cache(maxsize=1)
def routes() -> dict[tuple[int, str], Route]:
    """Every route of every host, robots.txt and the unlisted ones too, by host and path."""
    found = [route for paper in _PAPERS for route in pages.routes(paper)]
    found += shop.routes(1) + manual.routes(2) + forum.routes(3) + faults.routes(7)
    found += [_robots(host) for host in range(HOSTS)]
    return {(route.host, route.path): route for route in found}


def _robots(host: int) -> Route:
    text = _ROBOTS.get(host, "User-agent: *\nAllow: /\n")
    return Route(
        host=host, path="/robots.txt", text=partial(str, text), content_type="text/plain", listed=False
    )


def listing() -> list[tuple[int, str]]:
    """Host and path of every URL to harvest, the hosts evenly interleaved, always in the same order."""
    ranks: list[tuple[float, int, str]] = []
    for host in range(HOSTS):
        paths = [route.path for route in routes().values() if route.host == host and route.listed]
        ranks += [((index + 0.5) / len(paths), host, path) for index, path in enumerate(paths)]
    return [(host, path) for _, host, path in sorted(ranks)]


def expected() -> dict[str, int]:
    """How many records the default settings (article, two retries) give: ``ok`` and each error code.

    The counts add up to ``len(listing())``: each URL gives one record.
    """
    outcomes = Counter(routes()[key].outcome or "ok" for key in listing())
    return dict(outcomes)
