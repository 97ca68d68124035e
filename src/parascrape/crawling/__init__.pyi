from .broken_links import (
    BROKEN as BROKEN,
    GOOD as GOOD,
    MOVED as MOVED,
    UNCHECKED as UNCHECKED,
    Findings as Findings,
    Target as Target,
)
from .limits import Plan as Plan, parse_budgets as parse_budgets
from .link_graph import check_graph as check_graph, write_graph as write_graph
from .links.discover import Discover as Discover
from .links.feeds import read_date as read_date
from .links.rules import LinkRules as LinkRules, priority_of as priority_of
from .links.scope import Scope as Scope, hosts_of as hosts_of
from .site_crawl import (
    SiteCrawl as SiteCrawl,
    Starts as Starts,
    Summary as Summary,
    frontier_path as frontier_path,
)
from .spider import HTML as HTML, crawl_site as crawl_site, site_settings as site_settings
from .store.url_store import Store as Store
