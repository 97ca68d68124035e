"""Job files: options become arguments, and every mistake is reported."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from parascrape.errors import UsageError
from parascrape.jobs import read_jobs
from parascrape.jobs.guards import Guards
from parascrape.jobs.retention import RetentionPolicy
from tests.helpers.jobs import COMMAND, NEWS, make_jobs, write_jobs


def test_options_have_the_names_of_the_command(tmp_path: Path) -> None:
    """Underscores replace hyphens; switches, numbers, lists and tables become arguments before the lists."""
    more = """
per_host = 2
delay = 0.5
ignore_robots = true
per_domain = false
select = { title = "h1" }
header = ["A: b"]
cookie = { id = "7" }
"""
    job = make_jobs(tmp_path, NEWS, more).jobs["news"]
    assert set(job.arguments[:-2]) == {
        "--per-host=2",
        "--delay=0.5",
        "--ignore-robots",
        "--select=title=h1",
        "--header=A: b",
        "--cookie=id=7",
    }
    assert job.arguments[-2:] == ("--", "urls.txt")


def test_every_option_of_the_command_can_be_set() -> None:
    """Options that a run sets itself are excluded."""
    assert {
        "mode",
        "max_age",
        "insecure",
        "user_agent",
        "ignore_tracking",
        "ordered",
    } <= COMMAND.options.keys()
    assert COMMAND.options.keys().isdisjoint(
        {"output", "previous", "overwrite", "quiet", "version", "connect_to"}
    )


def test_a_jobs_keys_override_the_defaults(tmp_path: Path) -> None:
    """Tables are merged key by key; a job's interval replaces the defaults' schedule."""
    defaults = """
