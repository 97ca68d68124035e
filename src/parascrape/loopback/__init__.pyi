from .demo.site import expected as expected
from .demo_process import running_site as running_site
from .replay.exchange import Exchange as Exchange, ExchangeTimes as ExchangeTimes
from .replay.load import LoadStats as LoadStats
from .replay.recorder import RecordingResult as RecordingResult, record as record
from .replay.recording import Recording as Recording, read_recording as read_recording
from .server_process import ReplayServer as ReplayServer, serve_twin as serve_twin
