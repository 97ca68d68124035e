from .main_guard import refuse_during_import as refuse_during_import, why_not_importable as why_not_importable
from .processes import (
    AdaptivePause as AdaptivePause,
    ProcessExecutor as ProcessExecutor,
    capacity as capacity,
    open_executor as open_executor,
)
from .task import TaskContext as TaskContext, WithContext as WithContext, describe as describe
from .threads import ThreadExecutor as ThreadExecutor
