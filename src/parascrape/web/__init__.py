"""URLs, robots.txt and documents as the standards have them; pure, without I/O."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
