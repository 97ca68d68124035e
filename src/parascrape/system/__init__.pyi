from .files import (
    check_writable as check_writable,
    output_errors as output_errors,
    remove_leftovers as remove_leftovers,
    replace_file as replace_file,
    sync_folder as sync_folder,
    temporary_folder as temporary_folder,
)
from .html_report import Chart as Chart, ChartSeries as ChartSeries, HtmlReport as HtmlReport
from .imports import load_part as load_part
from .locks import OutputLock as OutputLock
from .processes import (
    INTERRUPTS as INTERRUPTS,
    SignalCapture as SignalCapture,
    end_with as end_with,
    has_ended as has_ended,
    is_alive as is_alive,
    leave_interrupts as leave_interrupts,
    process_mark as process_mark,
    without_interrupts as without_interrupts,
)
from .quantities import (
    parse_duration as parse_duration,
    parse_share as parse_share,
    parse_size as parse_size,
    show_count as show_count,
    show_duration as show_duration,
    show_interval as show_interval,
    show_share as show_share,
    show_size as show_size,
)
from .resources import (
    available_cpus as available_cpus,
    free_memory as free_memory,
    keep_memory as keep_memory,
    resident_bytes as resident_bytes,
    worker_limit as worker_limit,
)
from .sqlite import (
    ReopenedFile as ReopenedFile,
    SharedFile as SharedFile,
    SqliteFault as SqliteFault,
    SqliteFile as SqliteFile,
    SqliteSchema as SqliteSchema,
)
from .text import (
    did_you_mean as did_you_mean,
    escape_surrogates as escape_surrogates,
    printable as printable,
)
