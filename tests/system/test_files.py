"""Temporary folders: nothing is left, also where a signal comes as one is made."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest

from parascrape.system.files import temporary_folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_as_the_folder_is_made_leaves_none(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until somebody knows that the folder is to be removed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    make = tempfile.mkdtemp

    def interrupted(*arguments: Any) -> str:
        made = make(*arguments)
        signal.raise_signal(number)
        return made

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, end)
    monkeypatch.setattr(tempfile, "mkdtemp", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt), temporary_folder("x-"):
            pass
    finally:
        signal.signal(number, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_there_while_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that is put into it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder("x-") as folder:
        (folder / "file").write_text("1")
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
