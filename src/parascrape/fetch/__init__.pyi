from .adapter import (
    CurlAdapter as CurlAdapter,
    leave as leave,
    open_session as open_session,
    witnessed as witnessed,
)
from .client import (
    close_connections as close_connections,
    fetch as fetch,
    fetch_if_changed as fetch_if_changed,
)
from .curl_errors import raise_for as raise_for
from .handles import refused_address as refused_address
from .request import FetchRules as FetchRules
from .robots import fetch_robots as fetch_robots
from .timing import begin as begin, take as take
