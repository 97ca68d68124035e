from .demo.site import expected as expected
from .load import LoadStats as LoadStats
from .replay.exchange import Exchange as Exchange, ExchangeTimes as ExchangeTimes
from .replay.recorder import RecordingResult as RecordingResult, record as record
from .replay.warc import Recording as Recording, read_recording as read_recording
from .server_process import (
    ReplayServer as ReplayServer,
    running_site as running_site,
    serve_recording as serve_recording,
)
