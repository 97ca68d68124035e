"""The house's rules: layers, sizes, names and words, read from the source by ast; what starts up quickly."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import parascrape

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "parascrape"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
SCRIPTS = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")])

LAYERS = [
    "errors",
    "system",
    "settings",
    "records",
    "web",
    "fetch executors",
    "scrapers frontier",
    "files",
    "harvesting",
    "crawling jobs loopback",
    "comparison",
    "cli",
    "__main__",
]
"""The rooms, lowest first. A room imports lower rooms only; rooms of one layer do not know each other."""

LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms.split()}

HEAVY = {"bs4", "lxml", "orjson", "requests", "resiliparse", "rich", "selectolax", "trafilatura", "urllib3"}
HEAVY |= {"platformdirs", "protego"}
"""What `scrape --help` and `import parascrape` must not wait for."""


@cache
def tree(path: Path) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def unit(module: str) -> str:
    """The module or package that the layers name: ``parascrape.cli.demo`` is of ``cli``."""
    return module.removeprefix("parascrape").lstrip(".").split(".")[0]


def imports(path: Path) -> Iterator[str]:
    """Every module that is imported, by its whole name, also within functions and for types only."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} is a relative import"
            base = str(node.module)
            for alias in node.names:
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base


def own_imports(path: Path) -> set[str]:
    """The modules of the package that are imported."""
    return {name for name in imports(path) if name in MODULES and name != "parascrape"}


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of the module, methods and nested ones among them."""
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Public functions, classes and methods of a body that stand at its top level."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{node.name}.")


each_module = pytest.mark.parametrize("module", MODULES)


def test_the_top_of_the_package_fits_a_screen() -> None:
    """The package holds the rooms and the ground files, and nothing beside them."""
    assert {unit(module) for module in MODULES} - {""} == set(LEVEL)


@each_module
def test_imports_point_downwards(module: str) -> None:
    """A room imports lower rooms only; rooms of one layer do not know each other."""
    if module == "parascrape":
        pytest.skip("the package's door points at what it offers")
    here = unit(module)
    for name in own_imports(MODULES[module]):
        there = unit(name)
        assert here == there or LEVEL[there] < LEVEL[here], f"{module} -> {name}"


@each_module
def test_a_room_is_entered_by_its_door(module: str) -> None:
    """What a room imports from another room stands in that room's ``__init__``."""
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES and module != "parascrape.__main__":
            room = unit(str(node.module))
            assert room in ("", unit(module)) or node.module == f"parascrape.{room}", node.module


def test_no_import_goes_in_a_circle() -> None:
    """Modules can be put in an order in which each imports earlier ones only."""
    waiting = {module: own_imports(path) - {module} for module, path in MODULES.items() if unit(module)}
    for name in list(waiting):  # importing a.b runs a/__init__ too, but a may import its own parts
        waiting[name] -= {name.rpartition(".")[0]}
    while ready := {name for name, needs in waiting.items() if not needs}:
        waiting = {name: needs - ready for name, needs in waiting.items() if name not in ready}
    assert waiting == {}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_a_reader_can_hold(path: Path) -> None:
    """400 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_functions_and_classes_are_short() -> None:
    """Half of the functions have at most 10 lines, nine in ten at most 25, none more than 50; classes 200."""
    lengths = sorted(length(node) for path in MODULES.values() for node in functions(path))
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[len(lengths) * 9 // 10] <= 25
    assert lengths[-1] <= 50
    assert [name for name, node in classes() if length(node) > 200] == []


def test_no_class_name_is_used_twice() -> None:
    """A name stands for one class in the whole package, private classes included."""
    names = [name for name, _ in classes()]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def length(node: ast.stmt) -> int:
    """The lines of a function or class."""
    return int(node.end_lineno or 0) - node.lineno + 1


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Every class of the package with its name."""
    for path in MODULES.values():
        yield from ((node.name, node) for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))


@each_module
def test_a_module_says_what_it_is(module: str) -> None:
    """Every module has a docstring."""
    assert ast.get_docstring(tree(MODULES[module]))


