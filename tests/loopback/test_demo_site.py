"""The demo site: the same everywhere, and every page answers as it says."""

from __future__ import annotations

import csv
import gzip
import http.client
import json
import os
import subprocess
import sys
import urllib.robotparser
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from parascrape.loopback.demo.pages import TOPICS, Writer, templates
from parascrape.loopback.demo.site import HOSTS, Route, expected, listing, routes
from parascrape.loopback.server_process import running_server, running_site
from parascrape.web.text import decode

URLS = Path(__file__).parents[2] / "urls"
DIGEST = """
from hashlib import sha256
from parascrape.loopback.demo.site import listing, routes
print(sha256(repr(listing()).encode() + b"".join(route.body() for route in routes().values())).hexdigest())
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[str]]:
    with running_server() as found:
        yield found


def get(url: str) -> http.client.HTTPResponse:
    """The response to one request on a connection of its own, its body not yet read."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    target = parts.path + ("?" + parts.query if parts.query else "")
    connection.request("GET", target, headers={"Accept-Encoding": "gzip", "Connection": "close"})
    return connection.getresponse()


def page(url: str) -> tuple[http.client.HTTPResponse, bytes]:
    """A response and its inflated body."""
    response = get(url)
    with response:
        body = response.read()
    return response, gzip.decompress(body) if response.headers["Content-Encoding"] == "gzip" else body


def harvest(url: str) -> str:
    """The outcome of a URL: ten redirects, three attempts, ``ok`` or an error's code."""
    code = ""
    for _ in range(3):
        here = url
        try:
            for _ in range(11):
                response, _ = page(here)
                if "Location" not in response.headers:
                    break
                here = urljoin(here, response.headers["Location"])
            else:
                return "bad_redirect"
        except http.client.IncompleteRead:
            code = "reset"
            continue
        except (gzip.BadGzipFile, zlib.error):
            return "bad_encoding"
        if response.status == 200:
            return "ok" if response.headers["Content-Type"].startswith("text/html") else "not_html"
        code = "status"
    return code


def test_content_is_the_same_in_every_process() -> None:
    """Two interpreters with different hash seeds make the same listing and the same bodies."""
    found = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        found.add(
            subprocess.run([sys.executable, "-c", DIGEST], env=env, capture_output=True, check=True).stdout
        )
    assert len(found) == 1
    assert len(found.pop().strip()) == 64


def test_site_has_eight_hosts_and_some_four_hundred_pages_of_2_to_300_kb() -> None:
    """The listing names every listed route once, and the hosts are mixed."""
    names = listing()
    assert 380 <= len(names) <= 450
    assert {host for host, _ in names} == set(range(HOSTS))
    assert len(names) == len(set(names)) == sum(route.listed for route in routes().values())
    assert sum(a[0] == b[0] for a, b in pairwise(names)) < len(names) / 10
    sizes = sorted(len(route.body()) for route in routes().values() if route.outcome == "" and route.text())
    assert sizes[20] < 4_000
    assert 250_000 < sizes[-1] < 300_000


def test_pages_differ() -> None:
    """No two HTML pages of the listing have the same text, and each has a title."""
    texts = [routes()[key].text() for key in listing() if routes()[key].content_type.startswith("text/html")]
    texts = [text for text in texts if text]
    assert len(texts) == len(set(texts)) > 380
    assert all(text.count("<title>") == 1 for text in texts)


@pytest.mark.parametrize(
    ("host", "encoding", "count"), [(0, "utf-8", 90), (4, "utf-8", 40), (5, "cp932", 36), (6, "euc-jp", 36)]
)
def test_every_charset_decodes_to_the_intended_text(host: int, encoding: str, count: int) -> None:
    """The order of evidence leads to the text that was written, wherever the charset stands or does not."""
    papers = [route for key, route in routes().items() if key[0] == host and key[1] != "/robots.txt"]
    assert len(papers) == count
    assert Counter(route.encoding for route in papers).most_common(1)[0][0] == encoding
    assert {"charset" in route.content_type for route in papers} == {True, False}
    for route in papers:
        assert decode(route.body(), route.content_type)[0] == route.text(), route.path


