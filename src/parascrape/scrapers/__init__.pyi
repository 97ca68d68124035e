from .call import scrape as scrape
from .fingerprint import fingerprint as fingerprint
from .follow import NOTHING_FOUND as NOTHING_FOUND, Found as Found, Lead as Lead, follow as follow
from .loading import load as load
from .registry import check_scraper as check_scraper, scraper_for as scraper_for
from .select import parse_selection as parse_selection
