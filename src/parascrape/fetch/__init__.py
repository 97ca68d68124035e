"""The transport below requests: an adapter over libcurl, and what bounds and decodes what it brings.

curl     the adapter that a session mounts; handles: how each transfer is set up
multi    all transfers of a session on one thread at a time; budget: bytes that bodies may hold
errors   libcurl's error codes; inflate: content codings
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