def test_windows_1252_page_has_bytes_that_are_no_utf8() -> None:
    """The page that says iso-8859-1 would be mojibake in UTF-8."""
    (route,) = [route for route in routes().values() if route.encoding == "cp1252"]
    with pytest.raises(UnicodeDecodeError):
        route.body().decode()


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("topic", TOPICS)
def test_no_sentence_has_an_unfilled_slot(language: str, topic: str) -> None:
    """Every template of every topic fills without characters of HTML; Japanese ones are within EUC-JP."""
    writer = Writer(language, topic, topic)
    texts = templates(language)
    joins, topics = texts["joins"], texts["topics"][topic]
    for each in (joins["openers"], joins["tails"], topics["titles"], topics["sentences"]):
        filled = [writer.fill(template) for template in each]
        assert not any(set(text) & set('{}<>&"') for text in filled)
        assert language == "en" or "".join(filled).encode("euc_jp")


def check(hosts: list[str], route: Route) -> None:
    """The wire's answer to a route is what the route says."""
    url = hosts[route.host] + route.path
    if route.first:
        response, _ = page(url)
        assert (response.status, response.headers["Retry-After"]) == (
            route.first,
            "1" if route.first == 429 else None,
        )
    response, body = page(url)
    assert (response.status, response.headers["Content-Type"]) == (route.status, route.content_type), route
    assert body == route.body(), route
    assert response.headers["Content-Encoding"] == ("gzip" if route.gzip and body else None), route


def test_every_route_answers_as_it_says(hosts: list[str]) -> None:
    """Status, type, coding and body of every route, listed or not, but for the two that are broken."""
    sound = [route for route in routes().values() if not route.fault]
    with ThreadPoolExecutor(16) as pool:
        assert sum(1 for _ in pool.map(lambda route: check(hosts, route), sound)) == len(routes()) - 2


def test_expected_is_what_a_client_finds(hosts: list[str]) -> None:
    """A plain client with three attempts counts the outcomes that ``expected`` says."""
    with ThreadPoolExecutor(16) as pool:
        found = Counter(pool.map(harvest, [hosts[host] + path for host, path in listing()]))
    assert dict(found) == expected()
    assert sum(expected().values()) == len(listing())


def test_listing_keeps_to_robots_txt(hosts: list[str]) -> None:
    """Every host has robots.txt; one closes paths, none of them listed; one asks for a delay."""
    delays: set[str] = set()
    closed = 0
    for host, base in enumerate(hosts):
        robots = urllib.robotparser.RobotFileParser()
        response, body = page(base + "/robots.txt")
        assert response.headers["Content-Type"] == "text/plain"
        robots.parse(body.decode().splitlines())
        delays.update(line for line in body.decode().splitlines() if line.startswith("Crawl-delay"))
        allowed = {path: robots.can_fetch("parascrape", path) for at, path in routes() if at == host}
        closed += sum(not allow for allow in allowed.values())
        assert all(allowed[path] for at, path in listing() if at == host)
    assert delays == {"Crawl-delay: 0.1"}
    assert closed == 11


def test_running_site_gives_the_listing_as_urls() -> None:
    """Whole URLs in the listing's order, and the server is gone afterwards."""
    with running_site() as urls:
        assert [urlsplit(url).path for url in urls] == [urlsplit(path).path for _, path in listing()]
        assert page(urls[0])[0].status == 200
    with pytest.raises(ConnectionRefusedError):
        page(urls[0])


def test_sample_lists_are_what_their_names_say() -> None:
    """Each list has URLs where a reader of its kind looks for them."""
    lines = (URLS / "example.txt").read_text(encoding="utf-8").splitlines()
    urls = [line for line in lines if line and not line.startswith("#")]
    with open(URLS / "shop.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["sku", "url", "price_last_week"]
    urls += [row["url"] for row in rows]
    objects = map(json.loads, (URLS / "articles.jsonl").read_text(encoding="utf-8").splitlines())
    urls += [each["url"] for each in objects]
    assert len(urls) == len(set(urls)) > 12
    assert all(urlsplit(url).scheme == "https" and urlsplit(url).hostname for url in urls)
