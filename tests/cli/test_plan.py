"""The command ``scrape plan``: its table, its words, its JSON, and whom it asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from parascrape.cli import run
from tests.harvesting.test_estimate import pages
from tests.sites import site as site_module
from tests.sites.site import Site, Visitor


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site with a robots.txt, and a list of it in the working directory."""
    monkeypatch.chdir(tmp_path)
    text = b"User-agent: *\nDisallow: /secret\nCrawl-delay: 7\n"
    monkeypatch.setitem(site_module.ROUTES, "robots.txt", lambda visitor: Visitor.answer(visitor, text))
    with Site() as site:
        urls = [
            *map(site, ("/page/1", "/page/2", "/page/2#x", "/page/3", "/secret/1")),
            "http://127.0.0.1:1/",
            "x",
        ]
        Path("list.txt").write_text("\n".join(urls))
        yield site


def test_only_robots_txt_is_fetched(listed: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is on standard output, a line on who is asked on standard error."""
    assert run(["plan", "list.txt", "--timeout", "5"]) == 0
    assert [path for path, _ in listed.log] == ["/robots.txt"]
    out, errors = capsys.readouterr()
    assert "to fetch    3" in out
    assert f"At least 14 s: {listed.url} sets it, by the delay that its robots.txt asks for." in out
    assert "--ignore-robots would fetch 2 URLs more and take at least 0 s, if its sites agree." in out
    assert errors == "Asking the hosts for robots.txt (--offline skips that).\n"


def test_offline_sends_no_request(listed: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan shows that forbidden URLs are unknown."""
    assert run(["plan", "list.txt", "--offline", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["asked"], found["forbidden"], found["unreachable"], found["fetches"]) == (
        False,
        None,
        None,
        5,
    )
    assert listed.log == []


def test_json_is_one_object_with_the_documented_keys(
    listed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has the host that sets the bound and the options that would change it."""
    assert run(["plan", "list.txt", "--json", "--top", "1", "--timeout", "5"]) == 0
    line = capsys.readouterr().out
    found = json.loads(line)
    assert line.count("\n") == 1
    host = listed.url
    assert found == {
        "lines": 7,
        "invalid": 1,
        "duplicates": 1,
        "forbidden": 1,
        "unreachable": 1,
        "fetches": 3,
        "hosts": 2,
        "asked": True,
        "latency": 0.0,
        "bound": {"seconds": 14.0, "by": "robots", "host": host},
        "top": [
            {
                "host": host,
                "urls": 4,
                "forbidden": 1,
                "unreachable": 0,
                "delay": 7.0,
                "delay_by": "robots",
                "seconds": 14.0,
                "fetches": 3,
            }
        ],
        "changes": [
            {"options": "--ignore-robots", "bound": {"seconds": 0.0, "by": "", "host": ""}, "fetches": 5}
        ],
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "No delay applies, only 4 fetches at once from a host: --latency"),
        (("--per-host", "0"), "only any number of fetches at once from a host"),
        (("--per-host", "1"), "only 1 fetch at once from a host"),
        (("--delay", "2"), "At least 4 s: https://a.example sets it, by --delay 2."),
        (("--latency", "3", "--per-host", "1"), "At least 9 s: https://a.example sets it, by --per-host 1."),
        (("--latency", "1", "--threads", "1"), "At least 4 s: by 1 fetch at once over all."),
        (
            ("--limit", "1", "--latency", "1"),
            "At least 1 s: https://a.example sets it, by the time of one fetch.",
        ),
        (("--top", "1"), "and 1 host more"),
        (("--top", "1", "--per-domain"), "and 1 domain more"),
        (("--ignore-robots",), "robots.txt is ignored."),
    ],
)
def test_the_bound_is_explained_in_a_sentence(
    options: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has the host that sets the bound, the option, and the assumptions."""
    file = tmp_path / "list.txt"
    file.write_text("\n".join([*pages(3, "https://a.example"), *pages(1, "https://b.example")]))
    assert run(["plan", str(file), "--offline", *options]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-list.txt",),
        ("list.txt", "--latency", "-1"),
        ("list.txt", "--latency", "nan"),
        ("list.txt", "--top", "-1"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(
    arguments: tuple[str, ...], listed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, with exit status 2, before anybody is asked."""
    assert run(["plan", *arguments]) == 2
    out, errors = capsys.readouterr()
    assert (out, errors.count("\n"), listed.log) == ("", 1, [])


def test_a_long_host_is_cut_and_no_line_is_wider_than_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers stay whole."""
    monkeypatch.setenv("COLUMNS", "80")
    file = tmp_path / "list.txt"
    file.write_text("\n".join(pages(12_345, "https://" + "long." * 40 + "example")))
    assert run(["plan", str(file), "--offline", "--delay", "3"]) == 0
    table = capsys.readouterr().out.split("\n\n")[1]
    assert max(map(len, table.splitlines())) <= 80
    assert "…" in table
    assert "12,345" in table
