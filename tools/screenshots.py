"""Take the pictures of the manual from the running program: docs/images/*.png.

Run it under a virtual screen, so that the pictures look the same everywhere::

    tools/in-window.sh .venv/bin/python tools/screenshots.py

They show scikit-image's colon section and NucLoop's own synthetic slides, nothing else.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import napari
from PIL import Image
from qtpy.QtCore import QSettings, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from nucloop.classes import ClassScheme
from nucloop.gui.actions import PLUGIN, open_correct_dock, open_dock, open_gallery_dock
from nucloop.gui.appearance import ACCENT
from nucloop.gui.colouring import RAMP, ColourBy
from nucloop.gui.detect_dock import DetectDock
from nucloop.gui.gallery_order import Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.gui.crop_grid import CropGrid

IMAGES = Path(__file__).parents[1] / "docs" / "images"
COLOURS = 256
LARGEST_BYTES = 600_000
PATIENCE_S = 300


class Photographer:
    """A window and the wish to have it look like what a person sees."""

    def __init__(self, folder: Path, width: int = 1440, height: int = 900) -> None:
        self.folder = folder
        self.viewer = napari.Viewer(title="NucLoop")
        self.viewer.window.resize(width, height)
        self.dock: DetectDock = open_dock(self.viewer)
        self.wait(lambda: self.dock.device.text() != DetectDock.LOADING)

    def wait(self, until: Callable[[], bool]) -> None:
        """Let the program go on until something holds."""
        end = time.monotonic() + PATIENCE_S
        while not until():
            if time.monotonic() > end:
                raise TimeoutError("the program did not get there")
            QApplication.processEvents()

    def pause(self, seconds: float = 0.8) -> None:
        """Let the program draw."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > end)

    def open_sample(self, key: str) -> None:
        """Open a sample in place of what is open."""
        self.viewer.layers.clear()
        self.viewer.open_sample(PLUGIN, key)
        self.pause()

    def detect(self) -> None:
        """Press the button and wait."""
        self.dock.detect()
        self.wait(lambda: not self.dock.detection.running)

    def take(self, name: str, widget: QWidget | None = None) -> None:
        """Save the window, or one of its parts, with a small palette."""
        self.pause()
        target = self.folder / f"{name}.png"
        shown = widget if widget is not None else self.viewer.window._qt_window
        shown.grab().save(str(target))
        with Image.open(target) as picture:
            small = with_few_colours(picture.convert("RGB"))
        small.save(target, optimize=True)
        size = target.stat().st_size
        print(f"{target.name}: {small.width} x {small.height}, {size // 1000} kB")
        if size > LARGEST_BYTES:
            raise ValueError(f"{target.name} is too large for the repository: make the window smaller")


def with_few_colours(picture: Image.Image) -> Image.Image:
    """Return a picture with a palette in which tissue does not crowd out the colours that carry meaning."""
    meaning = [*ClassScheme.named("brca-m2c").colors, *RAMP, *ACCENT.values()]
    side = picture.width // len(meaning)
    sample = Image.new("RGB", (picture.width, picture.height + side))
    sample.paste(picture)
    for k, colour in enumerate(meaning):
        sample.paste(colour, (k * side, picture.height, (k + 1) * side, picture.height + side))
    return picture.quantize(palette=sample.quantize(COLOURS), dither=Image.Dither.FLOYDSTEINBERG)


def take_correcting(camera: Photographer) -> QWidget:
    """Take the pictures of correcting, on the slide that is open; return the Correct dock."""
    viewer, nuclei = camera.viewer, camera.dock.detection.nuclei_of(camera.dock.controls.image)
    assert nuclei is not None
    dock = open_correct_dock(viewer)
    camera.pause()
    viewer.scene.camera.zoom *= 2.5
    camera.pause()
    corrections = dock.correcting.corrections
    assert corrections is not None
    for k, label in enumerate((1, 2, 1, 0, 2)):
        nuclei.select(nuclei.in_view()[7 * k : 7 * k + 1])
        corrections.give_class(label)
    nuclei.select(nuclei.in_view()[3:9])
    dock.keys.expand()
    camera.take("correct")
    camera.take("correct-dock", dock)
    dock.keys.collapse()
    dock.correcting.review.next()
    camera.take("review")
    dock.correcting.review.stop()
    gallery = open_gallery_dock(viewer)
    camera.pause(3)
    gallery.order.setCurrentIndex(gallery.order.findData(Order.UNSURE))
    gallery.refill()
    camera.pause(3)
    gallery.grid.setFocus()
    click(gallery.grid, 2)
    click(gallery.grid, 6, Qt.KeyboardModifier.ShiftModifier)
    camera.pause(2)
    camera.take("gallery")
    viewer.window.remove_dock_widget(gallery)
    nuclei.select([])
    return dock


def click(grid: CropGrid, row: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """Click on a crop as a person does."""
    QTest.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, modifiers, grid.cell(row).center())


def main(folder: Path = IMAGES) -> None:
    """Take all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as settings:
        # pictures show what a newcomer sees, whatever this person has set
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, settings)
        take_all(Photographer(folder))


def take_all(camera: Photographer) -> None:
    """Walk through the program, and take a picture of every part."""
    viewer, dock = camera.viewer, camera.dock
    camera.take("welcome")
    camera.open_sample("ihc")
    camera.detect()
    camera.take("detect")
    camera.take("dock", dock)
    label = max(dock.nuclei.legend.rows, key=lambda k: int(dock.nuclei.legend.rows[k].count.text().replace(",", "")))
    dock.nuclei.legend.rows[label].only.click()
    camera.take("isolate")
    dock.nuclei.show_all.click()
    dock.nuclei.colours.setCurrentText(ColourBy.CONFIDENCE.value)
    camera.take("confidence")
    dock.nuclei.colours.setCurrentText(ColourBy.CLASS.value)
    correct = take_correcting(camera)
    viewer.window.remove_dock_widget(correct)
    viewer.theme = "light"
    camera.open_sample("synthetic_he")
    camera.detect()
    dock.more.expand()
    camera.take("detect-light")
    dock.more.collapse()
    viewer.theme = "dark"
    viewer.window.resize(1000, 700)
    camera.open_sample("ihc")
    camera.detect()
    camera.take("small-window")
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