[defaults]
schedule = "0 6 * * *"
per_host = 9
retention.keep = 3
guards.min_records = 1
"""
    job = make_jobs(tmp_path, defaults, NEWS, 'every = "4h"', "per_host = 1", "guards.max_failed = 0.5").jobs[
        "news"
    ]
    assert job.timing is not None
    assert (job.timing.cron, job.timing.every) == ("", 14_400.0)
    assert "--per-host=1" in job.arguments
    assert job.guards == Guards(min_records=1, max_failed=Fraction(1, 2))
    assert job.retention == RetentionPolicy(keep=3)


def test_hooks_are_argument_lists(tmp_path: Path) -> None:
    """A string is split as a shell would split it."""
    job = make_jobs(tmp_path, NEWS, "on_failure = \"mail -s 'a b' me\"", 'on_change = ["x", "y z"]').jobs[
        "news"
    ]
    assert (job.on_failure, job.on_change) == (("mail", "-s", "a b", "me"), ("x", "y z"))
    assert job.on_success == ()


MISTAKES = [
    ("per_hots = 2", "jobs.news.per_hots: no such key; did you mean 'per_host'?"),
    ("per-host = 2", "jobs.news.per-host: no such key; did you mean 'per_host'?"),
    ('per_host = "2"', "jobs.news.per_host: write a whole number, not '2'"),
    ("per_host = true", "jobs.news.per_host: write a whole number, not True"),
    ("per_host = -1", "jobs.news: per_host: -1 is not between"),
    ("delay = []", "jobs.news.delay: write a number"),
    ("insecure = 1", "jobs.news.insecure: write true or false, not 1"),
    ('select = "h1"', "jobs.news.select: write a list of strings"),
    ('header = ["nonsense"]', "jobs.news: --header 'nonsense': write NAME: VALUE"),
    ('mode = "fibres"', "jobs.news: Invalid value"),
    ('schedule = "0 6 * *"', "schedule: '0 6 * *' needs five fields"),
    ('schedule = "61 6 * * *"', "bad minute"),
    ('schedule = "0 0 31 2 *"', "schedule: '0 0 31 2 *'"),
    ('schedule = "* * * * *"\nevery = "1h"', "schedule and every exclude each other"),
    ('every = "soon"', "'soon' is not a duration"),
    ('every = "0.1s"', "every: '0.1s' is not between 1s and 366d"),
    ('timezone = "Europe/Berlyn"', "timezone: 'Europe/Berlyn' is unknown"),
    ('timezone = "../passwd"', "timezone: '../passwd' is unknown"),
    ('every = "1m"\njitter = "2m"', "jitter: 2m is longer than the time between two runs"),
    ("guards.max_failled = 1", "jobs.news.guards: max_failled: no such guard; did you mean 'max_failed'?"),
    ("guards = 5", "jobs.news.guards: write a table, not 5"),
    ("retention.keep = 0", "jobs.news.retention: keep: write a whole number of at least 1, not 0"),
    ('on_failure = "mail \'"', "jobs.news.on_failure: "),
    ("on_failure = []", "jobs.news.on_failure: write a list of strings"),
    ('hook_timeout = "2h"', "jobs.news.hook_timeout: '2h' is not between 0s and 1h"),
    ("only_changed = 1", "jobs.news.only_changed: write true or false"),
    ('[jobs."a b"]\nlists = ["x"]\noutput = "{date}.jsonl"', "jobs.a b: a job's name has letters"),
    ("[jobs.empty]\nlists = ['x']", "jobs.empty.output: is missing"),
    ('[jobs.more]\nlists = []\noutput = "m/{time}.jsonl"', "jobs.more.lists: write a list of strings"),
    (
        '[jobs.more]\nlists = ["x"]\noutput = "m/{tiem}.jsonl"',
        "jobs.more.output: {tiem} is not one of {job}, {date}",
    ),
    ('[jobs.more]\nlists = ["x"]\noutput = "m/{date!r}.jsonl"', "jobs.more.output: {date} is not one of"),
    ('[jobs.more]\nlists = ["x"]\noutput = "m.jsonl"', "gives every run the same name"),
    ('[jobs.more]\nlists = ["x"]\noutput = "m/{date}.csv"', "does not end in .jsonl"),
    ('[jobs.more]\nlists = ["x"]\noutput = "m/{date"', "jobs.more.output: expected '}'"),
    (
        '[jobs.more]\nlists = ["x"]\noutput = "output/news/{time}.jsonl"',
        "jobs.more.output: job news writes there too; put {job} into it",
    ),
    ("[default]\nper_host = 1", "default: no such key; did you mean 'defaults'?"),
    ("[defaults]\nper_hots = 1", "defaults.per_hots: no such key; did you mean 'per_host'?"),
    ("[defaults]\nper_host = 'x'", "defaults.per_host: write a whole number"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_named_with_its_job_and_key(tmp_path: Path, text: str, message: str) -> None:
    """The message says where the mistake is and what would be right."""
    path = write_jobs(tmp_path, NEWS, text)
    with pytest.raises(UsageError) as caught:
        read_jobs(path, COMMAND)
    assert "harvest.toml: " in str(caught.value)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    """There is one line for each; a mistake in the defaults is reported once."""
    texts = ("[defaults]\ndelya = 1", NEWS, "per_hots = 2\ninsecure = 3", "[jobs.b]\ntimeout = 'x'")
    with pytest.raises(UsageError) as caught:
        make_jobs(tmp_path, *texts)
    places = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert places == [
        "defaults.delya",
        "jobs.news.per_hots",
        "jobs.news.insecure",
        "jobs.b.timeout",
        "jobs.b.lists",
        "jobs.b.output",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"jobs = nothing\n", "at line 1"),
        (b"\xff", "utf-8"),
        (b"", "jobs: the file has no job"),
        (b"jobs = 3", "jobs: write a table"),
    ],
)
def test_an_invalid_job_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    """Broken TOML, wrong encodings and a file without jobs are reported."""
    path = tmp_path / "harvest.toml"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=message):
        read_jobs(path, COMMAND)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """The message has its name."""
    with pytest.raises(UsageError, match=r"nothing\.toml: No such file"):
        read_jobs(tmp_path / "nothing.toml", COMMAND)


def test_jobs_are_selected_by_name(tmp_path: Path) -> None:
    """Without names all jobs are selected; for a wrong name the nearest one is suggested."""
    file = make_jobs(tmp_path, NEWS, '[jobs.shop]\nlists = ["x"]\noutput = "s/{time}.jsonl"')
    assert [job.name for job in file.select([])] == ["news", "shop"]
    assert [job.name for job in file.select(["shop", "shop"])] == ["shop"]
    with pytest.raises(UsageError, match="no job 'shpo'; did you mean 'shop'"):
        file.select(["shpo"])
