"""Each peer's own virtual environment: made once with pip, kept in the cache, made anew when it must be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from .catalogue import REPOSITORY, Peer

__all__ = ["environment_variables", "is_installed", "python_of", "versions"]

SOURCES = REPOSITORY / "src"


def is_installed(peer: Peer) -> bool:
    """Whether the running interpreter has all that the peer imports (parascrape from ``src``)."""
    ours = (SOURCES / "parascrape" / "__main__.py").is_file()
    return all(find_spec(name) or (name == "parascrape" and ours) for name in peer.modules)


def environment_variables(peer: Peer) -> dict[str, str]:
    """What the peer's command needs in its environment: the sources' place, where it is ours."""
    return {"PYTHONPATH": str(SOURCES)} if "parascrape" in peer.modules else {}


def python_of(name: str, peer: Peer, cache: Path, tell: Callable[[str], object]) -> Path:
    """The interpreter of the peer's environment below ``cache``, which is made where it is not there.

    Raises:
        SystemExit: pip failed; its last lines are shown.
    """
    wanted = [*peer.requirements, sys.version]
    if "parascrape" in peer.modules:
        wanted.append((REPOSITORY / "pyproject.toml").read_text())
    stamp = sha256("\n".join(wanted).encode()).hexdigest()[:12]
    home = cache / "environments" / f"{name.split('-')[0]}-{stamp}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / "complete").exists():
        tell(f"making {name}'s environment: pip install {' '.join(peer.requirements)}")
        _call(sys.executable, "-m", "venv", "--clear", str(home))
        _call(
            str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements
        )
        (home / "complete").touch()
    return python


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")


def versions(python: Path, peer: Peer) -> dict[str, str]:
    """Distribution -> version in the peer's environment."""
    code = "import sys, json; from importlib.metadata import version as v; "
    code += "print(json.dumps({n: v(n) for n in sys.argv[1:]}))"
    done = subprocess.run(
        [python, "-c", code, *peer.distributions], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found
