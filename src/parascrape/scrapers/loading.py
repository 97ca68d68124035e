"""Finds scrapers by name, reference or file, checks them, and combines them with selections."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from parascrape.errors import UsageError
from parascrape.settings import Mode, Settings
from parascrape.system import did_you_mean, printable
from parascrape.web import Page, collapse

BUILTIN = {
    "article": "parascrape.scrapers.article:article",
    "page": "parascrape.scrapers.page:page",
    "links": "parascrape.scrapers.links:links",
    "metadata": "parascrape.scrapers.metadata:metadata",
}
"""The builtin scrapers' names and references."""

_FORMS = "write FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION"
_lock = threading.RLock()  # a scraper's file may load another scraper


def load_scraper(scraper: str | Callable[..., Any]) -> Callable[[Page], Any]:
    """Return the function for a builtin name, ``package.module:function`` or ``path/shop.py:function``.

    A callable is returned as it is; an empty name means ``article``. A file is run once in a process: its
    folder is appended to ``sys.path``, and its module is in ``sys.modules`` by a name made from its path.

    Raises:
        UsageError: there is no such function; one line says what is wrong and what to write.
    """
    if not isinstance(scraper, str):
        return scraper
    name = BUILTIN.get(scraper or "article", scraper)
    if ":" not in name:
        raise UsageError(explain_name(name))
    return load(name)


def check_scraper(scraper: str | Callable[..., Any], mode: Mode, select: Sequence[str] = ()) -> None:
    """Check that workers of this mode can call the scraper with a Page, and that the selections are valid.

    Raises:
        UsageError: one line says what is wrong and what to do. In process mode a callable must also pickle:
            no lambda, no nested function.
    """
    check_callable(load_scraper(scraper), by_reference=mode == "process" and not isinstance(scraper, str))
    _selections(select)


def scraper_for(settings: Settings) -> Callable[[Page], Any]:
    """Return one scraper for ``scraper`` and ``select`` of the settings.

    Without either it is ``article``; with selections alone, only these. With both, a record has the scraper's
    keys, then the selections; a selection with the same name replaces the scraper's value.

    Raises:
        UsageError: see `load_scraper` and `select.parse_selection`.
    """
    selections = _selections(settings.select)
    if not selections:
        return load_scraper(settings.scraper)
    from parascrape.scrapers.select import select

    selecting = functools.partial(select, selections=selections)
    if not settings.scraper:
        return selecting
    return functools.partial(_scrape_both, load_scraper(settings.scraper), selecting)


def _selections(texts: Sequence[str]) -> tuple[Any, ...]:
    """Parse selections; lexbor is loaded only if there are any."""
    if not texts:
        return ()
    from parascrape.scrapers.select import parse_selections

    return parse_selections(texts)


def _scrape_both(
    scraper: Callable[[Page], Any], selecting: Callable[[Page], dict[str, Any]], page: Page
) -> Any:
    """Return the scraper's record or records, each with the selections; other values stay as they are."""
    result = scraper(page)
    if isinstance(result, Mapping):
        return {**result, **selecting(page)}
    if hasattr(result, "_fields"):  # a named tuple is one value, for example that of `follow`
        return result
    if isinstance(result, Iterable) and not isinstance(result, str | bytes):
        return _extend(result, selecting(page))
    return result


def _extend(results: Iterable[Any], selected: dict[str, Any]) -> Iterator[Any]:
    for result in results:
        yield {**result, **selected} if isinstance(result, Mapping) else result


