"""Guards: reading them from a table, and the runs that breach them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, strategies as st

from parascrape.jobs.guards import FEWEST_RUNS, Guards
from parascrape.jobs.schema import read_table
from parascrape.jobs.summary import ChangeTotals, RunSummary
from tests.helpers.histories import summary


def make_guards(table: dict[str, Any]) -> Guards:
    """Return the guards of a table."""
    return read_table(Guards, table, "guard")


# --- tables -----------------------------------------------------------------------------------------


def test_guards_are_read_from_a_table() -> None:
    """Shares are percentages or numbers; an empty table sets no guard."""
    table = {"max_failed": "5%", "min_records": 100, "usual": 0.5, "max_empty": {"title": "10 %"}}
    assert make_guards(table) == Guards(
        max_failed=Fraction(1, 20),
        min_records=100,
        usual=Fraction(1, 2),
        max_empty={"title": Fraction(1, 10)},
    )
    assert make_guards({"max_empty": 0, "max_changed": 1}) == Guards(
        max_empty=Fraction(0), max_changed=Fraction(1)
    )
    assert make_guards({}) == Guards()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"max_fail": "5%"}, r"max_fail: no such guard; did you mean 'max_failed'\?"),
        ({"\x1b[2J": 1}, r"\\x1b\[2J: no such guard$"),
        ({"max_failed": "5"}, "max_failed: '5' is not a share"),
        ({"max_failed": 5}, "max_failed: 5 is not a share"),
        ({"max_failed": "101%"}, "max_failed: '101%' is not a share"),
        ({"max_failed": -0.1}, "max_failed: -0.1 is not a share"),
        ({"max_failed": True}, "max_failed: True is not a share"),
        ({"max_failed": float("nan")}, "max_failed: nan is not a share"),
        ({"max_failed": float("inf")}, "max_failed: inf is not a share"),
        ({"max_failed": 10**400}, "max_failed: 10.* is not a share"),
        ({"max_failed": None}, "max_failed: None is not a share"),
        ({"usual": "half"}, "usual: 'half' is not a share"),
        ({"min_records": "100"}, "min_records: write a whole number of at least 0, not '100'"),
        ({"min_records": -1}, "min_records: write a whole number of at least 0, not -1"),
        ({"min_records": True}, "min_records: write a whole number of at least 0, not True"),
        ({"max_empty": {"title": "x"}}, "max_empty: title: 'x' is not a share"),
        ({"max_empty": {}}, "max_empty: no field is named"),
        ({"max_changed": ["5%"]}, r"max_changed: \['5%'\] is not a share"),
        ({"usual": "x", "spam": 1}, "usual: 'x' is not a share.*; spam: no such guard$"),
    ],
)
def test_mistakes_are_named(table: dict[str, Any], message: str) -> None:
    """All mistakes of a table are reported at once, each with its key."""
    with pytest.raises(ValueError, match=message):
        make_guards(table)


# --- judging ----------------------------------------------------------------------------------------

USUAL = [summary(records=count) for count in (90, 100, 110)]


@pytest.mark.parametrize(
    ("table", "values", "sentence"),
    [
        ({"max_failed": "5%"}, {"inputs": 1000, "failed": {"timeout": 30, "dns": 20}}, ""),
        (
            {"max_failed": "5%"},
            {"inputs": 1000, "failed": {"timeout": 31, "dns": 20}},
            "max_failed: 51 of 1,000 inputs failed (5.1%); the limit is 5%.",
        ),
        ({"max_failed": "29%"}, {"inputs": 100, "failed": {"dns": 29}}, ""),  # 0.29 * 100 < 29 in floats
        ({"max_failed": 0}, {"inputs": 0}, ""),
        (
            {"max_failed": 0},
            {"inputs": 100_000, "failed": {"dns": 1}},
            "max_failed: 1 of 100,000 inputs failed (<0.1%); the limit is 0%.",
        ),
        ({"max_failed": 0}, {"inputs": 9, "skipped": {"duplicate": 9}}, ""),
        ({"min_records": 100}, {"records": 100}, ""),
        (
            {"min_records": 1000},
            {"records": 999},
            "min_records: 999 records; the minimum is 1,000.",
        ),
        ({"usual": "50%"}, {"records": 50}, ""),
        (
            {"usual": "50%"},
            {"records": 49},
            "usual: 49 records are 49% of the usual 100 (the median of 3 runs); the minimum is 50%.",
        ),
        ({"max_empty": "10%"}, {"records": 10, "empty": {"title": 0.1, "text": 0.0}}, ""),
        (
            {"max_empty": "10%"},
            {"records": 10, "empty": {"title": 0.2, "text": 0.1}},
            "max_empty: title is empty in 2 of 10 records (20%); the limit is 10%.",
        ),
        ({"max_empty": {"title": "10%"}}, {"records": 10, "empty": {"title": 0.0, "text": 1.0}}, ""),
        (
            {"max_empty": {"titel": "10%"}},
            {"records": 10, "empty": {"title": 0.0}},
            "max_empty: titel is empty in 10 of 10 records (100%); the limit is 10%.",
        ),
        ({"max_empty": {"title": 0}}, {"records": 0}, ""),
        (
            {"max_empty": 0},
            {"records": 3, "empty": {"\x1b[2J": 1 / 3}},
            "max_empty: \\x1b[2J is empty in 1 of 3 records (33.3%); the limit is 0%.",
        ),
        ({"max_changed": "50%"}, {"good": 10, "changes": ChangeTotals(changed=9, rewritten=5)}, ""),
        (
            {"max_changed": "50%"},
            {"good": 12, "changes": ChangeTotals(added=1, back=1, changed=9, rewritten=6)},
            "max_changed: in 6 of 10 pages (60%) at least half of the fields changed; the limit is 50%. "
            "Was the site redesigned?",
        ),
        ({"max_changed": 0}, {"good": 4, "changes": ChangeTotals(added=4)}, ""),
    ],
)
def test_a_breach_is_one_sentence_with_its_figures(
    table: dict[str, Any], values: dict[str, Any], sentence: str
) -> None:
    """A value at the limit is not a breach."""
    assert make_guards(table).judge(summary(**values), USUAL) == [sentence] * bool(sentence)


@pytest.mark.parametrize("few", range(FEWEST_RUNS))
def test_usual_needs_three_accepted_runs(few: int) -> None:
    """Rejected and killed runs do not count, however many there are."""
    others = [summary(records=9, outcome=outcome) for outcome in ("rejected", "interrupted", "crashed")]
    recent = [*USUAL[:few], *others * 5]
    assert make_guards({"usual": "50%"}).judge(summary(records=0), recent) == []


def test_rejected_runs_do_not_change_the_usual_number() -> None:
    """Otherwise a site that stays broken would become usual."""
    recent = [*(summary(records=1, outcome="rejected") for _ in range(30)), *USUAL]
    assert len(make_guards({"usual": "50%"}).judge(summary(records=1), recent)) == 1


def test_every_breach_is_reported() -> None:
    """Breaches come in a fixed order; of many fields the emptiest are named, and the rest counted."""
    guards = make_guards(
        {"max_failed": 0, "min_records": 50, "usual": "50%", "max_empty": 0, "max_changed": 0}
    )
    empty = {f"field {number}": number / 10 for number in range(1, 10)}
    failed, changes = {"dns": 1}, ChangeTotals(changed=1, rewritten=1)
    run = summary(inputs=11, good=10, records=10, failed=failed, changes=changes, empty=empty)
    sentences = guards.judge(run, USUAL)
    names = [sentence.partition(":")[0] for sentence in sentences]
    assert names == ["max_failed", "min_records", "usual", *["max_empty"] * 6, "max_changed"]
    assert sentences[3].startswith("max_empty: field 9 is empty in 9 of 10")
    assert sentences[8] == "max_empty: 4 other fields are over the limit too."


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10_000).map(lambda number: number / 100),
)
def test_a_share_is_judged_exactly(failed: int, good: int, limit: float) -> None:
    """The comparison with hundredths of a percent has no rounding errors."""
    run = summary(inputs=failed + good, good=good, failed={"dns": failed})
    breached = make_guards({"max_failed": f"{limit:.2f}%"}).judge(run, [])
    assert bool(breached) == (failed * 10_000 > round(limit * 100) * (failed + good))


@given(st.integers(1, 10**6).flatmap(lambda records: st.tuples(st.integers(0, records), st.just(records))))
def test_float_shares_of_empty_values_are_judged_exactly(counts: tuple[int, int]) -> None:
    """A share at the limit passes, one more value breaches it."""
    empty, records = counts
    run = summary(records=records, empty={"title": empty / records})
    assert Guards(max_empty=Fraction(empty, records)).judge(run, []) == []
    assert bool(Guards(max_empty=Fraction(empty, records + 1)).judge(run, [])) == (empty > 0)


@given(st.builds(RunSummary, job=st.just("a"), began=st.just(USUAL[0].began), records=st.integers(0, 10**9)))
def test_without_guards_every_run_passes(run: RunSummary) -> None:
    """No summary breaches an empty set of guards."""
    assert Guards().judge(run, USUAL) == []
