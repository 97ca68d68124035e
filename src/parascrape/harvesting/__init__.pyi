from .audit import TOLERANCE as TOLERANCE, Audit as Audit, HostAudit as HostAudit, audit as audit
from .bottleneck import (
    HostWait as HostWait,
    RunProfile as RunProfile,
    explain_bottleneck as explain_bottleneck,
    main_host_wait as main_host_wait,
)
from .estimate import Change as Change, Estimate as Estimate, TimeBound as TimeBound, plan as plan
from .harvest import HarvestHooks as HarvestHooks, Stop as Stop, crawl as crawl, harvest as harvest
from .in_flight import Environment as Environment
from .open_files import fit_threads as fit_threads
from .timings import (
    STAGES as STAGES,
    Timings as Timings,
    read_split as read_split,
    write_split as write_split,
)
from .worker import HookResult as HookResult, scrape_page as scrape_page
