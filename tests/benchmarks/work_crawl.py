"""A crawl of a manual of some thousand pages from its first one: Scrapy's CrawlSpider and ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from .bench import Bench, tell
from .catalogue import PEERS, Job, parascrape_crawl
from .checking import WrongResult, check_records, read
from .environments import environment_variables
from .measure import Figures, Task, interleave, run
from .servers import serve
from .tables import Report, quiet_note, raw, times
from .tree import START, Tree, generate_tree, read_tree

__all__ = ["crawl"]

USUAL = ("scrapy-crawl", "parascrape-thread", "parascrape")
WARM_UP = 30  # pages
MODES = {"parascrape": "process", "parascrape-thread": "thread"}


def crawl(bench: Bench) -> Report:
    """Ratios of pages/s, CPU a page and memory, each peer having found the same pages.

    The tree is generated, with as many pages as ``--urls`` says, or that of ``--pages DIR``.
    Raises checking.WrongResult.
    """
    options = bench.options
    names = bench.peers(USUAL)
    tree = _tree(bench)
    if not options.quick:
        _warm_up(bench, names)
    with serve(tree.root, prefer_nginx=not options.quick) as server:
        expected = _reached(bench, names, tree, server.base(), server.pid)
        tasks = [_task(bench, name, server.base(), expected) for name in names]
        figures = interleave(tasks, options.rounds, server=server.pid, patience=options.patience, tell=tell)
    notes = (
        f"{len(expected)} pages found from one URL: {tree.description}, {server.name};"
        f" {options.rounds} interleaved rounds, start-up counted; (least-most).",
        "CPU of the whole process tree; memory is the peak of its PSS, four samples a second.",
        quiet_note(figures),
    )
    ours = ("parascrape is",) if "parascrape" in figures else ()
    head = ("same pages found by", f"pages/s ÷ {names[0]}", *ours, "CPU a page", "memory")
    return Report("Crawl of a manual", head, _rows(figures), notes, raw(figures))


def _tree(bench: Bench) -> Tree:
    chosen, root = bench.options.pages, bench.work / "tree"
    if not chosen.isdigit():
        return read_tree(Path(chosen), root)
    tell(f"generating {bench.options.urls} pages")
    return generate_tree(root, bench.options.urls)


def _reached(bench: Bench, names: list[str], tree: Tree, base: str, server: int) -> dict[str, str]:
    """URL -> title of the pages that are to be found: all; of a given tree what the first peer finds."""
    every = {f"{base}/{path}": title for path, title in tree.titles.items()}
    if tree.whole:
        return every
    tell(f"{names[0]}: which pages are to be found")
    task = _task(bench, names[0], base, every, check=False)
    run(task, server)
    found = {record["url"] for record in read(task.output)} & every.keys()
    if not found:
        raise WrongResult(f"{names[0]}: nothing found")
    return {url: every[url] for url in found}


def _warm_up(bench: Bench, names: list[str]) -> None:
    """Every peer once, over few pages: bytecode compiled, libraries in the page cache."""
    small = generate_tree(bench.work / "small", WARM_UP)
    with serve(small.root) as server:
        for name in names:
            tell(f"warm-up: {name}")
            expected = {f"{server.base()}/{path}": title for path, title in small.titles.items()}
            run(_task(bench, name, server.base(), expected), server.pid)


def _task(bench: Bench, name: str, base: str, expected: Mapping[str, str], *, check: bool = True) -> Task:
    peer = PEERS[name]
    job = bench.job(name, {f"{base}/{START}": ""})
    arguments = tuple(_command(bench, name, job))
    checked = partial(_check, name, expected) if check else read
    return Task(name, arguments, job.output, checked, len(expected), environment_variables(peer))


def _check(name: str, expected: Mapping[str, str], output: Path) -> None:
    """Every page once, with its title. What turned out to be no page has an error in ours, in Scrapy's log.

    Raises WrongResult.
    """
    records = [one for one in read(output) if one["url"] in expected or "error" not in one]
    check_records(name, records, expected)


def _command(bench: Bench, name: str, job: Job) -> list[str]:
    python = bench.python(name)
    if name in MODES:
        return parascrape_crawl(python, job, "--mode", MODES[name], "--select", "title=title")
    return PEERS[name].command(python, job)


def _rows(figures: Mapping[str, Figures]) -> list[list[str]]:
    base, ours = next(iter(figures.values())), figures.get("parascrape")
    rows = []
    for name, each in figures.items():
        low, high = min(each.rates) / base.rate, max(each.rates) / base.rate
        row = [PEERS[name].title, f"{times(each.rate / base.rate)} ({low:.2f}-{high:.2f})"]
        row += [f"{times(ours.rate / each.rate)} as quick"] if ours else []
        memory = each.median(lambda run: run.tree_peak) / 1e6
        row += [times(each.cpu_per_page / base.cpu_per_page), f"{memory:.0f} MB" if memory else "?"]
        rows.append(row)
    return rows
