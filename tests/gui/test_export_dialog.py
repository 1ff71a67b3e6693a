"""Exporting as a person does: choose, read what will be lost, press the button, open the folder."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtGui import QDesktopServices
from tests.gui.conftest import LONG_MS

from nucloop.export.manifest import Manifest
from nucloop.formats import read_document
from nucloop.gui.canvas.drawn_regions import draw_regions
from nucloop.gui.files.dialogs import export_nuclei, open_export
from nucloop.gui.files.export_page import ExportScope
from nucloop.session.exchange import kept_regions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qtpy.QtWidgets import QComboBox, QWidget
    from tests.gui.conftest import Bench

    from nucloop.gui.files.export_dialog import ExportDialog

pytestmark = pytest.mark.gui
PLACES = np.array([[y, x] for y in (100, 200, 300) for x in (100.25, 200, 300)], float)
LABELS = np.tile([0, 1, 2], 3)


@pytest.fixture
def dialog(bench: Bench) -> Iterator[ExportDialog]:
    bench.find(PLACES, LABELS)
    opened = open_export(bench.viewer)
    assert opened is not None
    bench.qtbot.waitUntil(opened.isVisible, timeout=LONG_MS)
    yield opened
    with suppress(RuntimeError):
        # gone already with its image, or closed by the test
        opened.close()


def choose(box: QComboBox, data: object) -> None:
    box.setCurrentIndex(box.findData(data))
    box.activated.emit(box.currentIndex())


def press(bench: Bench, widget: QWidget) -> None:
    assert widget.isVisible()
    assert widget.isEnabled()
    bench.push(widget)


def export(bench: Bench, dialog: ExportDialog, path: Path) -> None:
    dialog.file_page.file.line.setText(str(path))
    press(bench, dialog.start)
    bench.qtbot.waitUntil(lambda: not dialog.running, timeout=LONG_MS)


def test_all_nuclei_are_written_and_the_folder_can_be_opened(
    bench: Bench, dialog: ExportDialog, tmp_path: Path
) -> None:
    page = dialog.file_page
    assert page.loses.text() == "It carries everything."
    assert page.count.text() == "9 nuclei"

    export(bench, dialog, tmp_path / "out.geojson")

    document = read_document(tmp_path / "out.geojson")
    np.testing.assert_allclose(document.nuclei.yx, PLACES)
    assert document.slide is not None
    assert document.slide.mpp == 0.5
    assert document.weights == {"detector": {"name": "test", "sha256": "0" * 64}}
    assert dialog.messages.text.startswith("9 nuclei are in out.geojson (")
    with patch.object(QDesktopServices, "openUrl") as opened:
        press(bench, dialog.folder)
    assert opened.call_args[0][0].toLocalFile() == str(tmp_path)


def test_one_class_that_a_person_confirmed_on_screen_is_written_alone(
    bench: Bench, dialog: ExportDialog, tmp_path: Path
) -> None:
    page = dialog.file_page
    bench.session.confirm([1, 2, 4])
    bench.look_at(120, 120, 120)
    choose(page.scope, ExportScope.VIEW)
    page.confirmed.click()
    choose(page.classes, "lymphocyte")
    assert page.count.text() == "1 of 9 nuclei"

    export(bench, dialog, tmp_path / "out.csv")

    assert read_document(tmp_path / "out.csv").nuclei.ids.tolist() == [1]


def test_drawn_regions_choose_the_nuclei_and_go_into_the_file(
    bench: Bench, dialog: ExportDialog, tmp_path: Path
) -> None:
    page = dialog.file_page
    choose(page.scope, ExportScope.REGIONS)
    assert dialog.reason.text() == "No region is drawn yet. Draw one in the Detect dock, or export all nuclei."
    assert not dialog.start.isEnabled()

    draw_regions(bench.viewer, bench.image, "rectangle").add_rectangles([[50, 50], [250, 150]])
    dialog._refresh()
    assert page.count.text() == "2 of 9 nuclei"
    export(bench, dialog, tmp_path / "out.geojson")

    document = read_document(tmp_path / "out.geojson")
    assert document.nuclei.ids.tolist() == [1, 4]
    assert len(document.regions) == 1


def test_micrometres_are_offered_where_the_format_has_them(bench: Bench, dialog: ExportDialog, tmp_path: Path) -> None:
    page = dialog.file_page
    assert not page.places.isEnabled()
    choose(page.format, "csv")
    assert page.places.isEnabled()
    choose(page.places, True)

    export(bench, dialog, tmp_path / "out.csv")

    text = (tmp_path / "out.csv").read_text().splitlines()
    assert text[0].startswith("id,y_um,x_um")
    assert text[1].startswith("1,50.0,50.125")


def test_what_a_format_loses_is_said_before_and_after_and_its_classes_are_asked_for(
    bench: Bench, dialog: ExportDialog, tmp_path: Path
) -> None:
    page = dialog.file_page
    page.file.line.setText(str(tmp_path / "out.geojson"))
    choose(page.format, "ocelot-csv")
    assert page.file.line.text().endswith("out.ocelot.csv")
    assert "class probabilities" in page.loses.text()
    assert dialog.reason.text() == "Say what lymphocyte stands for."
    assert list(page.table.boxes) == ["lymphocyte", "stromal"]

    page.table.boxes["lymphocyte"].setCurrentText("background cell")
    page.table.boxes["stromal"].setCurrentText("No class")
    export(bench, dialog, tmp_path / "out.ocelot.csv")

    assert len((tmp_path / "out.ocelot.csv").read_text().splitlines()) == 6
    assert "Left out: " in dialog.messages.text
    again = open_export(bench.viewer)
    assert again is dialog


def test_answers_about_classes_are_remembered(bench: Bench, dialog: ExportDialog, tmp_path: Path) -> None:
    choose(dialog.file_page.format, "ocelot-csv")
    for name in ("lymphocyte", "stromal"):
        dialog.file_page.table.boxes[name].setCurrentText("background cell")
    export(bench, dialog, tmp_path / "out.ocelot.csv")
    dialog.close()

    again = open_export(bench.viewer)

    assert again is not None
    choose(again.file_page.format, "ocelot-csv")
    assert again.file_page.table.boxes["stromal"].currentText() == "background cell"
    again.close()


def test_a_place_that_cannot_be_written_to_is_said_in_a_sentence(
    bench: Bench, dialog: ExportDialog, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    export(bench, dialog, tmp_path / "file" / "out.csv")

    assert dialog.messages.text.startswith("Cannot write ")
    assert not dialog.folder.isVisible()


def test_a_file_that_is_there_is_said_to_be_replaced(bench: Bench, dialog: ExportDialog, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("old")

    dialog.file_page.file.line.setText(str(tmp_path / "old.csv"))

    assert dialog.file_page.hint.text() == "This file is there already and will be replaced."


def test_a_training_set_is_made_of_the_drawn_regions(bench: Bench, dialog: ExportDialog, tmp_path: Path) -> None:
    layer = draw_regions(bench.viewer, bench.image, "rectangle")
    layer.add_rectangles([[[50, 50], [150, 350]], [[250, 50], [350, 350]]])
    dialog.tabs.setCurrentWidget(dialog.dataset_page)
    page = dialog.dataset_page
    assert page.slides.table.item(0, 2).text() == "2 regions"
    page.size.setValue(64)
    page.group.setCurrentText("region")
    page.licence.setText("CC0-1.0")
    page.folder.line.setText(str(tmp_path / "set"))

    press(bench, dialog.start)
    bench.qtbot.waitUntil(lambda: not dialog.running, timeout=LONG_MS)

    assert dialog.messages.text.startswith("20 images in 2 folds are in set"), dialog.messages.text
    manifest = Manifest.read(tmp_path / "set")
    assert manifest.licence == "CC0-1.0"
    assert manifest.sources[0].regions == 2
    assert len(kept_regions(bench.session)) == 2
    assert "not empty" in dialog.reason.text()


def test_too_few_groups_for_the_folds_are_said_in_a_sentence(
    bench: Bench, dialog: ExportDialog, tmp_path: Path
) -> None:
    dialog.tabs.setCurrentWidget(dialog.dataset_page)
    dialog.dataset_page.folds.setValue(4)
    dialog.dataset_page.folder.line.setText(str(tmp_path / "set"))

    press(bench, dialog.start)
    bench.qtbot.waitUntil(lambda: not dialog.running, timeout=LONG_MS)

    assert "group" in dialog.messages.text
    assert not (tmp_path / "set").exists()


def test_without_nuclei_the_menu_says_what_is_missing(bench: Bench) -> None:
    export_nuclei(bench.viewer)

    assert notification_manager.records[-1].message.startswith("There are no nuclei to export yet.")


def test_the_dialog_goes_with_its_image(bench: Bench, dialog: ExportDialog) -> None:
    bench.viewer.layers.remove(bench.image)

    assert not dialog.isVisible()
