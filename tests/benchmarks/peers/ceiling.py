"""The ceiling: a bare loop on every core, libcurl's multi interface, lexbor: ``LIST OUTPUT FETCHES [isal]``.

No retries, no checks, no error handling, no shared queue; each process takes its slice of the list
and writes a file of its own, joined at the end. Nobody would use it: it shows what the machine can do.
With ``isal``, that library inflates the bodies in libcurl's place.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from itertools import islice
from multiprocessing import Process
from pathlib import Path

import orjson
import pycurl
from selectolax.lexbor import LexborHTMLParser

__all__ = ["loop", "main"]


def extract(url: str, body: bytes) -> bytes:
    """The record of one page, as a line."""
    tree = LexborHTMLParser(body)
    title, article = tree.css_first("title"), tree.css_first("article")
    record = {
        "url": url,
        "title": title.text() if title else "",
        "content": article.text() if article else "",
    }
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


Jobs = dict[pycurl.Curl, tuple[str, BytesIO]]


def _start(multi: pycurl.CurlMulti, jobs: Jobs, handle: pycurl.Curl, url: str) -> None:
    """Begin fetching ``url`` on ``handle``."""
    jobs[handle] = url, BytesIO()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.WRITEDATA, jobs[handle][1])
    multi.add_handle(handle)


def _handle(raw: bool) -> pycurl.Curl:
    handle = pycurl.Curl()
    if raw:
        handle.setopt(pycurl.HTTPHEADER, ["Accept-Encoding: gzip"])
    else:
        handle.setopt(pycurl.ACCEPT_ENCODING, "gzip")
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.BUFFERSIZE, 512 * 1024)
    return handle


def loop(urls: list[str], output: str, concurrency: int, inflate: Callable[[bytes], bytes] | None) -> None:
    """Scrape ``urls`` into the file ``output``, ``concurrency`` fetches at once, on one core."""
    multi, waiting, done = pycurl.CurlMulti(), iter(urls), 0
    jobs: Jobs = {}
    for url in islice(waiting, concurrency):
        _start(multi, jobs, _handle(inflate is not None), url)
    with open(output, "wb") as file:
        while done < len(urls):
            multi.perform()
            _, good, bad = multi.info_read()
            for handle in (*good, *(failure[0] for failure in bad)):
                multi.remove_handle(handle)
                url, body = jobs[handle][0], jobs[handle][1].getvalue()
                file.write(extract(url, inflate(body) if inflate else body))
                done += 1
                for following in islice(waiting, 1):
                    _start(multi, jobs, handle, following)
            if not good and (wait := multi.timeout()):
                multi.select(wait / 1000 if wait > 0 else 1.0)


def main(urls: str, output: str, concurrency: str, library: str = "") -> None:
    """Scrape the list ``urls`` into the JSONL file ``output``."""
    inflate = import_module("isal.igzip").decompress if library == "isal" else None
    listed, count = Path(urls).read_text().split(), os.cpu_count() or 1
    parts = [f"{output}.{number}" for number in range(count)]
    each = max(1, int(concurrency) // count)
    processes = [Process(target=loop, args=(listed[i::count], parts[i], each, inflate)) for i in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with open(output, "wb") as file:
        for part in parts:
            with open(part, "rb") as source:
                shutil.copyfileobj(source, file)
            os.unlink(part)


if __name__ == "__main__":
    main(*sys.argv[1:5])
