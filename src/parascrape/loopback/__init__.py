"""Sites on 127.0.0.1: the demo, and recorded sites replayed as often as wanted, on one HTTP server.

    record:          list --> harvest in threads --> exchanges --> recording.warc.gz     (WARC 1.1)
    serve_recording: recording.warc.gz --> server process on 127.0.0.1 <-- harvest that connects to it
    running_site:    demo pages --> server process on 127.0.0.1 to 127.0.0.8

Not replayed: name look-up takes no time, and a host that refused only some connections resets these instead.
Recording and replay need the extra ``compare``.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
