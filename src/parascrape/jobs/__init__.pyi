from .history import History as History, history_path as history_path
from .history_page import (
    COLUMNS as COLUMNS,
    LEGEND as LEGEND,
    cells_of as cells_of,
    explain as explain,
    make_page as make_page,
)
from .hooks import ChildProcesses as ChildProcesses, start_command as start_command
from .jobfile import Command as Command, Job as Job, JobFile as JobFile, read_jobs as read_jobs
from .run import RunTools as RunTools, run_job as run_job
from .scheduler import RunningJob as RunningJob, Scheduler as Scheduler
from .summary import RunSummary as RunSummary
from .systemd import (
    crontab_lines as crontab_lines,
    service as service,
    timer as timer,
    unit_name as unit_name,
)
