"""No public URL leads to a private address, by a redirect or by its name; those that mean one get there."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import responses

from parascrape.errors import DnsError, ForbiddenAddress
from parascrape.executors import TaskContext
from parascrape.fetch import NetworkOptions
from parascrape.files import Outcome
from parascrape.harvesting.worker import PageTask, Worker
from parascrape.records import Entry, Meta
from parascrape.settings import Settings
from tests.helpers.command import SECONDS, environment
from tests.helpers.fetching import fetch
from tests.sites.site import HTML, Site

SETTINGS = Settings(timeout=20)
ALLOWING = Settings(timeout=20, allow_private=True)

pytestmark = pytest.mark.usefixtures("fresh_connections")


@pytest.fixture
def evil(site: Site) -> str:
    """The site under a public name that resolves to loopback, as far as libcurl is concerned."""
    return f"http://evil.example:{site.url.rsplit(':', 1)[1]}"


@pytest.fixture
def known(site: Site) -> NetworkOptions:
    """The addresses that the site's names resolve to."""
    port = site.url.rsplit(":", 1)[1]
    return NetworkOptions(
        resolve=(f"evil.example:{port}:127.0.0.1,127.0.0.2,[::1]", f"wiki:{port}:127.0.0.1")
    )


# --- names that resolve to private addresses --------------------------------------------------------


def test_a_public_name_that_resolves_to_loopback_is_refused(
    site: Site, evil: str, known: NetworkOptions
) -> None:
    """DNS rebinding: nobody is asked, at any of its addresses, from the resolver or from the cache."""
    for _ in range(2):
        with pytest.raises(ForbiddenAddress, match=r"\(loopback\) is refused: .* --allow-private") as caught:
            fetch(evil + "/ok", SETTINGS, network=known)
        assert not caught.value.retryable
    assert site.connections == 0


def test_allow_private_lets_it_through(site: Site, evil: str, known: NetworkOptions) -> None:
    """People with an intranet of their own say so once."""
    assert fetch(evil + "/ok", ALLOWING, network=known).body == HTML
    assert [headers["host"] for _, headers in site.log] == [evil.removeprefix("http://")]


def test_a_connection_that_one_fetch_was_allowed_serves_no_other(
    site: Site, evil: str, known: NetworkOptions
) -> None:
    """An idle connection to the private address is not found by a fetch that may not open one."""
    fetch(evil + "/ok", ALLOWING, network=known)
    with pytest.raises(ForbiddenAddress):
        fetch(evil + "/ok", SETTINGS, network=known)
    assert len(site.log) == site.connections == 1


def test_a_local_name_as_input_is_meant(site: Site, evil: str, known: NetworkOptions) -> None:
    """A name of one label resolves as the machine's own network says; it may lead to public names too."""
    wiki = evil.replace("evil.example", "wiki")
    assert fetch(wiki + "/ok", SETTINGS, network=known).body == HTML
    assert fetch(f"{wiki}/to?where={evil}/ok", SETTINGS, network=known).body == HTML
    assert len(site.log) == 3


def test_an_address_that_is_missing_is_not_one_that_is_refused(
    site: Site, evil: str, known: NetworkOptions
) -> None:
    """A refusal is not taken for the reason of a later failure on the same handle."""
    with pytest.raises(ForbiddenAddress):
        fetch(evil + "/ok", SETTINGS, network=known)
    with pytest.raises(DnsError):
        fetch("http://no-such-host.invalid/", SETTINGS, network=known)


def test_the_record_says_what_was_refused(evil: str, known: NetworkOptions) -> None:
    """Code, address, kind and the way out; another attempt is not made."""
    with closing(Worker(SETTINGS, known)) as worker:
        outcome = worker(TaskContext(), PageTask(Entry(evil + "/ok")))
    assert isinstance(outcome, Outcome)
    assert (outcome.code, outcome.retryable) == ("address", False)
    assert b"(loopback)" in outcome.lines
    assert b"--allow-private" in outcome.lines


