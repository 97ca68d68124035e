"""Plots of a comparison as SVG to stand in a page, by matplotlib (the extra ``compare``)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from parascrape.comparison.bounds import cpu_share
from parascrape.comparison.comparison import Comparison
from parascrape.comparison.statistics import PARTS, Statistics, share_out
from parascrape.errors import UsageError
from parascrape.loopback import ExchangeTimes

__all__ = ["Plot", "draw_plots", "require_plots"]

_INK, _BAR, _BEST, _OTHER = "#333333", "#8fb3d9", "#1f6fb2", "#d98f4e"
_STAGES = {
    "waiting": "#c9c9c9",
    "receiving": "#8fb3d9",
    "decoding": "#9fcf9f",
    "parsing": "#1f6fb2",
    "writing": "#d98f4e",
}
_PARTS = {
    "politeness": "#e3c567",
    "list_wait": "#b8a9c9",
    "connect": "#707070",
    "first_byte": "#a3a3a3",
    "transfer": "#cccccc",
    "turn": "#d98f4e",
    "inflate": "#8fb3d9",
    "scrape": "#1f6fb2",
    "idle": "#f1f1f1",
}
_SEEN = 0.005
_WIDTH = 4.8  # inches: at 96 dots an inch a phone shows it at about three quarters


class Plot(NamedTuple):
    """One plot: its title, what it says in words (for those who cannot see it), and the SVG."""

    title: str
    words: str
    svg: str


def require_plots() -> None:
    """Nothing, where plots can be drawn. Raises UsageError, with what to install, where not."""
    try:
        import_module("matplotlib")
    except ImportError:
        raise UsageError("--report needs matplotlib: pip install 'parascrape[compare]'") from None


def draw_plots(comparison: Comparison) -> list[Plot]:
    """The plots for which there are figures; none without a strategy that did its work."""
    figures = comparison.figures
    if not figures or comparison.verdict is None:
        return []
    best = comparison.verdict.best
    drawn = [_rates(figures, best)]
    threads = [each for each in figures if each.strategy.mode in ("sequential", "thread")]
    if len(threads) > 1:
        drawn.append(_speed_up(threads, lambda each: each.strategy.threads, "threads"))
    processes = _by_processes(figures)
    if len(processes) > 1:
        drawn.append(_speed_up(processes, lambda each: each.strategy.processes, "processes"))
    if comparison.stages.pages:
        drawn.append(_stages(comparison))
    split = [each for each in figures if share_out(each)]
    if split:
        drawn.append(_shares(split))
    if comparison.recorded.seconds.total:
        drawn.append(_recorded(comparison.recorded.seconds))
    if any(each.cpu is not None for each in figures):
        drawn.append(_busy(figures, comparison.limits.cpus))
    if any(each.memory for each in figures):
        drawn.append(_memory(figures, best))
    return drawn


def _by_processes(figures: Sequence[Statistics]) -> list[Statistics]:
    """Those with the number of threads that most process strategies have: a curve of one variable."""
    counts = [each.strategy.threads for each in figures if each.strategy.processes]
    usual = max(set(counts), key=lambda count: (counts.count(count), count)) if counts else 0
    return [each for each in figures if each.strategy.processes and each.strategy.threads == usual]


def _rates(figures: Sequence[Statistics], best: Statistics) -> Plot:
    names = [each.strategy.name for each in figures]
    rates = [each.rate for each in figures]
    errors = [
        [each.rate - min(each.rates) for each in figures],
        [max(each.rates) - each.rate for each in figures],
    ]

    def draw(axes: Any) -> None:
        colours = [_BEST if each is best else _BAR for each in figures]
        axes.barh(names, rates, color=colours, xerr=errors, ecolor=_INK, capsize=3)
        axes.invert_yaxis()
        axes.set_xlabel("pages/s (median, and the range of the runs)")

    words = "; ".join(f"{name} {rate:.3g}" for name, rate in zip(names, rates, strict=True))
    return _plot("Pages a second", words, draw, len(names))


def _speed_up(figures: Sequence[Statistics], number: Callable[[Statistics], int], what: str) -> Plot:
    """Speed against the number of threads or processes, and what as many times as fast would be."""
    points = sorted(figures, key=number)
    counts = [number(each) for each in points]
    base = points[0].rate
    gains = [each.rate / base for each in points]
    low = [gain - min(each.rates) / base for gain, each in zip(gains, points, strict=True)]
    high = [max(each.rates) / base - gain for gain, each in zip(gains, points, strict=True)]

    def draw(axes: Any) -> None:
        ideal = [count / counts[0] for count in counts]
        axes.plot(counts, ideal, "--", color=_BAR, label=f"in proportion to the {what}")
        axes.errorbar(counts, gains, yerr=[low, high], fmt="o-", color=_BEST, capsize=3, label="measured")
        axes.set_xscale("log", base=2)
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.set_ylim(0, max(*gains, 2.0) * 1.25)
        axes.set_xlabel(what if what == "threads" else f"{what} of {points[0].strategy.threads} threads")
        axes.set_ylabel(f"times as fast as {counts[0]}")
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9)

    pairs = zip(counts, gains, strict=True)
    words = "; ".join(f"{count} {what}: {gain:.2g} times" for count, gain in pairs)
    return _plot(f"Speed-up against {what}", words, draw, 6)


def _stages(comparison: Comparison) -> Plot:
    """A page alone: a bar of the stages, waiting and computing."""
    times = {name: getattr(comparison.stages, name) * 1000 for name in _STAGES}
    label = "ms a page (mean, one page at a time)"
    return _milliseconds("A page alone", times, label, list(_STAGES.values()))


def _milliseconds(title: str, times: dict[str, float], label: str, colours: list[str]) -> Plot:
    """A bar for each part of a page's time, with its figure."""

    def draw(axes: Any) -> None:
        axes.barh(list(times), list(times.values()), color=colours)
        for place, value in enumerate(times.values()):
            offset = {"xytext": (3, 0), "textcoords": "offset points"}
            axes.annotate(f"{value:.2g}", (value, place), va="center", fontsize=9, **offset)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel(label)

    words = "; ".join(f"{name} {value:.2g} ms" for name, value in times.items())
    return _plot(title, words, draw, len(times))


