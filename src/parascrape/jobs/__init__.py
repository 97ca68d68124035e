"""Jobs: harvests that a file names, run once or by the clock, each into a file of its own.

jobfile    harvest.toml -> jobs, every mistake in it named at once
timing     when a job is due: cron expressions, intervals, time zones, jitter
places     the files of a job: outputs, the unfinished one, the latest good one
job_run    one run: lock, harvest, guards, change feed, latest, history, hooks, retention
scheduler  which job is to be started now
units      the same for cron and systemd
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
