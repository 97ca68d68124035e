"""One harvest: the loop that fills workers from the frontier and takes their outcomes.

loop        what happens next; in_flight: the visits that workers have
changing    crews of workers, and mode auto; choosing: whether processes pay; mainscript: whether they may
manners     what the settings owe to hosts; neighbours: other runs on this machine
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