def _shares(figures: Sequence[Statistics]) -> Plot:
    """What the threads of each strategy do with their time; parts that nowhere show are left out."""
    names = [each.strategy.name for each in figures]
    shares = [share_out(each) for each in figures]
    parts = [part for part in PARTS if max(each[part] for each in shares) >= _SEEN]

    def draw(axes: Any) -> None:
        left = [0.0] * len(shares)
        for part in parts:
            widths = [100 * each[part] for each in shares]
            axes.barh(names, widths, left=left, color=_PARTS[part], label=PARTS[part])
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of all threads' time")
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=2, fontsize=9)

    words = "; ".join(
        f"{name} " + ", ".join(f"{PARTS[part]} {each[part]:.0%}" for part in parts)
        for name, each in zip(names, shares, strict=True)
    )
    return _plot("What the threads do", words, draw, len(names) + len(parts) // 2)


def _recorded(seconds: ExchangeTimes) -> Plot:
    """What the sites took when they were recorded."""
    names = {
        "name": seconds.dns,
        "connect": seconds.connect,
        "TLS": seconds.tls,
        "first byte": seconds.first_byte,
        "transfer": seconds.transfer,
    }
    times = {name: value * 1000 for name, value in names.items()}
    return _milliseconds("What the network took, as recorded", times, "ms a page (mean)", [_BAR] * 5)


def _busy(figures: Sequence[Statistics], cpus: int) -> Plot:
    """How full the cores are that each strategy can use."""
    names = [each.strategy.name for each in figures]
    shares = [100 * min(1.0, cpu_share(each, cpus)) for each in figures]

    def draw(axes: Any) -> None:
        axes.barh(names, shares, color=_BAR)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("% busy of the cores that it can use (threads: one)")

    words = "; ".join(f"{name} {share:.0f} %" for name, share in zip(names, shares, strict=True))
    return _plot("How busy the processor is", words, draw, len(names))


def _memory(figures: Sequence[Statistics], best: Statistics) -> Plot:
    known = [each for each in figures if each.memory]
    names = [each.strategy.name for each in known]
    sizes = [(each.memory or 0) / 1e6 for each in known]

    def draw(axes: Any) -> None:
        axes.barh(names, sizes, color=[_BEST if each is best else _BAR for each in known])
        axes.invert_yaxis()
        axes.set_xlabel("MB (the most of any run, all processes)")

    words = "; ".join(f"{name} {size:.0f} MB" for name, size in zip(names, sizes, strict=True))
    return _plot("Memory", words, draw, len(names))


def _plot(title: str, words: str, draw: Callable[[Any], None], rows: int) -> Plot:
    """The plot that ``draw`` makes on fresh axes; text stays text, and ids are this plot's own."""
    mpl: Any = import_module("matplotlib")
    figure_of: Any = import_module("matplotlib.figure").Figure
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": title,
        "svg.id": re.sub(r"\W+", "-", title.lower()),
        "font.family": "sans-serif",
        "text.parse_math": False,
    }
    known = {name: value for name, value in style.items() if name in mpl.rcParams}  # svg.id: since 3.10
    with mpl.rc_context(known):
        figure = figure_of(figsize=(_WIDTH, 1.0 + 0.33 * rows), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        file = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    svg = re.sub(r'<g id="[^"]*"', "<g", file.getvalue())  # which all plots would have alike
    return Plot(title, words, svg[svg.index("<svg") :].strip())
