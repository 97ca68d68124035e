"""Jobs: harvests described in a file, run once or on a schedule, each run into a file of its own.

jobfile    reads harvest.toml into jobs; schema is its table validator
timing     when a job is due: cron expressions, intervals, time zones, jitter
paths      a job's files: outputs, the unfinished one, the latest accepted one
run        one run: lock, harvest, guards, change feed, latest, history, hooks, retention
summary    what the history keeps of a run, and what guards, hooks and metrics get
scheduler  decides which job starts now
systemd    the same schedules as systemd units and crontab lines
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
