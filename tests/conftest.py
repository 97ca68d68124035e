"""What every test may use, and the rule that none goes beyond loopback."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from parascrape.system import SharedFile
from tests.helpers.fetching import close_connections
from tests.sites.site import Site

settings.register_profile("house", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option by which a run that skips too much fails."""
    parser.addoption("--most-skipped", type=int, help="fail where more tests than these are skipped")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that skipped more tests than ``--most-skipped`` allows, and list them."""
    most = session.config.getoption("--most-skipped")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if most is None or reporter is None or hasattr(session.config, "workerinput"):
        return
    skipped = reporter.stats.get("skipped", [])
    if len(skipped) > most:
        reasons = sorted(f"  {report.nodeid}: {report.longrepr[2]}" for report in skipped)
        reporter.write_line(f"\n{len(skipped)} tests were skipped, at most {most} may be:", red=True)
        reporter.write_line("\n".join(reasons))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def site() -> Iterator[Site]:
    """A loopback site of its own."""
    with Site() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory for the test alone."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fresh_connections() -> Iterator[None]:
    """No connection of another test, and none left for the next."""
    close_connections()
    yield
    close_connections()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test's runs are the neighbours of another's, nor of the user's."""
    folder = tmp_path_factory.getbasetemp() / f"cache-{next(_numbers)}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


_numbers = itertools.count()


@pytest.fixture(autouse=True, scope="session")
def no_connections_left() -> Iterator[None]:
    """Close the connections that fetches of tests share."""
    yield
    close_connections()


@pytest.fixture(autouse=True)
def closed_databases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every shared database that the test has opened, as runs do at their end."""
    opened: list[SharedFile] = []
    initialise = SharedFile.__init__

    def noted(self: SharedFile, *arguments: Any, **options: Any) -> None:
        initialise(self, *arguments, **options)
        opened.append(self)

    monkeypatch.setattr(SharedFile, "__init__", noted)
    yield
    for shared in opened:
        shared.close()


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to any address but 127.0.0.0/8 and ::1 fails the test that makes it."""
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        is_internet = self.family in (socket.AF_INET, socket.AF_INET6)
        if is_internet and not str(address[0]).startswith(("127.", "::1")):
            raise AssertionError(f"a test connects to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)
