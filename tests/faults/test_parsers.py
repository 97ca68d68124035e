"""Every parser of what strangers write: any input has a value or its one error, and a long one soon."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from parascrape import records
from parascrape.errors import ParascrapeError, TooComplex, UsageError
from parascrape.fetch.content_coding import inflate
from parascrape.files import ledger
from parascrape.scrapers import metadata
from parascrape.scrapers.metadata import language_tag
from parascrape.scrapers.select import parse_selection
from parascrape.system.text import printable
from parascrape.web import text, urls
from parascrape.web.html import absolute, base_url, essence, is_html, parse_lexbor
from parascrape.web.markup import MAX_REOPENED, refuse_bomb, reopened
from parascrape.web.retry import parse_retry_after
from tests.helpers.linear import linear_time

anyhow = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""No deadline for an example: the machine may be busy. The fixture is a folder whose one file is replaced."""

BASE = "http://a.example/b/c?d"
HEADERS = st.text(max_size=60) | st.text("charset=\"'; ,/-utf8textml", max_size=60)
LINKS = st.text(max_size=60) | st.text("htps:/?#@[]%2e.\\\t\n\0é\ud800 ", max_size=40)
LINES = st.lists(
    st.binary(max_size=40)
    | st.sampled_from(
        [
            b'{"url":"http://h/","title":1,"meta":{"item":1,"items":2}}',
            b'{"url":"http://h/","error":{"code":"timeout"},"meta":{}}',
            b'{"url":1,"meta":[],"error":"x"}',
            b'{"url":"http://h/","meta":{"item":-1,"items":1e99}}',
            b"\0" * 9,
            b"[" * 99,
        ]
    ),
    max_size=6,
)


@anyhow
@given(HEADERS, st.binary(max_size=60))
@example("text/html; charset=" + "\ud800", b"\xff\xfe")
def test_any_content_type_has_an_encoding(header: str, body: bytes) -> None:
    """One that decodes the body to text that UTF-8 can carry, whatever the header says."""
    decoded, name = text.decode(body, header)
    decoded.encode()
    assert name == name.lower() == text.find_encoding(body, header)
    assert essence(header).count("/") != 0 or essence(header) == ""
    assert is_html(essence(header), body) in (True, False)


@anyhow
@given(LINKS, LINKS)
def test_any_link_is_sendable_or_none(link: str, base: str) -> None:
    """Preparing it again changes nothing; a base that is no URL leaves the page's own."""
    for one in (
        BASE,
        base_url(parse_lexbor(f'<base href="{base.encode(errors="replace").decode()}">'), BASE),
    ):
        found = absolute(one, link)
        if found is not None:
            sent = found.partition("#")[0]
            assert sent == urls.prepare(sent)
            assert found.isascii()


@anyhow
@given(st.text(max_size=60) | st.text("abc=[]:()#.>*~+,\"'\\ \x1b", max_size=40))
def test_any_selection_is_read_or_refused_in_one_line(written: str) -> None:
    """What is read can be used; the refusal is safe to show."""
    try:
        selection = parse_selection(written)
    except UsageError as error:
        refusal = str(error)
    else:
        parse_lexbor("<p>x").css(selection.selector)
        return
    assert printable(refusal, 9999) == refusal


@anyhow
@given(st.text(max_size=200) | st.text('{}[]":,/*-!<>\\u0d8 \n1eN', max_size=80))
def test_any_json_ld_gives_values_that_can_be_written(block: str) -> None:
    """Or nothing."""
    for value in metadata.parse_json_ld(block):
        records.parse(records.encode({"value": value}))


@anyhow
@given(LINES, st.sampled_from([b"", b"\n"]))
def test_any_output_is_read_or_refused(tmp_path: Path, lines: list[bytes], end: bytes) -> None:
    """What is given are whole lines of the file, in order; what is no record is not passed over silently."""
    data = b"\n".join(lines) + end
    path = tmp_path / "out.jsonl"
    path.write_bytes(data)
    at = 0
    with suppress(UsageError):
        for page in ledger.read_pages(path):
            assert page.start >= at
            at = page.start + page.size
            assert data[at - 1 : at] == b"\n"
            assert isinstance(page.record["url"], str)
            assert isinstance(page.key, int)


@anyhow
@given(st.binary(max_size=80))
def test_any_line_is_a_record_or_a_value_error(line: bytes) -> None:
    """And never anything else."""
    try:
        assert isinstance(records.parse(line), dict)
    except ValueError:
        pass


TAGS = st.sampled_from(
    ["<b>", "<b id=1>", "</b>", "<i/x>", "<P>", "</p>", "<td>", "<object>", "</object>", "<", "x"]
)


@anyhow
@given(st.lists(TAGS, max_size=40).map("".join))
def test_no_fewer_elements_are_counted_than_are_reopened(markup: str) -> None:
    """The elements of the document are at most its tags, those that are implied, and what was counted."""
    elements = len(parse_lexbor(markup).css("*"))
    assert elements <= 3 + markup.count("<") + reopened(markup)


def test_what_many_tags_reopen_is_refused_in_text_and_bytes() -> None:
    """Before anything is parsed."""
    markup = "".join(f"<font size={number}><p>" for number in range(5000))
    assert reopened(markup) > MAX_REOPENED
    for source in (markup, markup.encode()):
        with pytest.raises(TooComplex):
            refuse_bomb(source)


LONG: dict[str, tuple[Callable[..., Any], str]] = {
    "charset": (
        lambda header: text.find_encoding(b"x", header),
        "text/html; charset=" + " " * 1_000_000 + ";",
    ),
    "charsets": (lambda header: text.find_encoding(b"x", header), "charset " * 500_000),
    "essence": (essence, ";," * 1_000_000),
    "json-spaces": (metadata.parse_json_ld, "x" + " " * 1_000_000 + "x"),
    "json-comments": (metadata.parse_json_ld, "/* " * 500_000),
    "json-line-comments": (metadata.parse_json_ld, " //" * 500_000),
    "json-commas": (metadata.parse_json_ld, "[" + ", " * 500_000),
    "json-wrapping": (metadata.parse_json_ld, "//" + " " * 500_000 + "<!--" + " " * 500_000),
    "language": (language_tag, "en" + "-abcdefgh" * 200_000 + "é"),
    "link": (lambda link: absolute(BASE, link), "../" * 500_000),
    "link-spaces": (lambda link: absolute(BASE, link), " " * 1_000_000 + "x"),
    "url": (urls.prepare, "http://h/" + "%2e/" * 500_000),
    "url-users": (urls.redact, "@" + "://a:b" * 50_000 + "@"),
    "retry-after": (parse_retry_after, "Mon, 01 Jan " + "9" * 1_000_000),
    "retry-after-words": (parse_retry_after, "1:" * 500_000),
    "white-space": (text.collapse, "a \u3000\n" * 500_000),
    "codings": (lambda header: inflate(b"x", header, 9), "gzip," * 500_000),
    "formatting": (lambda markup: reopened(markup), "<b/" * 500_000),
    "formatting-ends": (lambda markup: reopened(markup), "<td><i>" * 100 + "</b>" * 300_000),
}
"""Functions, and a megabyte or so that a careless expression would walk from every place in it."""


@pytest.mark.parametrize("name", LONG)
def test_a_megabyte_takes_no_minute(name: str) -> None:
    """The time grows with the length, not with its square."""
    function, given_text = LONG[name]
    with linear_time(), suppress(ParascrapeError):
        function(given_text)
