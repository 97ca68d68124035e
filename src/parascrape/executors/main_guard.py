"""The __main__ guard: whether worker processes can import the main script without starting a harvest."""

from __future__ import annotations

import ast
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from types import FrameType


def why_not_importable() -> str:
    """Return why worker processes should not be started unasked, or "".

    A worker imports the main script, so its statements run again. That is safe if the statement that
    runs now stands under ``if __name__ == "__main__"``, or if there is no script to import.
    """
    main = sys.modules["__main__"]
    if getattr(sys, "frozen", False):
        return "this program is frozen into one file"
    if multiprocessing.current_process().daemon:
        return "this is a daemon process, which may have no children"
    name = getattr(getattr(main, "__spec__", None), "name", None) or ""
    path = getattr(main, "__file__", None)
    if name == "__main__" or name.endswith(".__main__"):  # workers import nothing then
        return ""
    if path is None:  # -c or a notebook; a script that has ended has no path either
        shutdown = threading._shutdown.__code__  # type: ignore[attr-defined]
        ended = any(frame.f_code is shutdown for frame in _frames())  # it only waits for other threads
        return "the main script has ended" if ended else ""
    top = [one for one in _frames() if one.f_globals is vars(main) and one.f_code.co_name == "<module>"]
    if top and _is_guarded(path, top[-1].f_lineno or 0):
        return ""
    return 'the script does not start the harvest under if __name__ == "__main__"'


def _frames() -> Iterator[FrameType]:
    """Yield the main thread's frames, the innermost first."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        yield frame
        frame = frame.f_back


@lru_cache(maxsize=4)
def _is_guarded(path: str, line: int) -> bool:
    """Return whether the line stands under a guard at the top level of the file."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return False
    guards = [node.body for node in tree.body if isinstance(node, ast.If) and _is_guard(node.test)]
    return any(body[0].lineno <= line <= (body[-1].end_lineno or 0) for body in guards)


def _is_guard(test: ast.expr) -> bool:
    """Return whether the test compares ``__name__`` with ``"__main__"`` for equality."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = {ast.unparse(side) for side in (test.left, test.comparators[0])}
    return sides == {"__name__", "'__main__'"}


EXIT_MAIN_GUARD = 117
"""Exit status of a worker in which importing the main script started a harvest."""

MAIN_GUARD = (
    "the script starts a harvest when it is imported, as worker processes do: "
    'put the code that starts it under  if __name__ == "__main__":'
)


def refuse_during_import() -> None:
    """End this process if it is a worker that is still importing its parent's main script.

    Otherwise workers would start workers. The parent reports it, once.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(EXIT_MAIN_GUARD)
