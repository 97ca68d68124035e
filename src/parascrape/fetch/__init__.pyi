from .client import Client as Client
from .errors import raise_for as raise_for
from .handles import refused_address as refused_address
from .request import (
    DIRECT as DIRECT,
    NO_RULES as NO_RULES,
    FetchRules as FetchRules,
    FetchTrace as FetchTrace,
    NetworkOptions as NetworkOptions,
    TransferHook as TransferHook,
)
from .robots import fetch_robots as fetch_robots
