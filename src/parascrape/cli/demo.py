"""``scrape demo``: serves a bundled site on loopback and harvests it like any list."""

from __future__ import annotations

import sys
from dataclasses import replace

from parascrape.cli import options as opt
from parascrape.cli.options import Choices, Display, command, pick
from parascrape.settings import SETTINGS_OPTIONS, Settings


@command(
    *(pick(SETTINGS_OPTIONS, "mode processes threads"), opt.LIMIT, opt.EXTRACT),
    *(pick(opt.OUTPUT, "output"), pick(SETTINGS_OPTIONS, "ordered"), opt.DISPLAY),
)
def demo(chosen: Choices) -> int:
    """Serve a bundled site on loopback (about 400 pages on several hosts, some slow, broken or Japanese)
    and harvest it into output/demo.jsonl.

    Some pages fail on purpose: the exit status is 0 if exactly those failed.
    """
    # Without limits, because backing off from our own server's 503 takes 80 s instead of 5.
    settings = replace(chosen.make(Settings), per_host=0, robots=False)
    from parascrape.cli.harvest_run import run_demo

    output = chosen["output"] or "output/demo.jsonl"
    status = run_demo(settings, chosen.make(Display), output=output, limit=chosen["limit"])
    if status == 0 and not chosen["quiet"]:
        sys.stderr.write(f"The failures are the site's own. Have a look: head -n 3 {output}\n")
    return status