@pytest.mark.parametrize("room", sorted(door.parent.name for door in PACKAGE.glob("*/__init__.pyi")))
def test_a_door_offers_what_exists_and_is_used(room: str) -> None:
    """Each name in a door can be had and is public, and another room, a test or a user imports it."""
    door = importlib.import_module(f"parascrape.{room}")
    assert [name for name in door.__all__ if name.startswith("_") or not hasattr(door, name)] == []
    used = {name for other in MODULES if unit(other) != room for name in taken(MODULES[other], room)}
    used |= {name for test in (ROOT / "tests").rglob("*.py") for name in taken(test, room)}
    assert set(door.__all__) - used - set(parascrape.__all__) == set()


def taken(path: Path, room: str) -> Iterator[str]:
    """The names that a module imports from the door of a room."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module == f"parascrape.{room}":
            yield from (alias.name for alias in node.names)


@each_module
def test_what_is_public_has_a_docstring(module: str) -> None:
    """Functions, classes and methods without a leading underscore; a Protocol's ``...`` needs none."""
    bare = [
        name
        for name, node in public(tree(MODULES[module]).body)
        if not ast.get_docstring(node)  # type: ignore[arg-type]
        and not ast.unparse(node).endswith("...")
        and not overrides(module, name)
    ]
    assert bare == []


def overrides(module: str, name: str) -> bool:
    """Whether a base class from elsewhere has this method, and with it says what it does."""
    owner, _, method = name.rpartition(".")
    kind = getattr(importlib.import_module(module), owner, None) if owner else None
    return any(hasattr(base, method) for base in getattr(kind, "__mro__", ())[1:])


@each_module
def test_only_the_command_talks_to_people(module: str) -> None:
    """typer is imported in cli, rich in cli and report, and print is called nowhere."""
    names = {name.split(".")[0] for name in imports(MODULES[module])}
    here = unit(module)
    assert here == "cli" or not names & {"typer", "click"}
    assert here == "cli" or "rich" not in names
    assert calls(MODULES[module]).isdisjoint({"print", "input", "breakpoint"})


@each_module
def test_waiting_is_a_queues_timeout(module: str) -> None:
    """time.sleep is called nowhere: what sleeps cannot be asked to end."""
    assert calls(MODULES[module]).isdisjoint({"time.sleep", "sleep"})
    assert "time.sleep" not in ast.unparse(tree(MODULES[module]))


def calls(path: Path) -> set[str]:
    """What is called, as it is written."""
    return {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}


@pytest.mark.parametrize(
    "code",
    [
        "import parascrape; parascrape.Settings()",
        "from parascrape.cli import run; run(['--help'])",
        "from parascrape.cli import run; run(['demo', '--help'])",
    ],
)
def test_starting_waits_for_nothing_heavy(code: str) -> None:
    """Importing the package and showing help load no parser, no HTTP and no rich."""
    ending = f"; import sys; sys.stderr.write(' '.join(sorted({HEAVY!r} & set(sys.modules))))"
    assert python("-c", code + ending).stderr == ""


def python(*arguments: str, columns: int = 80) -> subprocess.CompletedProcess[str]:
    """A run of this Python that sees the package."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "COLUMNS": str(columns)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=60, check=True
    )


def test_no_module_is_named_like_what_the_package_exports() -> None:
    """``from parascrape import crawl`` can only mean the function."""
    assert {unit(module) for module in MODULES}.isdisjoint(parascrape.__all__)


def test_the_package_offers_what_it_names() -> None:
    """Every name of its ``__all__`` can be had, and another raises AttributeError."""
    assert all(getattr(parascrape, name) is not None for name in parascrape.__all__)
    with pytest.raises(AttributeError, match="no attribute 'crawler_of_dreams'"):
        _ = parascrape.crawler_of_dreams


def test_the_readme_shows_the_help_as_it_is() -> None:
    """The block after ``scrape --help`` in the README is what the command prints in 80 columns."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"scrape --help.*?^```text\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert block is not None
    assert block[1].rstrip() == python("-m", "parascrape", "--help").stdout.rstrip()


def test_help_fits_a_screen() -> None:
    """At 100 columns no more than 72 lines, and no line longer than it may be."""
    lines = python("-m", "parascrape", "--help", columns=100).stdout.splitlines()
    assert 20 < len(lines) <= 74
    assert max(map(len, lines)) <= 100


def test_the_version_is_stated_once() -> None:
    """In settings.py; everything else reads it there."""
    version = parascrape.__version__
    stating = [path.name for path in MODULES.values() if f'"{version}"' in path.read_text(encoding="utf-8")]
    assert stating == ["settings.py"]
    assert version not in (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("dependencies")[0]
