"""Native parts: whoever asks for one while its package is being imported waits for that."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from parascrape.system import imports

PACKAGE = """
import sys, threading, types
began, go = threading.Event(), threading.Event()
"""

PARTS = """
import sys, types
from registering import began, go
began.set()
go.wait(30)
part = types.ModuleType("registering.parts.one")
part.value = 17
sys.modules["registering.parts.one"] = part
"""


@pytest.fixture
def registering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose ``parts`` register ``parts.one``, which has no file, when they are told to go on."""
    folder = tmp_path / "registering"
    (folder / "parts").mkdir(parents=True)
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "parts" / "__init__.py").write_text(PARTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_part_is_waited_for(registering: Path) -> None:
    """Another thread has begun to import its package; Python itself would say that there is none."""
    import registering as package  # type: ignore[import-not-found]

    first = threading.Thread(target=__import__, args=("registering.parts",))
    first.start()
    assert package.began.wait(30)
    with pytest.raises(ModuleNotFoundError):
        __import__("registering.parts.one")
    found: list[int] = []
    second = threading.Thread(target=lambda: found.append(imports.load_part("registering.parts.one").value))
    second.start()
    package.go.set()
    for thread in (first, second):
        thread.join(30)
    assert found == [17]


def test_first_pages_in_many_threads_find_their_parser() -> None:
    """In a new process, where nothing is loaded yet."""
    script = (
        "import threading; from parascrape.web import encoding, html\n"
        "wait = threading.Barrier(8); failed = []\n"
        "def work(number):\n"
        "    wait.wait(30)\n"
        "    try:\n"
        "        encoding.resolve('sjis') if number % 2 else html.parse_resiliparse('<p>x')\n"
        "    except BaseException as error: failed.append(error)\n"
        "threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]\n"
        "[one.start() for one in threads]; [one.join() for one in threads]; assert not failed, failed"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