# --- redirects --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:1/",
        "http://[::1]/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://[::ffff:c0a8:1]/",
        "//127.0.0.1/",
        "http://a.localhost./",
    ],
)
def test_a_redirect_from_a_public_page_to_a_private_address_is_refused(target: str) -> None:
    """Before anything is sent; the page's meta says where it led."""
    meta: Meta = {}
    with responses.RequestsMock() as mocked:
        mocked.get("http://shop.example/", status=302, headers={"Location": target})
        with pytest.raises(ForbiddenAddress):
            fetch("http://shop.example/", SETTINGS, meta)
        assert len(mocked.calls) == 1
    assert (meta["status"], meta["redirects"]) == (302, 1)
    assert meta["final_url"].endswith(target.removeprefix("http:").removeprefix("//"))


def test_a_later_hop_is_looked_at_too() -> None:
    """Public, public, private: the last is refused."""
    with responses.RequestsMock() as mocked:
        mocked.get("http://a.example/", status=301, headers={"Location": "https://b.example/"})
        mocked.get("https://b.example/", status=307, headers={"Location": "http://192.168.1.1/"})
        with pytest.raises(ForbiddenAddress, match=r"192\.168\.1\.1 \(private\)"):
            fetch("http://a.example/", SETTINGS)


def test_an_idle_connection_is_no_way_to_a_private_address(site: Site) -> None:
    """A listed loopback page keeps its connection; a public page that redirects there does not get it."""
    fetch(site("/ok"), SETTINGS)
    with responses.RequestsMock() as mocked:
        mocked.get("http://a.example/", status=302, headers={"Location": site("/ok")})
        with pytest.raises(ForbiddenAddress):
            fetch("http://a.example/", SETTINGS)
    assert len(site.log) == 1


def test_private_inputs_redirect_among_themselves(site: Site) -> None:
    """A list of one's own hosts works without any option."""
    with Site("127.0.0.2") as other:
        assert fetch(site(f"/to?where={other('/ok')}"), SETTINGS).body == HTML


# --- proxies ----------------------------------------------------------------------------------------


def test_a_local_proxy_is_no_private_page(site: Site) -> None:
    """What is connected to is the proxy; what names mean there is for the proxy to decide."""
    assert b"<h1>" in fetch("http://shop.example/ok", Settings(proxy=site.url)).body


def test_a_redirect_through_a_proxy_is_looked_at_as_written(site: Site) -> None:
    """A public page does not send the proxy to its own loopback or metadata either."""
    for target in (site("/ok"), "http://169.254.169.254/"):
        with pytest.raises(ForbiddenAddress):
            fetch(f"http://shop.example/to?where={target}", Settings(proxy=site.url))
    assert fetch(f"http://shop.example/to?where={site('/ok')}", Settings(proxy=site.url, allow_private=True))
    assert [path.split("/")[2] for path, _ in site.log[:3]] == ["shop.example"] * 3


# --- the command, with a resolver and a public address of its own -----------------------------------

NAMESPACE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]


@pytest.fixture(scope="session")
def namespace() -> list[str]:
    """What a command is put behind to have a network and mounts of its own."""
    try:
        subprocess.run([*NAMESPACE, "ip", "link"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a network of one's own needs Linux, unshare, iproute2 and user namespaces")
    return NAMESPACE


def harvest(namespace: list[str], *arguments: str) -> Any:
    """What `tests.faults.network` prints for a folder and options."""
    done = subprocess.run(
        [*namespace, sys.executable, "-m", "tests.faults.network", *arguments],
        capture_output=True,
        check=True,
        text=True,
        timeout=SECONDS,
        env=environment(),
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("options", [("-m", "sequential"), ("-m", "process", "-p", "1")])
def test_a_harvest_reaches_what_it_may_and_nothing_else(
    namespace: list[str], options: tuple[str, ...], tmp_path: Path
) -> None:
    """With names from /etc/hosts and a site at a public address: no private page is asked for by another."""
    found = harvest(namespace, str(tmp_path), *options)
    assert list(found["codes"].values()) == [""] * 6 + ["address"] * 5
    assert found["public"] == ["/page/1", "/page/4", "/page/6"]
    assert found["private"] == ["/page/2", "/page/3", "/page/5"]


def test_a_harvest_with_allow_private_reaches_all(namespace: list[str], tmp_path: Path) -> None:
    """But for the metadata service, to which this network has no route."""
    found = harvest(namespace, str(tmp_path), "--allow-private")
    assert list(found["codes"].values()) == [""] * 10 + ["connect"]
    assert {f"/page/{number}" for number in (2, 3, 5, 7, 8, 9, 10)} <= set(found["private"])
