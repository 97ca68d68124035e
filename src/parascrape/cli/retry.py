"""``scrape retry OUTPUT``: fetches failed URLs of an output again and replaces their records."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from parascrape.cli import options as opt
from parascrape.cli.harvest_run import HarvestRun
from parascrape.cli.options import Choices, Display, Options, command, pick
from parascrape.crawling import frontier_path
from parascrape.errors import ParascrapeError, UsageError
from parascrape.files import Ledger, RetryFiles, prepare_retry, read_pages, read_retry_list
from parascrape.settings import SETTINGS_OPTIONS, Option, Settings

_FAILED: Options = {
    "output": Option(
        ...,
        "OUTPUT",
        "A file of records. It has no passwords: a URL that had one is fetched without it.",
        "Failures",
        type=str,
    ),
    "only": Option(
        "", "--only CODES", "Failures with these codes: timeout,status,... [all but invalid_url].", "Failures"
    ),
}


@command(
    *(_FAILED, opt.SPEED, opt.EXTRACT, opt.POLITENESS, opt.FETCHING, pick(SETTINGS_OPTIONS, "ordered")),
    *(pick(opt.DISPLAY, "quiet"), pick(opt.PROFILE, "profile"), pick(opt.DISPLAY, "verbose log_file")),
)
def retry(chosen: Choices) -> int:
    """Fetch the failed URLs of an output again and replace their records; good records stay as they are.

    Give the scraper and the options of the first run. A killed retry continues when it is called again.
    Exit status: 0 the output has no failures left, 1 it has some, others as for scrape.
    """
    output, path = chosen["output"], Path(chosen["output"])
    only = [code for part in chosen["only"].split(",") if (code := part.strip())]
    if not path.is_file():
        raise UsageError(f"{output}: no such output")
    if frontier_path(path).exists():  # a harvest of a list follows no links
        raise UsageError(f"{output}: of a crawl: run `scrape crawl` again with --resume-failed")
    known = sorted(set(_all_codes(ParascrapeError)))
    if unknown := [code for code in only if code not in known]:
        raise UsageError(f"--only {unknown[0]}: no such code; there are {', '.join(known)}")
    run = _RetryRun(output, chosen.make(Settings), chosen.make(Display), only)
    status = run.run(read_retry_list(run.list))  # an interrupted retry continues, whatever its codes
    return status or int(run.still_failed > 0)


class _RetryRun(HarvestRun):
    """A harvest of the failures of an output, from a list that is made first."""

    on_start = "Retrying the failures of {output}; it keeps {held}."
    on_empty = "There are no failures to retry."

    def __init__(self, output: str, settings: Settings, display: Display, only: Collection[str]) -> None:
        super().__init__(output, settings, display)
        self.list = RetryFiles.of(Path(output)).list
        self.still_failed = 0
        self._only = only

    def prepare(self, output: Path) -> None:
        prepare_retry(output, self._only)
        self.totals.total = sum(1 for _ in read_pages(self.list))

    def finish(self, ledger: Ledger) -> None:
        self.list.unlink()
        self.still_failed = ledger.failed


def _all_codes(kind: type[ParascrapeError]) -> Iterator[str]:
    yield kind.code
    for below in kind.__subclasses__():
        yield from _all_codes(below)
