from .call import scrape as scrape
from .fingerprint import fingerprint as fingerprint
from .following import (
    NO_LINKS as NO_LINKS,
    DiscoveredLinks as DiscoveredLinks,
    FollowRequest as FollowRequest,
    follow as follow,
)
from .loading import check_scraper as check_scraper, load as load, scraper_for as scraper_for
from .select import parse_selection as parse_selection
