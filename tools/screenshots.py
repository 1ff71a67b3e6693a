"""Take the pictures of the manual from the running program: docs/images/*.png.

Run it under a virtual screen, so that the pictures look the same everywhere::

    tools/in-window.sh .venv/bin/python tools/screenshots.py
    tools/in-window.sh .venv/bin/python tools/screenshots.py --out build/pictures table ki67

The second line takes two of the scenes, into another folder. They show the samples that ship, nothing else: fields of
OpenSlide's test slides and NucLoop's own synthetic slides.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points
from photographer import Photographer
from qtpy.QtCore import QSettings, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QScrollArea
from scipy.spatial import cKDTree

from nucloop import cohort
from nucloop.classes import ClassScheme, NucleusClass
from nucloop.cohort.marks import IN_REVIEW, READ, mark_slides, tag_slides
from nucloop.formats import write_nuclei
from nucloop.gui.canvas.docks import (
    open_correct_dock,
    open_gallery_dock,
    open_ki67_dock,
    open_learn_dock,
    open_measure_dock,
    open_project_dock,
    open_table_dock,
)
from nucloop.gui.canvas.drawn_regions import draw_regions
from nucloop.gui.canvas.view import image_layers, view_box
from nucloop.gui.detect.detect_dock import DetectDock
from nucloop.gui.detect.detection import DetectionScope
from nucloop.gui.files.class_table import NEW_CLASS
from nucloop.gui.files.dialogs import open_export, open_import
from nucloop.gui.files.import_dialog import Use
from nucloop.gui.gallery.gallery_order import Order
from nucloop.gui.measure.references import points_as_nuclei
from nucloop.gui.measure.rings import Ring
from nucloop.gui.table.figure_model import COLUMNS
from nucloop.gui.table.table_scope import TableScope
from nucloop.nuclei import Nuclei, Origin
from nucloop.sample_files import sample_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.gui.gallery.crop_grid import CropGrid

IMAGES = Path(__file__).parents[1] / "docs" / "images"
FOLDER = Path("/slides")
"""What stands in dialogs, whoever takes the pictures."""


def take_detecting(camera: Photographer) -> None:
    """Take the picture of detecting, on the Ki-67 field."""
    camera.open_sample("ki67", nearer=1.6)
    camera.detect()
    camera.take("detect")


def take_outlines(camera: Photographer) -> None:
    """Take the pictures of outlines on the H&E field, and of the table of what is measured in them."""
    viewer, controls = camera.viewer, camera.dock.controls
    controls.outlines.setChecked(True)
    camera.open_sample("he", nearer=2.0)
    camera.wait(lambda: camera.dock.device.text() != DetectDock.LOADING)
    controls.choose_scope(DetectionScope.SLIDE)
    camera.detect()
    camera.take("outlines")
    table = open_table_dock(viewer)
    table.parts.bar.scopes[TableScope.ALL].click()
    table.parts.bar.measure.click()
    camera.wait(lambda: bool(len(table.parts.model.ids)) and not table.measuring.busy)
    table.parts.rows.sortByColumn(COLUMNS.index("area_um2"), Qt.SortOrder.DescendingOrder)
    camera.pause(1.5)
    rows = table.parts.rows
    QTest.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=rows.visualRect(rows.model().index(2, 3)).center())
    camera.take("table")
    viewer.window.remove_dock_widget(table)
    controls.choose_scope(DetectionScope.VIEW)
    controls.outlines.setChecked(False)
    camera.wait(lambda: camera.dock.device.text() != DetectDock.LOADING)


def take_correcting(camera: Photographer) -> None:
    """Take the pictures of correcting, reviewing and the gallery, on the H&E field."""
    camera.open_sample("he", nearer=2.0)
    camera.detect()
    viewer, nuclei = camera.viewer, camera.dock.detection.nuclei_of(camera.dock.controls.image)
    assert nuclei is not None
    dock = open_correct_dock(viewer)
    camera.pause()
    corrections = dock.correcting.corrections
    assert corrections is not None
    for k, label in enumerate((1, 2, 1, 0, 2)):
        nuclei.select(nuclei.in_view()[7 * k : 7 * k + 1])
        corrections.give_class(label)
    nuclei.select(nuclei.in_view()[3:9])
    dock.keys.expand(animate=False)
    camera.pause(2)
    camera.take("correct")
    dock.keys.collapse(animate=False)
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
    viewer.window.remove_dock_widget(dock)


def take_learning(camera: Photographer) -> None:
    """Take the picture of learning: on the synthetic H&E field every third nucleus is answered by its reference."""
    viewer = camera.viewer
    camera.open_sample("synthetic_he")
    camera.detect()
    viewer.scene.camera.zoom *= 1.8
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
    """Take the pictures of the dialogs for files, with the nuclei of the H&E field."""
    viewer = camera.viewer
    camera.open_sample("he")
    camera.detect()
    dialog = open_export(viewer)
    assert dialog is not None
    dialog.file_page.file.line.setText(str(FOLDER / "he.ocelot.csv"))
    camera.take("export", dialog)
    dialog.tabs.setCurrentWidget(dialog.dataset_page)
    dialog.dataset_page.folder.line.setText(str(FOLDER / "he-training-set"))
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
        reading.file.line.setText(str(FOLDER / path.name))
        camera.take("import", reading)
        reading.close()


def take_measuring(camera: Photographer) -> None:
    """Take the picture of measuring: the synthetic H&E field against its reference."""
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


def take_ki67(camera: Photographer) -> None:
    """Take the pictures of the Ki-67 index of two regions, by DAB, on the Ki-67 field."""
    viewer = camera.viewer
    camera.open_sample("ki67", nearer=1.6)
    image = image_layers(viewer)[0]
    box = view_box(viewer, image)
    camera.detect()
    dock = open_ki67_dock(viewer)
    regions = draw_regions(viewer, image, "polygon")
    regions.mode = "pan_zoom"
    corners = np.array([[[0.08, 0.06], [0.1, 0.42], [0.55, 0.46], [0.5, 0.1]], [[0.4, 0.55], [0.5, 0.92], [0.93, 0.9],
                        [0.9, 0.5]]])  # fmt: skip
    regions.add_polygons([box.corners[0] + one * (box.height, box.width) for one in corners])
    camera.wait(lambda: len(dock.measuring.regions) == len(corners) and not dock.measuring.busy)
    dock.parts.meaning.by_dab.click()
    camera.wait(lambda: dock.parts.meaning.histogram.isVisible() and not dock.measuring.busy)
    camera.take("ki67")
    camera.take("ki67-dock", dock.parts.meaning.histogram)
    viewer.window.remove_dock_widget(dock)


def take_counting_grid(camera: Photographer) -> None:
    """Take the picture of counting by hand on the Ki-67 field, in the light theme."""
    viewer = camera.viewer
    viewer.theme = "light"
    camera.open_sample("ki67")
    camera.dock.controls.choose_scope(DetectionScope.SLIDE)
    camera.detect()
    camera.dock.controls.choose_scope(DetectionScope.VIEW)
    dock = open_ki67_dock(viewer)
    dock.parts.meaning.by_dab.click()
    camera.wait(lambda: dock.measuring.result is not None and not dock.measuring.busy)
    dock.parts.grid.side.setValue(50)
    dock.parts.grid.lay.click()
    for _ in range(3):
        camera.pause(0.3)
        dock.parts.grid.count.click()
    for area in dock.findChildren(QScrollArea):
        area.ensureWidgetVisible(dock.parts.grid)
    camera.take("counting-grid")
    viewer.window.remove_dock_widget(dock)
    viewer.theme = "dark"


def take_project(camera: Photographer) -> None:
    """Take the picture of a project: five slides, four of them worked on, one of these done and one in review."""
    viewer, samples = camera.viewer, sample_folder()
    with TemporaryDirectory() as place:
        slides = Path(place) / "slides"
        slides.mkdir()
        for number, name in enumerate(("he", "ki67", "he", "ki67", "he"), 1041):
            stain = "Ki-67" if name == "ki67" else "H&E"
            shutil.copy(samples / f"{name}.ome.tif", slides / f"B-{number} {stain}.ome.tif")
        study = Path(place) / "breast biopsies"
        list(cohort.init(slides, study))
        project = cohort.open_project(study)
        names = [entry.id for entry in project.slides]
        list(cohort.run(study, only=names[:4]))
        mark_slides(project, names[:1], READ, "Ann")
        mark_slides(project, names[1:2], IN_REVIEW, "Ben")
        tag_slides(project, names[2:3], ["show at the board"])
        viewer.layers.clear()
        dock = open_project_dock(viewer)
        dock.open(study)
        camera.wait(lambda: not dock.reading.busy and not dock.following.waiting)
        dock.open_slide(names[1])
        camera.wait(lambda: len(viewer.layers) > 1 and not dock.opening.busy)
        camera.take("project")
        viewer.layers.clear()
        viewer.window.remove_dock_widget(dock)


SCENES: dict[str, Callable[[Photographer], None]] = {
    "detect": take_detecting,
    "outlines": take_outlines,
    "correct": take_correcting,
    "files": take_exchange,
    "learn": take_learning,
    "measure": take_measuring,
    "ki67": take_ki67,
    "counting-grid": take_counting_grid,
    "project": take_project,
}
"""What is photographed, by name; each begins with an empty window and leaves no dock but that of detection."""


def main() -> None:
    """Take the pictures of all scenes, or of those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(SCENES))
    parser.add_argument("--out", type=Path, default=IMAGES)
    asked = parser.parse_args()
    unknown = set(asked.scenes) - SCENES.keys()
    if unknown:
        parser.error(f"there is no scene {', '.join(sorted(unknown))}; there are {', '.join(SCENES)}")
    asked.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as settings:
        # pictures show what a newcomer sees, whatever this person has set
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, settings)
        camera = Photographer(asked.out)
        camera.dock.sessions.set_author("Ann")
        for name in asked.scenes or SCENES:
            SCENES[name](camera)
        camera.viewer.close()


if __name__ == "__main__":
    main()
