"""The network twin: what a list's hosts said once, recorded, and said again on loopback as often as asked.

    record: list --> Frontier --> fetch (witness) --> exchange --> recording.warc.gz     (WARC 1.1)
    serve_twin: recording.warc.gz --> server process on 127.0.0.1 <-- harvest with Settings.connect_to

What is not replayed: name look-up takes no time, and a host that refused only some connections resets
these instead. Needs the extra ``compare``.
"""

from __future__ import annotations

from parascrape.loopback.replay.exchange import Exchange, Seconds
from parascrape.loopback.replay.load import Stats
from parascrape.loopback.replay.recorder import Recorded, record
from parascrape.loopback.replay.recording import Recording, read_recording
from parascrape.loopback.server_process import Twin, serve_twin

__all__ = [
    "Exchange",
    "Recorded",
    "Recording",
    "Seconds",
    "Stats",
    "Twin",
    "read_recording",
    "record",
    "serve_twin",
]
