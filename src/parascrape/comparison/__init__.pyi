from .comparison import (
    Comparison as Comparison,
    RepetitionGrid as RepetitionGrid,
    compare as compare,
)
from .differences import describe as describe
from .report import COLUMNS as COLUMNS, as_data as as_data, make_page as make_page, row_of as row_of
from .sample import open_recording as open_recording
from .strategies import (
    checking_strategies as checking_strategies,
    default_strategies as default_strategies,
    parse_strategies as parse_strategies,
    shown_command as shown_command,
)
