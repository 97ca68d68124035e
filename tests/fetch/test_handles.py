"""Handles: each used by one at a time; sockets to public addresses only, if asked."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pycurl
import pytest

from parascrape.fetch import NetworkOptions
from parascrape.fetch.handles import HandlePool, PublicSockets, refused_address
from tests.sites.site import Site


@pytest.fixture
def handles() -> HandlePool:
    return HandlePool()


def get(handle: Any, url: str) -> int:
    """The status of a GET with the handle; 0 where there is no answer."""
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.WRITEFUNCTION, len)
    try:
        handle.perform()
    except pycurl.error:
        return 0
    return int(handle.getinfo(pycurl.RESPONSE_CODE))


def test_a_handle_is_used_by_one_at_a_time(handles: HandlePool) -> None:
    """What is taken is gone until it is given back."""
    first, second = handles.take(), handles.take()
    assert first is not second
    handles.give_back(first)
    assert handles.take() is first


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/", "gopher://127.0.0.1/"])
def test_a_handle_speaks_http_only(handles: HandlePool, url: str) -> None:
    """Whatever gets as far as libcurl, no file is read and no other protocol spoken."""
    handle = handles.take()
    assert get(handle, url) == 0
    assert handle.errstr().lower().startswith(f'protocol "{url.partition(":")[0]}"')


def test_a_known_address_is_not_looked_up(site: Site) -> None:
    """``resolve`` stands for what the resolver would say."""
    host, _, port = site.url.removeprefix("http://").rpartition(":")
    handles = HandlePool(network=NetworkOptions(resolve=(f"shop.example:{port}:{host}",)))
    assert get(handles.take(), f"http://shop.example:{port}/ok") == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "[::1]"])
def test_public_handles_do_not_connect_to_loopback(site: Site, host: str) -> None:
    """However libcurl is given the address: what is looked at is what it connects to."""
    handles = HandlePool(public_only=True)
    handle = handles.take()
    assert get(handle, site("/ok").replace("127.0.0.1", host)) == 0
    assert "(loopback) is refused" in refused_address(handle)
    assert site.connections == 0


def test_a_refusal_is_forgotten_when_the_handle_is_taken_again(site: Site) -> None:
    """It belongs to one transfer; handles that may connect anywhere know none."""
    handles = HandlePool(public_only=True)
    handle = handles.take()
    get(handle, site("/ok"))
    handles.give_back(handle)
    assert handles.take() is handle
    assert refused_address(handle) == ""
    assert refused_address(HandlePool().take()) == ""


def make_address(family: int, host: str) -> Any:
    """What libcurl tells of a connection that it is about to open."""
    return SimpleNamespace(family=family, socktype=socket.SOCK_STREAM, protocol=0, addr=(host, 80))


def test_a_public_address_gets_a_socket() -> None:
    """Of the family that libcurl asked for, not yet connected."""
    sockets = PublicSockets()
    with sockets(pycurl.SOCKTYPE_IPCXN, make_address(socket.AF_INET, "93.184.216.34")) as opened:
        assert (opened.family, opened.type) == (socket.AF_INET, socket.SOCK_STREAM)
    assert sockets.refused == ""


def test_a_socket_that_cannot_be_had_is_no_refusal() -> None:
    """No family of that number, as where IPv6 is switched off: libcurl goes on with the next address."""
    sockets = PublicSockets()
    assert sockets(pycurl.SOCKTYPE_IPCXN, make_address(9999, "93.184.216.34")) == pycurl.SOCKET_BAD
    assert sockets.refused == ""
