"""The classic demonstrations: what the scripts under examples/ print, and the README's words for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers import command

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
MODES = ["sequential", "thread", "process"]


def run(name: str, *arguments: object, logs: int = 0) -> list[str]:
    """The lines that an example prints, after so many that it logs; it must end well."""
    status, out, errors = command.finish(command.start(EXAMPLES / name, *arguments))
    assert (status, len(errors.splitlines())) == (0, logs), errors
    return [*errors.splitlines(), *out.splitlines()]


def test_all_modes_compute_the_same_and_are_timed() -> None:
    """Divisors and sums come in the numbers' order, with a line for each mode of both."""
    lines = run("cpu_bound.py", 28, 97)
    assert [line.strip() for line in lines if "->" in line] == [
        "28 -> [1, 2, 4, 7, 14, 28]",
        "97 -> [1, 97]",
        "28 -> 6930",
        "97 -> 299536",
    ]
    timed = [line.split()[0] for line in lines if re.search(r"\d s +\d+\.\d\d x$", line)]
    assert timed == MODES * 2


@pytest.mark.parametrize("mode", MODES)
def test_every_line_of_a_workers_stack_has_its_name(mode: str) -> None:
    """What it logs has it too; the tasks beside it are not touched."""
    lines = run("worker_errors.py", mode, logs=3)
    worker = "worker" if mode == "process" else "thread"
    trace = [line for line in lines[3:] if "costs" not in line]
    names = {line.partition(": ")[0] for line in trace}
    assert len(names) == 1
    assert all(line.startswith(f"{worker}-") for line in trace)
    assert trace[0].endswith(f": Worker {names.pop()}:")
    assert trace[-1].endswith(": ValueError: could not convert string to float: 'free'")
    assert any(line.endswith("in price_of") for line in trace)
    assert {line for line in lines if "costs" in line} == {
        "'bread 2.50' costs 2.50",
        "'salt 0.80' costs 0.80",
    }
    assert all(re.fullmatch(rf"{worker}-[\d.]+: reading '.*'", line) for line in lines[:3])


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_results_come_in_order_or_as_completed(mode: str) -> None:
    """The quickest is last in the one and first in the other."""
    assert run("in_order.py", mode) == ["in order: 0.6 0.3 0.0", "as completed: 0.0 0.3 0.6"]


def test_the_readme_names_every_example() -> None:
    """And none that is not there."""
    named = re.findall(r"examples/(\w+\.py)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert set(named) == {path.name for path in EXAMPLES.glob("*.py")}
