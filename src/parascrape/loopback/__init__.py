"""The network twin: what a list's hosts said once, recorded, and said again on loopback as often as asked.

    record: list --> Frontier --> fetch (witness) --> exchange --> recording.warc.gz     (WARC 1.1)
    serve_twin: recording.warc.gz --> server process on 127.0.0.1 <-- harvest with Settings.connect_to

What is not replayed: name look-up takes no time, and a host that refused only some connections resets
these instead. Needs the extra ``compare``.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
