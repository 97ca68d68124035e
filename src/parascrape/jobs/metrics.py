"""Metrics of a job's last run, as a file for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from parascrape.jobs.summary import RunSummary
from parascrape.system import replace_file

_VALUES = {
    "run_end_timestamp_seconds": "When the last run of the job ended, Unix time.",
    "run_duration_seconds": "How long the harvest of the last run took.",
    "run_exit_status": "Exit status of the last run.",
    "run_accepted": "1 where the output of the last run was accepted, else 0.",
    "run_records": "Records of the last run.",
    "run_bytes": "Bytes received for the records of the last run.",
    "run_pages_per_second": "Pages a second of the last run.",
    "accepted_timestamp_seconds": "When the latest accepted output was written, Unix time.",
}
_COUNTS = {
    "run_inputs": ("outcome", "Inputs of the last run by outcome; unchanged ones are counted as good too."),
    "run_failures": ("code", "Inputs of the last run that failed, by error code."),
    "run_changes": ("kind", "Pages of the last run that differ from the run before, by kind."),
}
"""The label and the help of each metric that has several values."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def render_metrics(summary: RunSummary, latest: Path) -> str:
    """Return the metrics of a run in Prometheus' text format 0.0.4; all of them are gauges.

    ``latest`` is the link to the job's last accepted output.
    """
    values: dict[str, float] = {
        "run_end_timestamp_seconds": summary.ended.timestamp() if summary.ended else 0.0,
        "run_duration_seconds": summary.seconds,
        "run_exit_status": summary.exit_status or 0,
        "run_accepted": int(summary.accepted),
        "run_records": summary.records,
        "run_bytes": summary.bytes,
        "run_pages_per_second": summary.pages_per_second,
    }
    if latest.exists():
        values["accepted_timestamp_seconds"] = latest.stat().st_mtime
    inputs = {"good": summary.good, "unchanged": summary.unchanged, "failed": summary.failures}
    inputs["skipped"] = sum(summary.skipped.values())
    changes = {kind: count for kind, count in asdict(summary.changes).items() if kind != "rewritten"}
    counts = {"run_inputs": inputs, "run_failures": summary.failed, "run_changes": changes}
    parts = [_gauge(name, _VALUES[name], {"": value}, summary.job) for name, value in values.items()]
    for name, (label, text) in _COUNTS.items():
        parts.append(_gauge(name, text, counts[name], summary.job, label))
    return "".join(parts)


def _gauge(name: str, text: str, values: Mapping[str, float], job: str, label: str = "") -> str:
    """Return the lines of a metric with a value for each value of the label; none if it has no value."""
    lines = [f"# HELP parascrape_{name} {text}\n# TYPE parascrape_{name} gauge\n"] if values else []
    for key, value in values.items():
        second = f',{label}="{key.translate(_ESCAPES)}"' if label else ""
        lines.append(f'parascrape_{name}{{job="{job}"{second}}} {value:.15g}\n')
    return "".join(lines)


def write_metrics(path: Path, summary: RunSummary, latest: Path) -> None:
    """Replace the job's metrics file atomically. Raises OSError."""
    with replace_file(path) as file:
        file.write(render_metrics(summary, latest).encode())
    path.chmod(0o644)  # the collector runs as another user
