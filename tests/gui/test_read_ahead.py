"""Slides that are dropped on the window are read in a job: the window answers meanwhile, and shows them in order."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Picture
from tests.gui.conftest import LONG_MS
from tests.gui.test_app import dropped_on

from nucloop.gui.canvas.slide_layers import image_layer_of, with_coarsest_read
from nucloop.gui.plugin import read_ahead
from nucloop.gui.plugin.read_ahead import ReadAhead
from nucloop.slides import Slide, open_slide

if TYPE_CHECKING:
    from pathlib import Path

    import napari
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Have files opened only once this is set, as over a slow network."""
    go_on = threading.Event()

    def opened(path: Path) -> Slide:
        assert go_on.wait(60)
        return open_slide(path)

    monkeypatch.setattr(read_ahead, "open_slide", opened)
    return go_on


def test_the_window_answers_while_slides_are_read_and_shows_them_in_order(
    correct_viewer: napari.Viewer,
    qtbot: QtBot,
    tmp_path: Path,
    tissue: NDArray[np.uint8],
    slow: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(read_ahead, "show_info", said.append)
    monkeypatch.setattr(read_ahead, "SAID_AFTER_MS", 50)
    for name in ("b.png", "a.png"):
        Picture.fromarray(tissue).save(tmp_path / name)
    (tmp_path / "torn.png").write_bytes(b"not a picture")
    ReadAhead.of(correct_viewer)
    errors: list[str] = []
    monkeypatch.setattr("nucloop.gui.plugin.reader.show_error", errors.append)
    try:
        dropped_on(correct_viewer, tmp_path / "b.png", tmp_path / "torn.png", tmp_path / "a.png")
        qtbot.waitUntil(lambda: said == ["Opening b.png …"], timeout=LONG_MS)
        assert not correct_viewer.layers
        slow.set()
        qtbot.waitUntil(lambda: len(correct_viewer.layers) >= 2, timeout=LONG_MS)
        assert [layer.name for layer in correct_viewer.layers] == ["b.png", "a.png"]
        assert len(errors) == 1
        assert "torn.png" in errors[0]
        assert {layer.source.reader_plugin for layer in correct_viewer.layers} == {"napari-nucloop"}
    finally:
        slow.set()
        correct_viewer.layers.clear()


def test_the_level_that_is_seen_first_is_in_memory_and_the_same(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (2500, 2200, 3), np.uint8)
    Picture.fromarray(pixels).save(tmp_path / "large.png")
    lazy = image_layer_of(open_slide(tmp_path / "large.png"))
    levels, options, kind = with_coarsest_read(lazy)
    assert len(levels) == len(lazy[0]) == 2
    assert isinstance(levels[-1], np.ndarray)
    np.testing.assert_array_equal(levels[-1], np.asarray(lazy[0][-1]))
    assert (options, kind) == lazy[1:]
