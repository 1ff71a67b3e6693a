"""A detection that was cancelled goes on where it stopped, as long as it is the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS, Window
from tifffile import imwrite

from nucloop.gui.detect.detection import DetectionScope
from nucloop.gui.detect.unfinished import not_finished
from nucloop.slides import Box

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Image
    from numpy.typing import NDArray

    from nucloop.gui.detect.detection import DetectionProgress

pytestmark = pytest.mark.gui


class Slide:
    """A slide in a window, and what its progress bar has shown."""

    def __init__(self, window: Window, path: Path) -> None:
        self.window, self.path = window, path
        self.progress: list[DetectionProgress] = []
        self.said: list[str] = []
        window.dock.detection.progressed.connect(self.progress.append)
        window.dock.detection.said.connect(lambda message: self.said.append(message.text))
        self.image = self.open()

    def open(self) -> Image:
        image = self.window.viewer.open(str(self.path), plugin="napari-nucloop")[0]
        self.window.qtbot.waitUntil(lambda: self.window.dock.controls.image is image, timeout=LONG_MS)
        return image

    def begin(self, scope: DetectionScope = DetectionScope.SLIDE) -> None:
        self.progress.clear()
        self.said.clear()
        self.window.click(self.window.dock.controls.scope_buttons[scope])
        self.window.detect()

    def stop_early(self) -> DetectionProgress:
        """Begin, and cancel as soon as some tiles are there."""
        self.begin()
        self.window.qtbot.waitUntil(lambda: len(self.progress) > 0 and self.window.count() > 0, timeout=LONG_MS)
        self.window.click(self.window.dock.controls.cancel)
        self.window.wait_until_done()
        assert self.progress[-1].done < self.progress[-1].total, "it was cancelled in the middle"
        return self.progress[-1]

    def finish(self) -> None:
        self.begin()
        self.window.wait_until_done()

    @property
    def nuclei(self) -> set[tuple[float, float]]:
        return set(map(tuple, self.window.nuclei.session.nuclei().yx.round(2).tolist()))


@pytest.fixture
def slide(window: Window, tissue: NDArray[np.uint8], tmp_path: Path) -> Slide:
    pixels = np.tile(tissue, (5, 5, 1))
    imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", tile=(512, 512), resolution=(20_000, 20_000), resolutionunit=3
    )
    return Slide(window, tmp_path / "a.tif")


def test_the_same_detection_goes_on_with_the_tiles_that_were_left(slide: Slide) -> None:
    stopped = slide.stop_early()
    before = slide.nuclei
    assert "goes on from there" in slide.window.said
    # elsewhere in the slide: what comes first is another tile
    slide.window.look_at(300, 2200, 500)
    slide.finish()
    assert slide.said[0].startswith("Goes on where it was stopped")
    # the tile in the middle is done in two parts, so that something is seen early
    assert slide.progress[0].done >= stopped.done
    assert slide.progress[-1].done == slide.progress[-1].total
    assert before < slide.nuclei
    all_at_once = slide.nuclei
    # nothing is left of the run that was stopped, so the next looks at every tile
    slide.finish()
    assert not slide.said[0].startswith("Goes on")
    assert slide.nuclei == all_at_once, "no tile was left out"


def test_it_goes_on_after_the_slide_was_closed(slide: Slide) -> None:
    slide.stop_early()
    slide.window.viewer.layers.remove(slide.image)
    slide.open()
    slide.window.qtbot.waitUntil(lambda: slide.window.count() > 0, timeout=LONG_MS)
    slide.finish()
    assert slide.said[0].startswith("Goes on where it was stopped")


def test_after_undo_it_begins_anew(slide: Slide) -> None:
    slide.stop_early()
    slide.window.canvas.setFocus()
    slide.window.qtbot.keyClick(slide.window.canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    slide.window.qtbot.waitUntil(lambda: slide.window.count() == 0, timeout=LONG_MS)
    slide.begin()
    slide.window.wait_for_nuclei()
    slide.window.dock.detection.cancel()
    slide.window.wait_until_done()
    assert not slide.said[0].startswith("Goes on")


def test_another_setting_begins_anew_and_the_view_is_another_detection(slide: Slide) -> None:
    slide.stop_early()
    slide.window.click(slide.window.dock.controls.outlines)
    slide.window.qtbot.waitUntil(lambda: slide.window.dock.device.text() != slide.window.dock.LOADING, timeout=LONG_MS)
    slide.window.look_at(300, 2200, 200)
    slide.begin(DetectionScope.VIEW)
    slide.window.wait_until_done()
    assert not slide.said[0].startswith("Goes on")
    slide.stop_early()
    assert not slide.said[0].startswith("Goes on")


def test_a_tile_is_finished_when_its_parts_are() -> None:
    whole, other = Box(0, 0, 100, 100), Box(0, 100, 100, 100)
    parts = [Box(0, 0, 40, 100), Box(40, 0, 60, 100)]
    assert not_finished([whole, other], parts) == [1]
    assert not_finished([whole, other], parts[:1]) == [0, 1]
    assert not_finished([*parts, other], [whole]) == [2]
    assert not_finished([whole], []) == [0]
