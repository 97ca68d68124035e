"""Metrics of a job's last run, as a file for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from parascrape.jobs.summary import RunSummary
from parascrape.system import replace_file

__all__ = ["Metric", "render", "run_samples", "write_metrics"]

_HELP = {
    "parascrape_run_end_timestamp_seconds": "When the last run of the job ended, Unix time.",
    "parascrape_run_duration_seconds": "How long the harvest of the last run took.",
    "parascrape_run_exit_status": "Exit status of the last run.",
    "parascrape_run_accepted": "1 where the output of the last run was accepted, else 0.",
    "parascrape_run_inputs": "Inputs of the last run by outcome; unchanged ones are counted as good too.",
    "parascrape_run_failures": "Inputs of the last run that failed, by error code.",
    "parascrape_run_records": "Records of the last run.",
    "parascrape_run_bytes": "Bytes received for the records of the last run.",
    "parascrape_run_pages_per_second": "Pages a second of the last run.",
    "parascrape_run_changes": "Pages of the last run that differ from the run before, by kind.",
    "parascrape_accepted_timestamp_seconds": "When the latest accepted output was written, Unix time.",
}
"""Every metric with its help text; all are gauges."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Metric(NamedTuple):
    """One value of a metric."""

    name: str
    labels: Mapping[str, str]
    value: float


def run_samples(summary: RunSummary, latest: Path) -> Iterator[Metric]:
    """Yield the metrics of a run; ``latest`` is the link to the job's last accepted output."""
    job = {"job": summary.job}
    plain = {
        "run_end_timestamp_seconds": summary.ended.timestamp() if summary.ended else 0.0,
        "run_duration_seconds": summary.seconds,
        "run_exit_status": summary.exit_status or 0,
        "run_accepted": int(summary.accepted),
        "run_records": summary.records,
        "run_bytes": summary.bytes,
        "run_pages_per_second": summary.pages_per_second,
    }
    yield from (Metric(f"parascrape_{name}", job, float(value)) for name, value in plain.items())
    inputs = {"good": summary.good, "unchanged": summary.unchanged, "failed": summary.failures}
    inputs["skipped"] = sum(summary.skipped.values())
    changes = {kind: count for kind, count in asdict(summary.changes).items() if kind != "rewritten"}
    groups = (
        ("inputs", "outcome", inputs),
        ("failures", "code", summary.failed),
        ("changes", "kind", changes),
    )
    for name, label, counts in groups:
        for value, count in counts.items():
            yield Metric(f"parascrape_run_{name}", {**job, label: value}, float(count))
    if latest.exists():
        yield Metric("parascrape_accepted_timestamp_seconds", job, latest.stat().st_mtime)


def render(samples: Iterable[Metric]) -> str:
    """Return metrics in Prometheus' text format 0.0.4, grouped by name under their help."""
    given = list(samples)
    lines: list[str] = []
    for name, text in _HELP.items():
        own = [sample for sample in given if sample.name == name]
        if own:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", *map(_line, own)]
    return "".join(f"{line}\n" for line in lines)


def _line(sample: Metric) -> str:
    labels = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}} {sample.value:.15g}"


def write_metrics(path: Path, summary: RunSummary, latest: Path) -> None:
    """Replace the job's metrics file atomically. Raises OSError."""
    with replace_file(path) as file:
        file.write(render(run_samples(summary, latest)).encode())
    path.chmod(0o644)  # the collector runs as another user
