"""Admission of found links to a crawl: by its limits they become known URLs, or are counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from parascrape.crawling.link_graph import read_edges
from parascrape.crawling.links.discover import CrawlInfo
from parascrape.crawling.links.rules import Scope, hosts_of
from parascrape.crawling.links.sitemaps import MAX_INDEX_DEPTH
from parascrape.crawling.links.url_patterns import identity_of
from parascrape.crawling.store.keys import NewUrl, url_key
from parascrape.crawling.store.url_store import UrlStore
from parascrape.crawling.traps import TRAP_BUDGET, Traps
from parascrape.errors import InvalidUrl, UsageError
from parascrape.scrapers import DiscoveredLinks, FollowRequest
from parascrape.web import AS_SENT, CanonicalOptions, domain_of, prepare, site_of

MAX_REDIRECTS = 10  # redirects in a row that are followed for checked links: each may lead to a new URL
_RECENT = 200_000  # URLs that are skipped when found again, 20 MB: most links are on all pages of a site
_EXAMPLES = 3
_CHECKED = ("host", "include")  # reasons that keep a link out of the crawl, but do not forbid a check


@dataclass(frozen=True, kw_only=True, slots=True)
class CrawlLimits:
    """Which of the found URLs are fetched. Counts are pages, 0 means no limit.

    ``depth`` counts links from a start URL or a sitemap's page; None: no limit. ``budgets`` are beginnings of
    URLs, each with its number of pages. ``best_first``: the order is by the links' ranks, not by depth.
    ``trap_budget`` is how many pages a suspected trap may have (`Traps`). ``sitemaps``: read those that
    robots.txt names. ``edges``: keep the pages' links. ``checks``: check links that are not followed, those
    of the ``site`` or ``all``; empty: none.

    Raises:
        UsageError: a value is out of range.
    """

    scope: Scope
    depth: int | None = None
    max_pages: int = 0
    max_per_host: int = 0
    budgets: tuple[tuple[str, int], ...] = ()
    identity: CanonicalOptions = AS_SENT
    sitemaps: bool = False
    best_first: bool = False
    trap_budget: int = TRAP_BUDGET
    edges: bool = False
    checks: str = ""

    def __post_init__(self) -> None:
        for name in ("depth", "max_pages", "max_per_host", "trap_budget"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise UsageError(f"{name}: {value} is less than 0")

    def limits(self) -> dict[str, Any]:
        """Return the limits that a later run may change; URLs that were refused for them are reconsidered."""
        budgets = [list(one) for one in self.budgets]
        return {"host": self.max_per_host, "budgets": budgets, "traps": self.trap_budget}

    def fixed(self) -> dict[str, Any]:
        """Return the options that decide which URLs a frontier contains, for JSON: they cannot change."""
        scope = self.scope
        return {
            "reach": scope.reach,
            "include": list(scope.include),
            "exclude": list(scope.exclude),
            "suffixes": sorted(scope.suffixes),
            "depth": self.depth,
            "ignore tracking": self.identity.drop_tracking,
            "ignore query order": self.identity.sort_query,
            "best first": self.best_first,
            "link graph": self.edges,
            "links checked": self.checks,
        }


def parse_budgets(texts: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Parse budgets such as ``https://example.org/forum/=500``. Raises UsageError."""
    budgets = []
    for text in texts:
        prefix, sign, count = text.rpartition("=")
        try:
            if not sign or not count.isascii() or not count.isdecimal():
                raise InvalidUrl("no number of pages")
            budgets.append((prepare(prefix), int(count)))
        except InvalidUrl as error:
            raise UsageError(f"--budget {text[:200]!r}: write URL=PAGES ({error})") from None
    return tuple(budgets)


