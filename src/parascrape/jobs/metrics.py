"""Metrics of a job's last run, as a file for the textfile collector of Prometheus' node exporter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from parascrape.jobs.summary import RunSummary
from parascrape.system import replace_file

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def render_metrics(summary: RunSummary, latest: Path) -> str:
    """Return the metrics of a run in Prometheus' text format 0.0.4; all of them are gauges.

    ``latest`` is the link to the job's last accepted output.
    """
    ended = summary.ended.timestamp() if summary.ended else 0.0
    accepted = {"": latest.stat().st_mtime} if latest.exists() else {}
    inputs = {"good": summary.good, "unchanged": summary.unchanged, "failed": summary.failures}
    inputs["skipped"] = sum(summary.skipped.values())
    changes = {kind: count for kind, count in asdict(summary.changes).items() if kind != "rewritten"}
    rate = {"": summary.pages_per_second}
    metrics: list[tuple[str, str, str, Mapping[str, float]]] = [
        ("run_end_timestamp_seconds", "", "When the last run of the job ended, Unix time.", {"": ended}),
        ("run_duration_seconds", "", "How long the harvest of the last run took.", {"": summary.seconds}),
        ("run_exit_status", "", "Exit status of the last run.", {"": summary.exit_status or 0}),
        ("run_accepted", "", "1 if the output of the last run was accepted, else 0.", {"": summary.accepted}),
        ("run_records", "", "Records of the last run.", {"": summary.records}),
        ("run_bytes", "", "Bytes received for the records of the last run.", {"": summary.bytes}),
        ("run_pages_per_second", "", "Pages a second of the last run.", rate),
        (
            "accepted_timestamp_seconds",
            "",
            "When the latest accepted output was written, Unix time.",
            accepted,
        ),
        ("run_inputs", "outcome", "Inputs of the last run; unchanged ones are counted as good too.", inputs),
        ("run_failures", "code", "Inputs of the last run that failed, by error code.", summary.failed),
        ("run_changes", "kind", "Pages that differ from the run before, by kind.", changes),
    ]
    return "".join(_gauge(summary.job, *metric) for metric in metrics)


def _gauge(job: str, name: str, label: str, text: str, values: Mapping[str, float]) -> str:
    """Return the lines of a metric with a value for each value of the label; "" if it has no value."""
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
