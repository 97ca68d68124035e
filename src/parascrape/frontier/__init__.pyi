from .frontier import IDLE_POLL as IDLE_POLL, Frontier as Frontier, VisitSource as VisitSource
from .host import Visit as Visit, refusal as refusal, wait_reason as wait_reason
from .host_store import default_path as default_path
from .polite_frontier import (
    FrontierBounds as FrontierBounds,
    PoliteFrontier as PoliteFrontier,
    open_frontier as open_frontier,
)
from .politeness import (
    FetchReport as FetchReport,
    PolitenessPolicy as PolitenessPolicy,
    WaitReason as WaitReason,
    key_of as key_of,
    politeness_policy as politeness_policy,
)
