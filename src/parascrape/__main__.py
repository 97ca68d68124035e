"""``python -m parascrape``, and the console script ``scrape``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its status."""
    from parascrape.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
