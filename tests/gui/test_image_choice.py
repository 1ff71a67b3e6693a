"""A file of several images in the window: which one was opened, and the way to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS
from tests.slides.written import ome_xml, write_pages

from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.napari_private.parts import window_of
from nucloop.gui.plugin import reader
from nucloop.gui.plugin.image_choice import ImageChoice
from nucloop.gui.sessions.session_places import why_not_kept

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
RNG = np.random.default_rng(0)
REGIONS = [RNG.integers(100, 255, (300, 400, 3), dtype=np.uint8) for _ in range(2)]


def choices(bench: Bench) -> list[ImageChoice]:
    window = window_of(bench.viewer)
    assert window is not None
    return [one for one in window.findChildren(ImageChoice) if one.isVisible()]


def test_another_image_of_the_file_opens_beside_the_first(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "two.ome.tif"
    described = [{"name": f"region {k}", "shape": (300, 400)} for k in range(2)]
    write_pages(path, REGIONS, ome_xml(*described))

    [first] = bench.viewer.open(path, plugin="napari-nucloop")
    bench.qtbot.waitUntil(lambda: len(choices(bench)) == 1, timeout=LONG_MS)
    [choice] = choices(bench)
    assert "holds 2 images" in choice.text.text()
    assert choice.images.currentText() == "1: region 1"
    bench.qtbot.mouseClick(choice.open, Qt.MouseButton.LeftButton)

    bench.qtbot.waitUntil(lambda: "two.ome.tif, image 1" in bench.viewer.layers, timeout=LONG_MS)
    second = bench.viewer.layers["two.ome.tif, image 1"]
    assert choices(bench) == []
    # regions of one size are not taken for each other
    for layer, pixels in ((first, REGIONS[0]), (second, REGIONS[1])):
        with slide_of_layer(layer) as slide:
            np.testing.assert_array_equal(slide.read_region(slide.box), pixels)
            assert bool(why_not_kept(slide)) == (layer is second)


def test_an_image_that_is_damaged_is_said_and_the_first_stays(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "two.ome.tif"
    write_pages(path, REGIONS, ome_xml(*[{"name": f"region {k}", "shape": (300, 400)} for k in range(2)]))
    said: list[str] = []
    monkeypatch.setattr(reader, "show_error", said.append)
    bench.viewer.open(path, plugin="napari-nucloop")
    bench.qtbot.waitUntil(lambda: len(choices(bench)) == 1, timeout=LONG_MS)
    path.write_bytes(path.read_bytes()[:200])
    bench.qtbot.mouseClick(choices(bench)[0].open, Qt.MouseButton.LeftButton)
    bench.qtbot.waitUntil(lambda: bool(said), timeout=LONG_MS)
    assert "two.ome.tif" in said[0]
    assert [layer.name for layer in bench.viewer.layers if "two" in layer.name] == ["two.ome.tif"]
