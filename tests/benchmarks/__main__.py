"""``python -m tests.benchmarks``: run the works, print their tables on stdout."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from .bench import Bench, tell
from .catalogue import PEERS
from .checking import WrongResult
from .tables import Report, machine, markdown
from .work_crawl import crawl
from .work_heavy import heavy
from .work_light import light
from .work_long import long
from .work_slow import slow
from .work_start import start
from .work_text import text

__all__ = ["WORKS", "main", "parse"]

WORKS: dict[str, Callable[[Bench], Report]] = {
    "light": light,
    "crawl": crawl,
    "slow": slow,
    "heavy": heavy,
    "long": long,
    "start": start,
    "text": text,
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options; ``--quick`` sets several of them."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="parascrape beside its peers."
    )
    add = parser.add_argument
    add("--work", default="light", help=f"{', '.join(WORKS)} (comma between several) or all [light]")
    add("--peers", default="", help=f"of {', '.join(PEERS)} [the work's usual ones]")
    add("--pages", default="300", help="a folder of .html or .html.gz files, or how many to generate [300]")
    add("--urls", type=int, default=3_000, help="URLs, cycling over the pages [3000]")
    add("--rounds", type=int, default=3, help="interleaved rounds [3]")
    add(
        "--fetches",
        type=int,
        default=0,
        help="fetches at once, for the peers that can be told [each one's best]",
    )
    add("--in-flight", default="64,256,1000", help="slow: fetches in flight [64,256,1000]")
    add("--lines", type=int, default=1_000_000, help="long: lines of the list [1000000]")
    add("--cache", type=Path, default=Path(".benchmarks"), help="where environments stay [.benchmarks]")
    add("--json", type=Path, help="also write every run's raw figures to this file")
    add("--patience", type=int, default=2, help="a run that others disturb is made again so often [2]")
    add("--here", action="store_true", help="no environments: the peers that this interpreter has")
    add("--quick", action="store_true", help="a handful of pages, one round, --here: does it run at all?")
    options = parser.parse_args(arguments)
    if options.quick:
        options.here, options.rounds, options.patience = True, 1, 0
        options.pages, options.urls = "8", 24
    return options


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 where a peer did not do the work: then no ratio is printed."""
    options = parse(arguments)
    chosen = list(WORKS) if options.work == "all" else options.work.split(",")
    if unknown := [name for name in chosen if name not in WORKS]:
        raise SystemExit(f"no such work: {', '.join(unknown)}; there are {', '.join(WORKS)}")
    reports: dict[str, Report] = {}
    versions: dict[str, str] = {}
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            bench = Bench(options, Path(work))
            try:
                reports[name] = WORKS[name](bench)
            except WrongResult as error:
                tell(f"no figures for {name}: {error}")
                return 1
            versions |= bench.versions
        print(markdown(reports[name]), flush=True)
    print(machine() + "; " + ", ".join(f"{name} {number}" for name, number in sorted(versions.items())) + ".")
    if options.json:
        raw = {name: report.data for name, report in reports.items()}
        options.json.write_text(
            json.dumps({"machine": machine(), "versions": versions, "works": raw}, indent=1)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
