"""``python -m parascrape``, and the console script ``scrape``."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its status."""
    try:
        from parascrape.cli import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # before anything began, or one more when the harvest was over already
        status = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nor is one to be heard while Python ends
    sys.exit(status)


if __name__ == "__main__":
    main()
