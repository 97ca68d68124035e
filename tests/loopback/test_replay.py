"""A harvest of the replay server gives the records of the hosts themselves, in every mode, with errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from parascrape.errors import UsageError
from parascrape.loopback import read_recording, serve_recording
from tests.helpers.harvests import MODES, make
from tests.helpers.recordings import answer, closed_port, harvest, make_recording, write_recording
from tests.sites.site import Site

PATHS = [
    *("/", "/page/1", "/page/2#part", "/items", "/echo", "/sized/300000"),
    *("/coded/gzip", "/coded/br", "/coded/zstd", "/coded/deflate", "/six-codings"),
    *("/chunked", "/until-close", "/drop-after", "/body?hex=c3a4&type=text/html;charset=utf-8"),
    *("/not-gzip", "/cut-gzip", "/bomb/gzip", "/huge-length", "/endless-body"),
    *("/short-body", "/reset-in-body", "/no-answer", "/garbage", "/bad-chunks", "/endless-headers"),
    *("/status/404", "/status/503?after=7", "/status/500", "/status/204", "/long-location"),
    *("/hops/3", "/loop", "/cookie-wall", "/to?where=/page/7", "/to?where=http%3A%2F%2F192.0.2.1/"),
    "/a%20b/%C3%BC?q=1&q=2",
]
QUICK = {"retries": 0, "max_bytes": 1_000_000, "robots": False, "per_host": 0, "scraper": "page"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path, list[dict[str, object]]]:
    """URLs, their recording, and the records of the hosts themselves."""
    path = tmp_path_factory.mktemp("recorded") / "site.warc.gz"
    settings = make("thread", **QUICK)
    with Site() as site, Site("127.0.0.2") as other, closed_port() as port:
        urls = [*map(site, PATHS), other("/page/9"), site(f"/to?where={other('/page/3')}")]
        urls += [f"http://127.0.0.1:{port}/", "no URL", site("/page/1")]
        found = make_recording(urls, path, settings)
        assert dict(found.skipped) == {"invalid_url": 1, "duplicate": 1}
        assert found.entries == len(urls) - 2
        return urls, path, harvest(urls, settings)


@pytest.mark.parametrize("mode", MODES)
def test_replayed_records_are_those_of_the_hosts(
    mode: str, recorded: tuple[list[str], Path, list[dict[str, object]]]
) -> None:
    """They are equal but for the times. No request reaches a site: the sites have ended."""
    urls, path, expected = recorded
    with serve_recording(path) as server:
        found = harvest(urls, make(mode, **QUICK), server)
        assert found == expected
        assert server.stats().unknown == 0


def test_timeouts_are_replayed(site: Site, tmp_path: Path) -> None:
    """A URL that timed out times out again, whatever came before the time-out."""
    urls = [site(path) for path in ("/silent", "/drip-headers", "/drip-body", "/continue-flood")]
    settings = make("thread", **QUICK, timeout=0.3)
    path = tmp_path / "slow.warc.gz"
    make_recording(urls, path, settings)
    with serve_recording(path) as server:
        found = harvest(urls, settings, server)
    assert [one["error"]["code"] for one in found] == ["timeout"] * 4
    assert [one["meta"].get("status") for one in found] == [
        one["meta"].get("status") for one in harvest(urls, settings)
    ]


def test_names_without_an_address_are_replayed(tmp_path: Path) -> None:
    """Their URLs fail with ``dns``, and no query leaves this machine: no resolver can ask for the name."""
    url = "http://no.such.invalid/page"
    path = tmp_path / "dns.warc.gz"
    make_recording([url], path, make("thread", **QUICK))
    assert read_recording(path)[url].ending == "dns"
    with serve_recording(path) as server:
        (found,) = harvest([url], make("thread", **QUICK), server)
    assert found["error"]["code"] == "dns"


def test_public_names_and_addresses_lead_to_the_server(tmp_path: Path) -> None:
    """Host names and ports are kept, and connecting to loopback needs no --allow-private."""
    urls = ["http://shop.example/a", "http://shop.example:8080/a", "http://198.51.100.7/a"]
    path = write_recording([answer(url, url.encode()) for url in urls], tmp_path / "names.warc.gz")
    settings = make("thread", **{**QUICK, "scraper": "page"})
    with serve_recording(path) as server:
        assert [one["meta"]["final_url"] for one in harvest(urls, settings, server)] == urls
        assert server.stats().requests == 3


def test_a_url_that_was_not_recorded_gives_404(tmp_path: Path) -> None:
    """It counts as unknown."""
    path = write_recording([answer("http://shop.example/a")], tmp_path / "one.warc.gz")
    with serve_recording(path) as server:
        (found,) = harvest(["http://elsewhere.example/b"], make("thread", **QUICK), server)
        assert (found["error"]["code"], found["meta"]["status"]) == ("status", 404)
        assert server.stats().unknown == 1
        server.reset()
        assert server.stats().requests == 0


def test_robots_txt_is_replayed(site: Site, tmp_path: Path) -> None:
    """It is recorded with the pages of the host, also where it is not obeyed."""
    path = tmp_path / "robots.warc.gz"
    for robots in (True, False):
        make_recording([site("/page/1")], path, make("thread", **{**QUICK, "robots": robots}))
        recording = read_recording(path)
        assert recording[site("/robots.txt")].status == 404
        assert recording.entries == [site("/page/1")]
    with serve_recording(path) as server:
        harvest([site("/page/1")], make("thread", **{**QUICK, "robots": True}), server)
        assert (server.stats().requests, server.stats().unknown) == (2, 0)


def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    """A killed parent leaves no server behind: its end of the pipe closes."""
    path = write_recording([answer("http://shop.example/a")], tmp_path / "one.warc.gz")
    script = (
        "import sys, os, signal\nfrom parascrape.loopback import serve_recording\n"
        f"with serve_recording({str(path)!r}) as server:\n"
        "    print(server.pid, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    source = str(Path(sys.modules["parascrape"].__file__ or "").parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.wait(20)
    assert _ends(pid)


def _ends(pid: int) -> bool:
    """Whether the process is gone, or a zombie, within ten seconds."""
    import selectors

    with selectors.DefaultSelector() as waiting:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        waiting.register(descriptor, selectors.EVENT_READ)
        ended = bool(waiting.select(10))
        os.close(descriptor)
        return ended


@pytest.mark.parametrize(
    "given", [{"time_scale": -1}, {"time_scale": float("nan")}, {"latency": -0.1}, {"latency": 4000}]
)
def test_times_out_of_range_are_refused(given: dict[str, float], tmp_path: Path) -> None:
    """They are refused before a process starts."""
    with pytest.raises(UsageError, match="is not between"), serve_recording(tmp_path / "none", **given):
        pass


def test_a_recording_that_cannot_be_read_is_one_error(tmp_path: Path) -> None:
    """The server reports the fault, and its parent raises it."""
    with pytest.raises(UsageError, match="no such file"), serve_recording(tmp_path / "none.warc.gz"):
        pass
