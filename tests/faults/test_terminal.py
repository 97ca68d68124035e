"""What strangers say, on the terminal and in the log: wherever a server, page, list or name can speak."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.faults.hostile_site import PAGES
from tests.helpers.command import on_a_terminal, read_records
from tests.sites.site import Site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="terminals as Linux has them")

EVIL = "\x1b[2J\x1b]0;pwned\x07\x9b31m\u202e\u2066\u200f\u2028[/x][bold]\r\nforged INFO line"
RAW = ("\x1b[2J", "\x1b]0;", "\x9b", "\x07", "\u202e", "\u2066", "\u200f", "\u2028", "\0", "\nforged")
SCRAPER = """import logging
def loud(page):
    title = page.css_first("title").text()
    logging.getLogger(title).warning("%s %s %s", title, page.headers, page.url)
    if "raise" in page.url:
        raise type(title.replace(chr(0), ""), (ValueError,), {})(title)
    return {"title": title}
"""


def evil_paths() -> list[str]:
    """Pages whose title, headers, status line and redirects say what a terminal must not be given."""
    PAGES.clear()
    PAGES["title"] = ("text/html", f"<title>{EVIL}</title>".encode())
    header = f"x-evil: {EVIL}".partition("\r")[0].encode().hex()
    return [
        "/document/title",
        "/document/title?raise",
        f"/header/{header}",
        "/status-line/escape",
        *(f"/location/{target.encode().hex()}" for target in ("/\x1b[2J[/x]", "http://\u202e.example/\x9b")),
        "/ok?[/x][bold]",
        "/ok?\x1b[2J\x9b[/x]",
        "/ok?\u202e\u2066[/x]",
    ]


def harmless(text: str) -> bool:
    """Whether nothing raw is in it."""
    return not any(raw in text for raw in RAW)


@pytest.mark.parametrize("mode", ["process", pytest.param("thread", marks=pytest.mark.slow)])
def test_strangers_do_not_move_the_cursor_or_forge_lines(mode: str, site: Site, tmp_path: Path) -> None:
    """Titles, header values, reason phrases, hosts, URLs, exception types: escaped, in the log too."""
    (tmp_path / "loud.py").write_text(SCRAPER)
    listed, output, log = tmp_path / "list.txt", tmp_path / "out.jsonl", tmp_path / "log"
    listed.write_text("".join(site(path) + "\n" for path in evil_paths()) + "http://\u202egnp.example/[/x]\n")
    options = ("-v", "--log-file", log, "-m", mode, "-p", 1, "-t", 2, "--retries", 0)
    status, shown = on_a_terminal(listed, "-o", output, "--scraper", "loud.py:loud", *options, cwd=tmp_path)
    assert status == 1, shown
    assert len(read_records(output)) == len(evil_paths()) + 1
    logged = log.read_text(encoding="utf-8")
    assert harmless(shown), shown
    assert harmless(logged), logged
    for said in (shown, logged):
        assert r"\x1b[2J\x1b]0;pwned" in said
        assert "404 " in said
        assert "[/x][bold]" in said
        assert re.search(r"^forged", said, re.M) is None


@pytest.mark.slow
def test_names_of_files_are_shown_harmless(site: Site, tmp_path: Path) -> None:
    """Of lists, outputs and columns: on the way, in the summary, when resumed and retried, and in errors."""
    output = "out\x1b[2J\x9b\u202e[bold].jsonl"
    name = "list\x1b[2J\u202e[bold].txt"
    (tmp_path / name).write_text(site("/status/404") + "\n")
    runs = (
        (name, "-o", output),
        (name, "-o", output),
        ("retry", output),
        (name, "-o", f"/proc/no\x1b[2Jfolder/{output}"),
        (f"no-{name}",),
        (name, "--url-column", "\x1b[2J[/x]"),
        (name, "--select", "\x1b[2J=[/x]\x9b"),
        (name, "--scraper", "\x1b[2J[/x]\u202e"),
        (name, "--mode", "\x1b[2J[/x]\u202e"),
        ("retry", output, "--only", "\x1b[2J[/x]\u202e"),
    )
    for arguments in runs:
        _, shown = on_a_terminal(*arguments, "--retries", 0, cwd=tmp_path)
        assert harmless(shown), (arguments, shown)
        assert shown.strip(), arguments
