"""Temporary folders: gone afterwards, whenever a signal comes."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from pixi_container.interrupts import Interrupted, stop_on_signals
from pixi_container.temporary_folder import temporary_folder


@pytest.mark.parametrize("moment", ["made", "used", "removed"])
def test_a_signal_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    make, remove = tempfile.mkdtemp, shutil.rmtree

    def interrupted_make(**arguments: str) -> str:
        folder = make(**arguments)
        if moment == "made":
            os.kill(os.getpid(), signal.SIGTERM)
        return folder

    def interrupted_remove(folder: Path, *, ignore_errors: bool) -> None:
        if moment == "removed":
            os.kill(os.getpid(), signal.SIGTERM)
        remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(tempfile, "mkdtemp", interrupted_make)
    monkeypatch.setattr(shutil, "rmtree", interrupted_remove)
    used = False

    def use() -> None:
        nonlocal used
        with temporary_folder({"RUNNER_TEMP": str(tmp_path)}) as folder:
            used = True
            (folder / "file").touch()
            if moment == "used":
                os.kill(os.getpid(), signal.SIGTERM)

    with stop_on_signals(), pytest.raises(Interrupted):
        use()
    assert used == (moment != "made")
    assert list(tmp_path.iterdir()) == []
