from .admission import CrawlLimits as CrawlLimits, parse_budgets as parse_budgets
from .broken_links import (
    BROKEN as BROKEN,
    GOOD as GOOD,
    MOVED as MOVED,
    UNCHECKED as UNCHECKED,
    LinkCheck as LinkCheck,
    LinkTarget as LinkTarget,
)
from .link_graph import check_graph as check_graph
from .links.discover import HTML as HTML, LinkDiscovery as LinkDiscovery
from .links.feeds import read_date as read_date
from .links.rules import (
    LinkRules as LinkRules,
    Scope as Scope,
    hosts_of as hosts_of,
    priority_of as priority_of,
)
from .site_crawl import (
    CrawlSummary as CrawlSummary,
    SiteCrawl as SiteCrawl,
    StartUrls as StartUrls,
    crawl_site as crawl_site,
    frontier_path as frontier_path,
)
