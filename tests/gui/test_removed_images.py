"""With an image goes everything that was made for it: its layers, session, file and decoded tiles."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS, MPP, SCHEME, Bench
from tests.gui.test_learn_dock import Class
from tifffile import TiffWriter

from nucloop.gui.canvas import docks
from nucloop.gui.canvas.drawn_regions import draw_regions
from nucloop.gui.sessions import removed_layers
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import napari
    from napari.layers import Image
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui
MANY = 7000
"""From afar they are shown by a picture of their density."""


@pytest.fixture
def slide(tmp_path: Path, tissue: NDArray[np.uint8]) -> Path:
    """Return a slide with a pyramid, 2048 pixels a side."""
    pixels = np.tile(tissue, (4, 4, 1))
    with TiffWriter(tmp_path / "slide.tif") as file:
        for level in range(2):
            file.write(
                np.ascontiguousarray(pixels[:: 2**level, :: 2**level]),
                photometric="rgb",
                tile=(256, 256),
                compression="deflate",
                resolution=(20_000, 20_000),
                resolutionunit=3,
                subfiletype=min(level, 1),
                metadata=None,
            )
    return tmp_path / "slide.tif"


@pytest.fixture
def viewer(correct_viewer: napari.Viewer) -> Iterator[napari.Viewer]:
    """Return a window with every dock that looks at nuclei."""
    for name in ("correct", "gallery", "measure", "ki67", "learn", "detect"):
        getattr(docks, f"open_{name}_dock")(correct_viewer)
    yield correct_viewer
    correct_viewer.layers.clear()


class Worked(Bench):
    """A slide that a person has worked on."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot, slide: Path) -> None:
        self.slide = slide
        super().__init__(viewer, qtbot, np.zeros(0))

    def _image(self, picture: object) -> Image:
        return self.viewer.open(str(self.slide), plugin="napari-nucloop")[0]

    def work(self) -> None:
        """Find nuclei, look at them from afar and from near, correct some, be asked about some, draw a region."""
        rng = np.random.default_rng(0)
        label = rng.integers(0, 3, MANY)
        probability = np.full((MANY, 3), 0.1, np.float32)
        probability[np.arange(MANY), label] = 0.8
        places = rng.uniform(0, 2000, (MANY, 2))
        run = self.session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 2.0)
        run.add(Nuclei.from_points(SCHEME, places, label=label, score=label * 0 + 0.9, probability=probability))
        self.viewer.layers.selection.active = self.layer
        self.viewer.reset_view()
        self.qtbot.waitUntil(lambda: not self.nuclei._view_timer.isActive(), timeout=LONG_MS)
        assert self.nuclei.density.shown
        self.look_at(*places[0], 200)
        self.correcting.focus()
        self.hover(places[0])
        self.key(Qt.Key.Key_2)
        self.qtbot.keyPress(self.canvas, Qt.Key.Key_B)
        self.hover(places[0] + 5)
        self.qtbot.keyRelease(self.canvas, Qt.Key.Key_B)
        self.drag(places[0], places[0] + 20)
        self.key(Qt.Key.Key_Space)
        draw_regions(self.viewer, self.image, "rectangle").add_rectangles([[50, 50], [900, 900]])
        self.viewer.layers.selection.active = self.layer
        self.settle()

    def refer(self) -> dict[str, weakref.ref[Any]]:
        """Refer weakly to everything that is there for the image."""
        level = self.image.data[0]
        parts = {
            "the nuclei": self.nuclei,
            "their session": self.session,
            "their layer": self.layer,
            "the picture of their density": self.nuclei.density.layer,
            "the image": self.image,
            "its file": level._slide,
            "its tiles": level._level.source._cache,
        }
        # far from few nuclei there is no picture of their density
        return {name: weakref.ref(part) for name, part in parts.items() if part is not None}


def worked_on(viewer: napari.Viewer, qtbot: QtBot, slide: Path) -> dict[str, weakref.ref[Any]]:
    bench = Worked(viewer, qtbot, slide)
    bench.work()
    return bench.refer()


def there(parts: dict[str, weakref.ref[Any]]) -> list[str]:
    return [name for name, part in parts.items() if part() is not None]


def test_the_memory_of_an_image_comes_back_soon_after_it_is_removed(
    viewer: napari.Viewer,
    qtbot: QtBot,
    slide: Path,
    tissue: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # what a thread of napari's still looks at comes with the second
    monkeypatch.setattr(removed_layers, "LOOKS_MS", (300, 1_500))
    monkeypatch.setattr(removed_layers, "PAUSE_MS", 100)
    viewer.add_image(tissue, rgb=True, name="another", scale=(MPP, MPP), units="um")
    parts = worked_on(viewer, qtbot, slide)
    assert len(there(parts)) == len(parts)
    viewer.layers.remove("slide.tif")
    qtbot.waitUntil(lambda: there(parts) == [], timeout=LONG_MS)


def test_nuclei_and_session_go_with_their_image_without_a_search_for_garbage(
    viewer: napari.Viewer, qtbot: QtBot, slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = worked_on(viewer, qtbot, slide)
    # napari searches whenever a layer is removed
    monkeypatch.setattr(gc, "collect", lambda *_: 0)
    gc.disable()
    try:
        viewer.layers.remove("slide.tif")
        qtbot.waitUntil(lambda: not {"the nuclei", "their session"} & set(there(parts)), timeout=LONG_MS)
    finally:
        gc.enable()


def test_what_shows_the_nuclei_of_an_image_leaves_with_it(viewer: napari.Viewer, qtbot: QtBot, slide: Path) -> None:
    worked_on(viewer, qtbot, slide)
    viewer.layers.remove("slide.tif")
    qtbot.waitUntil(lambda: not viewer.layers, timeout=LONG_MS)


def test_an_image_is_deleted_together_with_the_layers_of_its_nuclei(
    viewer: napari.Viewer, qtbot: QtBot, slide: Path
) -> None:
    worked_on(viewer, qtbot, slide)
    # as the Delete key does it with all that is selected, in the order that napari happens to have them in
    for layer in list(viewer.layers):
        viewer.layers.remove(layer)
    assert not viewer.layers


def learnt_on(viewer: napari.Viewer, qtbot: QtBot, slide: Path, applied: bool) -> dict[str, weakref.ref[Any]]:
    pupil = Class(Worked(viewer, qtbot, slide))
    pupil.say(20)
    pupil.learn()
    if applied:
        pupil.apply()
    return pupil.bench.refer()


@pytest.mark.parametrize("applied", [True, False])
def test_the_last_lesson_lets_go_of_its_slide(
    viewer: napari.Viewer, qtbot: QtBot, slide: Path, monkeypatch: pytest.MonkeyPatch, applied: bool
) -> None:
    monkeypatch.setattr(removed_layers, "LOOKS_MS", (300, 1_500))
    monkeypatch.setattr(removed_layers, "PAUSE_MS", 100)
    parts = learnt_on(viewer, qtbot, slide, applied)
    assert there(parts)
    viewer.layers.remove("slide.tif")
    qtbot.waitUntil(lambda: there(parts) == [], timeout=LONG_MS)
