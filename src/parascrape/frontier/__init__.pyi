from .frontier import IDLE_POLL as IDLE_POLL, Frontier as Frontier
from .host import Visit as Visit, refusal as refusal, wait_reason as wait_reason
from .host_store import default_path as default_path
from .peers import Peers as Peers
from .politeness import (
    FetchReport as FetchReport,
    PolitenessPolicy as PolitenessPolicy,
    WaitReason as WaitReason,
    key_of as key_of,
    politeness_policy as politeness_policy,
)
