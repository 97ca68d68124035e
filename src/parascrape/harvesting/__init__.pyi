from .audit import TOLERANCE as TOLERANCE, Audit as Audit, HostAudit as HostAudit, audit as audit
from .auto_mode import Observer as Observer
from .bottleneck import Run as Run, explain_bottleneck as explain_bottleneck
from .estimate import Bound as Bound, Change as Change, Plan as Plan, plan as plan
from .harvest import crawl as crawl, harvest as harvest
from .loop import Loop as Loop, Stop as Stop
from .open_files import fit_threads as fit_threads
from .timings import (
    STAGES as STAGES,
    TimeSplit as TimeSplit,
    read_split as read_split,
    write_split as write_split,
)
from .worker import scrape_page as scrape_page