class Admission:
    """Adds found URLs to the store. ``left_out`` counts the other links by reason, with some ``examples``."""

    def __init__(self, store: UrlStore, plan: CrawlLimits, traps: Traps) -> None:
        self.left_out: Counter[str] = Counter(store.value("left_out") or {})
        self.examples: dict[str, list[str]] = {}
        self._store = store
        self._plan = plan
        self._traps = traps
        self._hosts = set(store.value("hosts") or plan.scope.hosts)
        self._recent: dict[int, int] = {}  # by a URL's hash, the smallest depth it was found at
        self._batch: list[NewUrl] = []
        self._changed = False
        self._excluded = Scope(reach="any", exclude=plan.scope.exclude, suffixes=frozenset()).why_not
        self._looked_at: dict[str, int] = {}  # checked URLs, with the redirects that led to each

    def add_starts(self, urls: Sequence[str], sitemaps: Sequence[str]) -> None:
        """Add start pages and sitemaps. Raises InvalidUrl."""
        for kind, chosen in (("start", urls), ("sitemap", sitemaps)):
            for url in chosen:
                self._add(prepare(url), CrawlInfo(0), kind)

    def add_sitemaps(self, urls: Iterable[str], site: str) -> None:
        """Add the sitemaps that a site's robots.txt names, if the crawl fetches pages of that site."""
        if not self._reaches(site):
            return
        for url in urls:
            try:
                self._add(prepare(url), CrawlInfo(0), "sitemap")
            except InvalidUrl:
                self._leave_out("invalid", url)

    def take(self, url: str, place: CrawlInfo, found: DiscoveredLinks) -> None:
        """Add what was found on the page at ``url``."""
        for reason, count in (found.filtered or {}).items():
            if not (self._plan.checks and reason in _CHECKED):
                self.left_out[reason] += count
                self._changed = True
        if self._plan.edges:
            self._store.set_edges(place.number, found.edges or self._redirects(found))
        if place.sampled:
            self._traps.note(
                url, depth=place.depth, likeness=found.likeness, exact=found.exact, missing=found.missing
            )
        for lead in found.leads:
            if lead.kind == "redirect" and self._plan.checks and self._is_outside(lead.url):
                self._check(lead.url, place, self._looked_at.get(url, 0) + 1)
            else:
                self._follow(lead, url, place)
        if found.links:
            self._add_links(found, place)
        if self._plan.checks:
            self._check_links(found.edges, place._replace(depth=place.depth + 1))

    def _check_links(self, edges: str, beneath: CrawlInfo) -> None:
        """Add the links that lead out of the crawl, to be checked."""
        for edge in read_edges(edges):
            if not edge.in_scope and not edge.is_trap and edge.url not in self._looked_at:
                self._check(edge.url, beneath, 0)

    def _add_links(self, found: DiscoveredLinks, place: CrawlInfo) -> None:
        depth = 0 if found.listed else place.depth + 1
        if self._plan.depth is not None and depth > self._plan.depth and not self._plan.checks:
            return
        recent = self._recent
        links = found.links.split("\n")
        ranks: Iterable[float] = found.ranks or (depth,) * len(links)
        for url, rank in zip(links, ranks, strict=True):
            key = hash(url)
            if recent.get(key, 1 << 60) > depth or found.ranks:
                recent[key] = depth
                site = site_of(url)
                if self._reaches(site):
                    self._batch.append(NewUrl(self._key(url), url, site, depth, place.number, rank))
                else:
                    self._leave_out("host", url)
        if len(recent) > _RECENT:
            recent.clear()

    def _check(self, url: str, place: CrawlInfo, redirects: int) -> None:
        """Add a URL that is only checked; ``redirects`` have led to it."""
        if redirects > MAX_REDIRECTS:
            self._leave_out("too many redirects", url)
        elif self._excluded(url):
            self._leave_out("exclude", url)
        elif self._plan.checks != "all" and not self._reaches(site_of(url)):
            self._leave_out("host", url)
        else:
            self._add(url, place, "check")
        if len(self._looked_at) > _RECENT:
            self._looked_at.clear()
        self._looked_at[url] = redirects

    def _is_outside(self, url: str) -> bool:
        return bool(self._plan.scope.why_not(url)) or not self._reaches(site_of(url))

    def _redirects(self, found: DiscoveredLinks) -> str:
        """Return the link graph's line for a URL that redirects."""
        targets = (lead.url for lead in found.leads if lead.kind == "redirect")
        return "\n".join(f"redirect\t{'x' if self._is_outside(url) else '-'}\t{url}\t" for url in targets)

    def _follow(self, lead: FollowRequest, url: str, place: CrawlInfo) -> None:
        """Add a URL that the page at ``url`` requests in a special way: a redirect, a sitemap, `follow`."""
        if lead.kind.startswith("trap:"):
            self._example(lead.kind, lead.url)
        elif lead.kind == "sitemap" and place.depth >= MAX_INDEX_DEPTH:
            self._leave_out("sitemap too deep", lead.url)
        elif lead.kind == "sitemap":
            self._add(lead.url, place._replace(depth=place.depth + 1), "sitemap")
        elif lead.kind in ("redirect", "canonical"):
            if lead.kind == "redirect" and place.kind == "start":
                self._widen(lead.url)
            self._within(lead, url, place, place.depth)
        elif self._plan.depth is None or place.depth < self._plan.depth:
            self._within(lead, url, place, place.depth + 1)

    def _within(self, lead: FollowRequest, url: str, place: CrawlInfo, depth: int) -> None:
        site = site_of(lead.url)
        reason = self._plan.scope.why_not(lead.url, site) or ("" if self._reaches(site) else "host")
        if reason:
            self._leave_out(reason, lead.url)
            return
        led = lead.kind == "redirect"
        new = self._new(lead.url, place._replace(depth=depth), lead.rank)._replace(
            kind=place.kind if led and place.kind != "check" else "",
            scraper=place.scraper if led else lead.scraper,
        )
        # A redirect to another spelling of the same URL, or one with a session id, is followed once.
        again = led and lead.url != url and new.key == self._key(url)
        self._batch.append(new._replace(key=self._key(lead.url, "redirected ")) if again else new)

    def _widen(self, url: str) -> None:
        """Add the host that a start URL redirects to (``example.org`` to ``www.example.org``)."""
        new = hosts_of([url], self._plan.scope.reach)
        if not self._hosts.issuperset(new):
            self._hosts.update(new)
            self._store.set_value("hosts", sorted(self._hosts))

    def _reaches(self, site: str) -> bool:
        reach = self._plan.scope.reach
        return reach == "any" or (site if reach == "host" else domain_of(site)) in self._hosts

    def _add(self, url: str, place: CrawlInfo, kind: str) -> None:
        self._batch.append(self._new(url, place)._replace(kind=kind))

    def _new(self, url: str, place: CrawlInfo, rank: float | None = None) -> NewUrl:
        """Return the URL with the depth of ``place``, found on the page with its number."""
        rank = float(place.depth) if rank is None or not self._plan.best_first else rank
        return NewUrl(self._key(url), url, site_of(url), place.depth, place.number, rank)

    def _key(self, url: str, before: str = "") -> int:
        """Return the key that all spellings of a URL share."""
        return url_key(before + identity_of(url, self._plan.identity))

    def _leave_out(self, reason: str, url: str) -> None:
        self.left_out[reason] += 1
        self._changed = True
        self._example(reason, url)

    def _example(self, reason: str, url: str) -> None:
        kept = self.examples.setdefault(reason, [])
        if len(kept) < _EXAMPLES and url not in kept:
            kept.append(url)

    def flush(self) -> list[str]:
        """Put the gathered URLs into the store; return their sites."""
        batch, self._batch = self._batch, []
        if batch:
            self._store.add(batch)
        return list(dict.fromkeys(new.site for new in batch))

    def save(self) -> None:
        """Save the counts in the store."""
        if self._changed:
            self._changed = False
            self._store.set_value("left_out", dict(self.left_out))
