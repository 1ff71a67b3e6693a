"""Ki-67 at the first click: detect, open the dock, read the index; the command line says the same of the same slide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.gui.conftest import LONG_MS, MPP
from typer.testing import CliRunner

from nucloop.cli import app
from nucloop.gui.canvas.docks import open_ki67_dock

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from tests.gui.conftest import Window

pytestmark = pytest.mark.gui


def test_window_and_command_line_give_the_same_index_of_the_same_slide(
    field: Window, tissue: NDArray, tmp_path: Path
) -> None:
    Image.fromarray(tissue).save(tmp_path / "field.png")
    field.detect_and_wait()
    dock = open_ki67_dock(field.viewer)
    field.qtbot.waitUntil(lambda: dock.measuring.result is not None and not dock.measuring.busy, timeout=LONG_MS)
    shown = dock.measuring.result

    slide, nuclei, figures = (str(tmp_path / name) for name in ("field.png", "field.csv", "f.json"))
    for words in (
        ["detect", slide, "--mpp", str(MPP), "--out", str(tmp_path)],
        ["ki67", nuclei, "--slide", slide, "--mpp", str(MPP), "--json", figures],
    ):
        assert CliRunner().invoke(app, words).exit_code == 0

    told = json.loads((tmp_path / "f.json").read_text())
    assert told["slide"]["total"] == field.count() > 50, "all that were found are counted"
    assert told == json.loads(json.dumps(shown.to_dict()))
    assert dock.parts.index.text() == f"{100 * told['slide']['index']:.1f}%"
