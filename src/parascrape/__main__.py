"""``python -m parascrape``, and the console script ``scrape``."""

from __future__ import annotations

import os
import signal
import sys

from parascrape.headstart import start_early

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its status."""
    try:
        _open_standard_streams()
        start_early(sys.argv[1:])
        from parascrape.cli import run  # 0.2 s

        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # before anything began, or one more when the harvest was over already
        status = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nor is one to be heard while Python ends
    sys.exit(status)


def _open_standard_streams() -> None:
    """Where a caller has closed standard streams, let no file or socket of ours get their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


if __name__ == "__main__":
    main()
