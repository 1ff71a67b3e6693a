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
import numpy as np
from napari.layers import Points
from PIL import Image
from qtpy.QtCore import QSettings, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget
from scipy.spatial import cKDTree

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.formats import write_nuclei
from nucloop.gui.canvas.colouring import RAMP, ColourBy
from nucloop.gui.canvas.docks import (
    PLUGIN,
    open_correct_dock,
    open_detect_dock,
    open_gallery_dock,
    open_ki67_dock,
    open_learn_dock,
    open_measure_dock,
)
from nucloop.gui.canvas.drawn_regions import draw_regions
from nucloop.gui.canvas.view import image_layers, whole_box
from nucloop.gui.detect.detect_dock import DetectDock
from nucloop.gui.files.class_table import NEW_CLASS
from nucloop.gui.files.dialogs import open_export, open_import
from nucloop.gui.files.import_dialog import Use
from nucloop.gui.gallery.gallery_order import Order
from nucloop.gui.measure.references import points_as_nuclei
from nucloop.gui.measure.rings import Ring
from nucloop.gui.widgets.appearance import ACCENT
from nucloop.nuclei import Nuclei, Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.gui.gallery.crop_grid import CropGrid

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
        self.dock: DetectDock = open_detect_dock(self.viewer)
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
        # Mesa's software OpenGL (22.3) ends the program when layers go and others come with no frame between
        self.pause(0.3)
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


def take_learning(camera: Photographer) -> None:
    """Take the picture of learning: on the synthetic H&E field every third nucleus is answered by its reference."""
    viewer = camera.viewer
    camera.open_sample("synthetic_he")
    camera.detect()
    nuclei = camera.dock.detection.nuclei_of(camera.dock.controls.image)
    assert nuclei is not None
    session, author = nuclei.session, nuclei.session.author
    camera.dock.sessions.set_author("Ann")
    points = next(layer for layer in viewer.layers if isinstance(layer, Points) and layer is not nuclei.layer)
    reference = points_as_nuclei(points, nuclei.image)
    points.visible = False
    ids = session.ids()[::3]
    away, nearest = cKDTree(reference.yx).query(session.positions(ids))
    for nucleus, row in zip(ids[away < 6].tolist(), nearest[away < 6].tolist(), strict=True):
        session.set_class([nucleus], reference.scheme.names[reference.label[row]], force=True)
    dock = open_learn_dock(viewer)
    camera.pause()
    dock.controls.learn.click()
    camera.wait(dock.lesson.isVisible)
    camera.take("learn")
    dock.lesson.discard.click()
    camera.dock.sessions.set_author(author)
    viewer.window.remove_dock_widget(dock)


def click(grid: CropGrid, row: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """Click on a crop as a person does."""
    QTest.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, modifiers, grid.cell(row).center())


def take_exchange(camera: Photographer) -> None:
    """Take the pictures of the dialogs for files, of the nuclei that are there."""
    viewer = camera.viewer
    dialog = open_export(viewer)
    assert dialog is not None
    dialog.file_page.file.line.setText(str(Path.home() / "slides" / "colon.ocelot.csv"))
    camera.take("export", dialog)
    dialog.tabs.setCurrentWidget(dialog.dataset_page)
    dialog.dataset_page.folder.line.setText(str(Path.home() / "slides" / "colon-training-set"))
    dialog.dataset_page.authors.setText("A. Name")
    camera.take("training-set", dialog)
    dialog.close()
    theirs = ClassScheme("theirs", (NucleusClass("Tumor", "#d55e00"), NucleusClass("Plasma cell", "#cc79a7")))
    places = camera.dock.detection.nuclei_of(camera.dock.controls.image).session.nuclei().yx[:120]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "second-reader.geojson"
        label = [k % 5 == 0 for k in range(len(places))]
        write_nuclei(path, Nuclei.from_points(theirs, places, label=label, origin=Origin.IMPORTED))
        reading = open_import(viewer, path)
        assert reading is not None
        camera.wait(lambda: bool(reading.content.text()))
        reading.uses[Use.READER].setChecked(True)
        reading.reader.setText("Dr B")
        reading.table.boxes["Plasma cell"].setCurrentText(NEW_CLASS)
        reading.file.line.blockSignals(True)
        reading.file.line.setText(str(Path.home() / "slides" / path.name))
        camera.take("import", reading)
        reading.close()


def take_measuring(camera: Photographer) -> None:
    """Take the pictures of measuring: the synthetic H&E field against its reference, then Ki-67 on its slide."""
    viewer = camera.viewer
    camera.open_sample("synthetic_he")
    camera.detect()
    measure = open_measure_dock(viewer)
    camera.pause()
    reference = measure.parts.controls.reference
    reference.setCurrentIndex(1)
    reference.activated.emit(1)
    camera.wait(lambda: measure.measuring.score is not None and not measure.measuring.busy)
    viewer.scene.camera.zoom *= 2.2
    measure.parts.rings[Ring.WRONG].click()
    camera.take("measure")
    viewer.window.remove_dock_widget(measure)
    camera.open_sample("synthetic_ki67")
    points = next(layer for layer in viewer.layers if isinstance(layer, Points))
    image = image_layers(viewer)[0]
    nuclei = camera.dock.sessions.begin_anew(image, ClassScheme.named("patherea-ki67"))
    assert nuclei is not None
    nuclei.session.import_nuclei(points_as_nuclei(points, image), source="the sample's reference")
    dock = open_ki67_dock(viewer)
    size = np.array(whole_box(image).height)
    regions = draw_regions(viewer, image, "polygon")
    regions.mode = "pan_zoom"
    corners = np.array([[[0.1, 0.1], [0.1, 0.5], [0.45, 0.55], [0.5, 0.15]], [[0.55, 0.5], [0.5, 0.9], [0.9, 0.95],
                        [0.95, 0.5]], [[0.6, 0.08], [0.6, 0.4], [0.9, 0.4], [0.9, 0.1]]])  # fmt: skip
    regions.add_polygons(list(corners * size))
    dock.parts.meaning.by_class.click()
    camera.wait(lambda: len(dock.measuring.regions) == len(corners) and not dock.measuring.busy)
    camera.take("ki67")
    dock.parts.meaning.by_dab.click()
    camera.wait(lambda: dock.parts.meaning.histogram.isVisible() and not dock.measuring.busy)
    camera.take("ki67-dock", dock.parts.meaning)
    viewer.window.remove_dock_widget(dock)


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
    dock.sessions.set_author("Ann")
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
    take_exchange(camera)
    correct = take_correcting(camera)
    viewer.window.remove_dock_widget(correct)
    take_learning(camera)
    take_measuring(camera)
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
