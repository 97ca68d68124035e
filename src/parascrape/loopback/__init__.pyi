from .demo.site import expected as expected
from .demo_process import running_site as running_site
from .replay.exchange import Exchange as Exchange, Seconds as Seconds
from .replay.load import Stats as Stats
from .replay.recorder import Recorded as Recorded, record as record
from .replay.recording import Recording as Recording, read_recording as read_recording
from .server_process import Twin as Twin, serve_twin as serve_twin
