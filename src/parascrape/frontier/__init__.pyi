from .frontier import IDLE_POLL as IDLE_POLL, Frontier as Frontier
from .host import Visit as Visit, blame_of as blame_of, refusal as refusal
from .host_store import default_path as default_path
from .peers import Neighbours as Neighbours
from .politeness import (
    Blame as Blame,
    Politeness as Politeness,
    Report as Report,
    key_of as key_of,
    politeness_of as politeness_of,
)
