"""The main path: how many of our functions and files one warm URL passes from list line to record."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import parascrape
from parascrape import Settings
from parascrape.files import JsonlSink, mark_duplicates, read_lists
from parascrape.harvesting import harvest
from tests.sites.site import Site

PACKAGE = str(Path(parascrape.__file__).parent)
TRANSPORT = tuple(
    f"{PACKAGE}/fetch/{name}.py"
    for name in ("adapter", "content_coding", "errors", "handles", "multi", "response")
)
"""What stands where urllib3 stands below requests."""

MOST_FUNCTIONS, MOST_FILES, MOST_OF_TRANSPORT = 158, 37, 32
"""Today's numbers, with room for what depends on the moment: lower them when the path becomes shorter."""


class CallRecorder:
    """Collects the functions of ours that are entered while ``on``."""

    def __init__(self) -> None:
        self.on = False
        self.entered: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Take an event of the interpreter's profiler."""
        code = frame.f_code
        if self.on and event == "call" and code.co_filename.startswith(PACKAGE) and code.co_name[0] != "<":
            self.entered.add(code)


@contextmanager
def recording() -> Iterator[CallRecorder]:
    """A recorder for this thread and for all that are started meanwhile."""
    recorder, before = CallRecorder(), sys.getprofile()
    threading.setprofile(recorder)
    sys.setprofile(recorder)
    try:
        yield recorder
    finally:
        sys.setprofile(before)
        threading.setprofile(None)  # type: ignore[arg-type]


def test_a_warm_url_passes_few_functions(site: Site, tmp_path: Path) -> None:
    """Two pages in the middle of a list, in a thread of their own, and the reading of one line."""
    listed = tmp_path / "urls.txt"
    listed.write_text("".join(f"{site(f'/page/{number}')}\n" for number in range(30)))
    settings = Settings(mode="thread", threads=1, scraper="page")
    with recording() as recorder, JsonlSink(str(tmp_path / "out.jsonl")) as sink:
        entries = mark_duplicates(read_lists([str(listed)], url_column="url"), settings)
        first = next(entries)
        recorder.on = True
        second = next(entries)
        recorder.on = False
        outcomes = harvest(iter([first, second, *entries]), settings)
        for number, outcome in enumerate(outcomes):
            sink.write(outcome.lines)
            recorder.on = 10 <= number < 12
    own = {code for code in recorder.entered if not code.co_filename.startswith(TRANSPORT)}
    names = sorted(f"{code.co_filename.removeprefix(PACKAGE)}:{code.co_qualname}" for code in own)
    assert len(own) <= MOST_FUNCTIONS, names
    assert len({code.co_filename for code in own}) <= MOST_FILES, names
    assert len(recorder.entered - own) <= MOST_OF_TRANSPORT
