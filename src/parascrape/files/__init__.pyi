from .diff import (
    KINDS as KINDS,
    Change as Change,
    compare_fields as compare_fields,
    write_changes as write_changes,
)
from .duplicates import mark_duplicates as mark_duplicates
from .key_index import KeyIndex as KeyIndex
from .ledger import (
    Ledger as Ledger,
    drop_pages as drop_pages,
    entry_key as entry_key,
    read_pages as read_pages,
    read_records as read_records,
)
from .lists import (
    count_entries as count_entries,
    default_name as default_name,
    read_ahead as read_ahead,
    read_lists as read_lists,
)
from .outcomes import (
    Outcome as Outcome,
    PageTimings as PageTimings,
    fail as fail,
    fail_task as fail_task,
    order_meta as order_meta,
)
from .previous import FRESH as FRESH, check_previous as check_previous, open_previous as open_previous
from .quarantine import (
    NO_QUARANTINE as NO_QUARANTINE,
    Quarantine as Quarantine,
    discard as discard,
    folder_of as folder_of,
    quarantine_path as quarantine_path,
    read_page as read_page,
    stash as stash,
)
from .retry_list import (
    RetryFiles as RetryFiles,
    forget_retry as forget_retry,
    prepare_retry as prepare_retry,
    read_retry_list as read_retry_list,
)
from .sink import JsonlSink as JsonlSink
