"""The peers: what each needs installed, and the command that makes it scrape a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PEERS", "REPOSITORY", "Job", "Peer", "parascrape", "parascrape_crawl"]

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class Job:
    """What a peer is to do: the list, the JSONL file to write, and how many fetches at once."""

    urls: Path
    output: Path
    fetches: int = 32


@dataclass(frozen=True)
class Peer:
    """One way of doing the work; ``fetches`` at once is where it was quickest of 16 and 32 on two cores."""

    title: str
    requirements: tuple[str, ...]
    modules: tuple[str, ...]
    command: Callable[[Path, Job], list[str]]
    fetches: int = 32

    @property
    def distributions(self) -> tuple[str, ...]:
        """Those whose versions the table shows: names without version or extra."""
        return tuple(name.split("[")[0] for name in self.requirements if not name.startswith("--"))


def _script(name: str, *more: str) -> Callable[[Path, Job], list[str]]:
    """The command of a file in ``peers/``."""
    path = str(SCRIPTS / name)
    return lambda python, job: [str(python), path, str(job.urls), str(job.output), str(job.fetches), *more]


def parascrape(python: Path, job: Job, *options: str) -> list[str]:
    """The command ``scrape LIST --output FILE ...``, as impolite as its peers: the host is our own."""
    command = [str(python), "-m", "parascrape", str(job.urls), "--output", str(job.output), "--quiet"]
    return [*command, "--per-host", "0", "--ignore-robots", "--fetch-duplicates", *options]


def parascrape_crawl(python: Path, job: Job, *options: str) -> list[str]:
    """The command ``scrape crawl START --output FILE ...`` for the one URL of the list, as impolite."""
    start = job.urls.read_text().strip()
    command = [str(python), "-m", "parascrape", "crawl", start, "--output", str(job.output), "--quiet"]
    return [*command, "--per-host", "0", "--ignore-robots", *options]


def _selecting(*options: str) -> Callable[[Path, Job], list[str]]:
    select = ("--select", "title=title", "--select", "content=article")
    return lambda python, job: parascrape(python, job, *select, *options)


# orjson and lexbor by hand are what a reader who wants speed would take; both are the ceiling's too.
_BARE = ("selectolax", "orjson")

PEERS: dict[str, Peer] = {
    "script": Peer(
        "the usual script (Pool(4), requests, BeautifulSoup)",
        ("requests", "beautifulsoup4"),
        ("requests", "bs4"),
        _script("usual_script.py"),
    ),
    "scrapy": Peer("Scrapy, uvloop", ("scrapy", "uvloop"), ("scrapy", "uvloop"), _script("with_scrapy.py")),
    "scrapy-crawl": Peer(
        "Scrapy's CrawlSpider, uvloop",
        ("scrapy", "uvloop"),
        ("scrapy", "uvloop"),
        _script("with_crawlspider.py"),
    ),
    "crawlee": Peer(
        "Crawlee for Python, parsel, uvloop",
        ("crawlee[parsel]", "uvloop"),
        ("crawlee", "parsel", "uvloop"),
        _script("with_crawlee.py"),
        16,
    ),
    "aiohttp": Peer(
        "aiohttp, uvloop, lexbor by hand (one core)",
        ("aiohttp", "uvloop", *_BARE),
        ("aiohttp", "uvloop", *_BARE),
        _script("with_aiohttp.py"),
    ),
    "aiohttp-isal": Peer(
        "the same by hand, inflating with isal",
        ("aiohttp", "uvloop", "isal", *_BARE),
        ("aiohttp", "uvloop", "isal", *_BARE),
        _script("with_aiohttp.py", "isal"),
    ),
    "parascrape": Peer(
        "**parascrape**, process mode",
        (f"--editable={REPOSITORY}",),
        ("parascrape", "requests", "selectolax", "typer"),
        _selecting("--mode", "process"),
    ),
    "parascrape-thread": Peer(
        "**parascrape**, thread mode",
        (f"--editable={REPOSITORY}",),
        ("parascrape", "requests", "selectolax", "typer"),
        _selecting("--mode", "thread"),
    ),
    "ceiling": Peer(
        "the ceiling (bare libcurl multi and lexbor, every core)",
        ("pycurl", *_BARE),
        ("pycurl", *_BARE),
        _script("ceiling.py"),
    ),
    "ceiling-isal": Peer(
        "the same ceiling, inflating with isal",
        ("pycurl", "isal", *_BARE),
        ("pycurl", "isal", *_BARE),
        _script("ceiling.py", "isal"),
    ),
    "trafilatura": Peer(
        "trafilatura's own command",
        ("trafilatura",),
        ("trafilatura",),
        lambda python, job: [
            str(python),
            str(SCRIPTS / "with_trafilatura.py"),
            str(job.urls),
            str(job.output),
        ],
    ),
}
