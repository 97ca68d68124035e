"""Options: each is declared once, and the parser, the help and the options page come from there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parascrape.cli.harvest import lists
from parascrape.cli.help import COMMANDS
from parascrape.cli.options import load_command
from parascrape.errors import UsageError
from parascrape.settings import SETTINGS_OPTIONS, Settings, command_options
from tests.helpers.options_page import options_page


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_one_name_means_one_option_in_all_commands(name: str) -> None:
    """A command that takes a setting takes the option that its field declares."""
    options = load_command(name).options
    assert all(options[one] is SETTINGS_OPTIONS[one] for one in options.keys() & SETTINGS_OPTIONS.keys())


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--worker-memory", "3"], "worker_bytes", 3_000_000),
        (["--max-age", "6h"], "max_age", 21_600.0),
        (["--ignore-robots"], "robots", False),
        (["--per-domain"], "per_domain", True),
        (["-H", "A: b", "--header", "C:d"], "headers", {"A": "b", "C": "d"}),
        (["--cookie", "sid=1=2"], "cookies", {"sid": "1=2"}),
        (["--select", "a=b", "--select", "c=d"], "select", ("a=b", "c=d")),
        (["-m", "process"], "mode", "process"),
    ],
)
def test_arguments_become_settings(arguments: list[str], name: str, value: Any) -> None:
    """They have the unit and the type of the field."""
    assert getattr(lists.read([*arguments, "list.txt"]).make(Settings), name) == value


def test_settings_survive_the_round_trip_through_arguments() -> None:
    """A comparison passes settings on as arguments."""
    settings = Settings(
        worker_bytes=3_000_000,
        scraper="shop.py:item",
        select=("a=b", "c=d"),
        delay=0.5,
        robots=False,
        headers={"A": "b"},
        cookies={"c": "d"},
        verify_tls=False,
    )
    assert lists.read([*command_options(settings), "list.txt"]).make(Settings) == settings


@pytest.mark.parametrize(("arguments", "reason"), [(["--limit", "-1"], "--limit: -1 is less than 0")])
def test_declared_bounds_are_checked(arguments: list[str], reason: str) -> None:
    """The message names the option."""
    with pytest.raises(UsageError, match=reason):
        lists.read([*arguments, "list.txt"])


def test_the_options_page_shows_every_option() -> None:
    """It has the range, the key in a job file and the commands; hidden options are left out."""
    page = options_page()
    for name in ("", *COMMANDS):
        for option in load_command(name).options.values():
            assert all(f"`{flag}" in page for flag in option.flags) is not option.hidden
    assert "| `--worker-memory MB` |" in page
    assert "| 1 to 100 |" in page
    assert "| `ignore_tracking` | `scrape`, `scrape crawl`" in page


def test_a_command_loads_only_its_own_module() -> None:
    """The modules of the others are not imported."""
    code = (
        "import sys; from parascrape.cli import run; run(['diff', '--help']); "
        "print(sorted(name for name in sys.modules if name.startswith('parascrape.cli.')))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {f"parascrape.cli.{name}" for name in ("diff", "help", "options", "tables")}
    assert shown.splitlines()[-1] == str(sorted(loaded))


def test_the_documentation_has_the_options_page_of_now() -> None:
    """`python -m tests.helpers.options_page > docs/options.md` makes it."""
    page = Path(__file__).parents[2] / "docs" / "options.md"
    assert page.read_text(encoding="utf-8") == options_page()