def load(reference: str) -> Callable[..., Any]:
    """Return the function named by ``package.module:function`` or ``path/file.py:function``.

    Raises:
        UsageError: there is no such file, module or function, or its module raised.
    """
    place, _, name = reference.rpartition(":")
    if not place or not name.isidentifier():
        raise UsageError(f"scraper {printable(reference, 200)!r}: {_FORMS}")
    with _lock:
        module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    found = getattr(module, name, None)
    if found is None:
        raise UsageError(f"scraper: {place} has no function {name!r}{_nearest(name, _functions(module))}")
    if not callable(found):
        raise UsageError(f"scraper: {reference} is {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]


def explain_name(name: str) -> str:
    """Return the message for a name without a colon that is not a builtin scraper."""
    if not name.endswith(".py"):
        return f"scraper: there is no {printable(name, 100)!r}{_nearest(name, BUILTIN)}; or {_FORMS}"
    with _lock:
        functions = _functions(_load_file(Path(name)))
    return f"scraper: {name} is a file: write {name}:FUNCTION{_nearest('', functions)}"


def check_callable(scraper: Any, *, by_reference: bool) -> None:
    """Check that a scraper is a plain callable of one Page; if ``by_reference``, that workers can import it.

    Raises:
        UsageError: it is not, or they cannot.
    """
    if not callable(scraper):
        shown = printable(repr(scraper), 100)
        raise UsageError(f"scraper: {shown} is {type(scraper).__name__}, not a function")
    function = scraper
    while isinstance(function, functools.partial):
        function = function.func
    name = printable(getattr(function, "__qualname__", repr(function)), 100)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(f"scraper: {name} is async: write a plain function, fetching is done before it")
    if not _takes_a_page(scraper):
        raise UsageError(f"scraper: {name} cannot be called with one argument, the Page")
    if by_reference:
        _check_pickles(scraper, function, name)


def _takes_a_page(scraper: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(scraper)
    except (ValueError, TypeError):  # some callables written in C have no signature
        return True
    try:
        return bool(signature.bind(None))
    except TypeError:
        return False


def _check_pickles(scraper: Any, function: Any, name: str) -> None:
    """Raise UsageError if worker processes could not import the function."""
    remedy = "write it as a function at the top level of a module, or use mode thread"
    main = sys.modules.get("__main__")
    if "<lambda>" in name:
        raise UsageError(f"scraper: a lambda cannot go to worker processes: {remedy}")
    if "<locals>" in name:
        raise UsageError(f"scraper: {name} is nested and cannot go to worker processes: {remedy}")
    if getattr(function, "__module__", "") == "__main__" and not getattr(main, "__file__", None):
        raise UsageError(
            f"scraper: {name} is defined in an interactive session: put it into a file, or mode thread"
        )
    try:
        pickle.dumps(scraper)
    except Exception as error:  # a __reduce__ may raise anything
        raise UsageError(f"scraper: {name} does not pickle ({_say(error)}): {remedy}") from None


def _load_file(path: Path) -> ModuleType:
    """Return the module of a Python file; the first call in a process runs it."""
    try:
        path = path.resolve()
        exists = path.is_file()
    except (OSError, ValueError) as error:
        raise UsageError(f"scraper: {printable(str(path), 200)}: {_say(error)}") from None
    if not exists:
        raise UsageError(f"scraper: there is no file {printable(str(path), 200)}")
    name = f"scraper_{path.stem}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    _extend_path(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"scraper: {path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"scraper: {path}{_line(error, str(path))}: {_say(error)}") from error
    return module


def _load_module(name: str) -> ModuleType:
    """Return the module with a dotted name, found as by `python -m`."""
    _extend_path(os.getcwd())  # the console script's path does not have it
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            missing = printable(error.name, 100)
            raise UsageError(f"scraper: there is no module {missing!r}; {_FORMS}") from None
        raise UsageError(f"scraper: module {name}{_line(error)}: {_say(error)}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"scraper: module {printable(name, 100)}{_line(error)}: {_say(error)}") from error


def _extend_path(folder: str) -> None:
    """Append a folder to the path; at the end, its html.py or select.py cannot hide Python's own."""
    if folder not in sys.path:
        sys.path.append(folder)


def _line(error: BaseException, path: str = "") -> str:
    """Return where an import failed: ", line N" in ``path``, else ", FILE line N" of the last frame."""
    if isinstance(error, SyntaxError) and error.lineno and (error.filename or "") in (path, ""):
        return f", line {error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
    own = [frame for frame in frames if frame.filename == path]
    if own:
        return f", line {own[-1].lineno}"
    return f", {Path(frames[-1].filename).name} line {frames[-1].lineno}" if len(frames) > 1 else ""


def _say(error: BaseException) -> str:
    return printable(collapse(f"{type(error).__name__}: {error}"), 300)


def _functions(module: ModuleType) -> list[str]:
    """Return the names of the public functions that a module defines, in file order."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def _nearest(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean 'x'? There are x, y, z", or the parts of it that apply."""
    known = list(names)
    guess = did_you_mean(name, known)
    if not known:
        return f"{guess}; it has no functions"
    return f"{guess or ';'} There {'is' if len(known) == 1 else 'are'} {', '.join(known[:20])}"
