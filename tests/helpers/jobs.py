"""Job files for tests, and reading them without a command line."""

from __future__ import annotations

from pathlib import Path

from parascrape.cli.jobs import job_command
from parascrape.jobs import JobFile, read_jobs
from tests.sites.site import Site

COMMAND = job_command()
PAGES = 6

NEWS = """
[jobs.news]
lists = ["urls.txt"]
output = "output/news/{date}/{time}.jsonl"
"""


def write_jobs(folder: Path, *texts: str) -> Path:
    """Write a job file of these texts and return its path."""
    path = folder / "harvest.toml"
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def make_jobs(folder: Path, *texts: str) -> JobFile:
    """Return the jobs of these texts."""
    return read_jobs(write_jobs(folder, *texts), COMMAND)


def write_harvest(folder: Path, site: Site, *more: str, path: str = "/ok") -> Path:
    """Write a job file with one job that harvests PAGES pages of the site."""
    urls = [f"{site(path)}?{number}" for number in range(PAGES)]
    (folder / "urls.txt").write_text("\n".join(urls), encoding="utf-8")
    text = """
[jobs.news]
lists = ["urls.txt"]
output = "output/{date}-{time}.jsonl"
per_host = 0
ignore_robots = true
mode = "sequential"
select = { title = "title" }
"""
    return write_jobs(folder, text, *more)


def outputs(folder: Path) -> list[Path]:
    """Return the finished outputs."""
    return [path for path in (folder / "output").glob("[0-9]*.jsonl") if "changes" not in path.name]


def unfinished(folder: Path) -> int:
    """Return the number of lines in the unfinished output."""
    return sum(
        path.read_bytes().count(b"\n") for path in (folder / "output").glob(".news.*.unfinished.jsonl")
    )
