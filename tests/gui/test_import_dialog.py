"""Importing as a person does: choose a file, read what is in it, say what it is, and take it back."""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from tests.gui.conftest import LONG_MS

from nucloop.classes import ClassScheme, NucleusClass, builtin_schemes
from nucloop.formats import Region, SlideInfo, read_document, write_document, write_nuclei
from nucloop.gui.canvas.drawn_regions import drawn_regions
from nucloop.gui.files import import_dialog
from nucloop.gui.files.dialogs import open_import
from nucloop.gui.files.import_dialog import Use
from nucloop.gui.files.importing import read_steps
from nucloop.nuclei import Nuclei, Origin
from nucloop.outlines import Outlines
from nucloop.session.exchange import document_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qtpy.QtWidgets import QWidget
    from tests.gui.conftest import Bench

    from nucloop.gui.files.import_dialog import ImportDialog
    from nucloop.gui.files.importing import ReadFile

pytestmark = pytest.mark.gui
THEIRS = ClassScheme("theirs", (NucleusClass("Tumor", "#ff0000"), NucleusClass("Plasma", "#00ff00")))
PLACES = np.array([[100, 100], [200, 200], [300, 300.5]], float)
SQUARE = np.array([[-4, -4], [-4, 4], [4, 4], [4, -4]])
HERE = SlideInfo(name="field", height=512, width=512, mpp=0.5)


@pytest.fixture
def dialog(bench: Bench) -> Iterator[ImportDialog]:
    opened = open_import(bench.viewer)
    assert opened is not None
    bench.qtbot.waitUntil(opened.isVisible, timeout=LONG_MS)
    yield opened
    with suppress(RuntimeError):
        # closed by the test
        opened.close()


def wrote(path: Path, places: np.ndarray = PLACES, slide: SlideInfo = HERE, **options: object) -> Path:
    """Write a file of three nuclei of another program's classes."""
    options = {"label": [0, 1, 0], "origin": Origin.IMPORTED} | options
    regions = options.pop("regions", ())
    write_nuclei(path, Nuclei.from_points(THEIRS, places, **options), slide, regions=regions)
    return path


def choose(bench: Bench, dialog: ImportDialog, path: Path) -> None:
    """Type the path and press Enter."""
    dialog.file.line.setText(str(path))
    bench.qtbot.keyClick(dialog.file.line, Qt.Key.Key_Return)
    bench.qtbot.waitUntil(lambda: dialog._job is None, timeout=LONG_MS)


def press(bench: Bench, widget: QWidget) -> None:
    assert widget.isVisible()
    assert widget.isEnabled()
    bench.push(widget)


def test_nuclei_go_into_the_session_in_one_step_with_a_new_class(
    bench: Bench, dialog: ImportDialog, tmp_path: Path
) -> None:
    choose(bench, dialog, wrote(tmp_path / "theirs.geojson"))
    assert dialog.content.text() == "3 nuclei: 2 Tumor, 1 Plasma."
    assert dialog.reason.text() == "Say what Plasma stands for."
    assert not dialog.start.isEnabled()

    dialog.table.boxes["Plasma"].setCurrentText("Add it as a class")
    press(bench, dialog.start)

    assert dialog.messages.text == "From theirs.geojson: 3 new nuclei. Ctrl+Z takes it back."
    assert bench.session.counts == {"lymphocyte": 0, "tumour": 2, "stromal": 0, "Plasma": 1}
    assert bench.kinds() == ["import"]
    bench.session.undo()
    assert len(bench.session) == 0
    assert bench.session.scheme == builtin_schemes()["brca-m2c"]


def test_known_nuclei_get_the_class_and_what_a_person_said_stays(
    bench: Bench, dialog: ImportDialog, tmp_path: Path
) -> None:
    bench.find([[101, 100], [201, 200], [400, 400]])
    bench.session.set_class([2], "stromal")
    choose(bench, dialog, wrote(tmp_path / "theirs.csv"))
    dialog.table.boxes["Plasma"].setCurrentText("lymphocyte")

    press(bench, dialog.start)

    assert [bench.label(k) for k in (1, 2, 3, 4)] == [1, 2, 0, 1]
    assert "1 new nuclei; 1 that were there have its class; 1 keep what a person said" in dialog.messages.text


def test_outlines_come_in_with_their_nuclei_and_to_those_that_have_none(
    bench: Bench, dialog: ImportDialog, tmp_path: Path
) -> None:
    bench.find([[101, 100]])
    rings = Outlines.of([place + SQUARE for place in PLACES])
    path = wrote(tmp_path / "theirs.geojson", outlines=rings, cell_outlines=rings.take([1, 1, 2]), label=[0, 0, 0])
    choose(bench, dialog, path)
    press(bench, dialog.start)

    assert "2 new nuclei" in dialog.messages.text
    assert "1 that were there have its outline" in dialog.messages.text
    nuclei = bench.session.nuclei(outlines=True)
    np.testing.assert_allclose(nuclei.outlines.corners, rings.corners, atol=1e-3)
    write_nuclei(tmp_path / "out.geojson", nuclei, HERE)
    assert (tmp_path / "out.geojson").read_text().count('"objectType":"cell"') == 3


def test_the_labels_of_another_reader_are_kept_under_their_name(
    bench: Bench, dialog: ImportDialog, tmp_path: Path
) -> None:
    bench.find([[100, 100], [200, 200]])
    bench.session.set_class([1, 2], "stromal")
    choose(bench, dialog, wrote(tmp_path / "theirs.csv"))
    dialog.table.boxes["Plasma"].setCurrentText("lymphocyte")
    dialog.uses[Use.READER].click()
    assert dialog.reason.text() == "Whose labels are they? Write the reader's name."

    bench.qtbot.keyClicks(dialog.reader, "Dr B")
    press(bench, dialog.start)

    assert bench.session.labels_of("Dr B", [1, 2]).tolist() == [1, 0]
    assert bench.session.labels([1, 2]).tolist() == [2, 2]
    assert len(bench.session.disagreements(bench.session.author, "Dr B")) == 2


def test_a_reference_lies_in_a_layer_of_its_own(bench: Bench, dialog: ImportDialog, tmp_path: Path) -> None:
    choose(bench, dialog, wrote(tmp_path / "theirs.csv"))
    dialog.uses[Use.REFERENCE].click()
    assert not dialog.table.isVisible()

    press(bench, dialog.start)

    layer = bench.viewer.layers["theirs.csv"]
    np.testing.assert_allclose(layer.data, PLACES)
    assert layer.features["class"].tolist() == ["Tumor", "Plasma", "Tumor"]
    assert layer.scale.tolist() == bench.image.scale.tolist()
    assert bench.kinds() == []


def test_a_file_of_another_magnification_is_noticed_and_scaled(
    bench: Bench, dialog: ImportDialog, tmp_path: Path
) -> None:
    half = SlideInfo(name="field", height=256, width=256, mpp=1.0)
    choose(bench, dialog, wrote(tmp_path / "half.csv", (PLACES + 0.5) / 2 - 0.5, half, label=[0, 0, 0]))
    assert dialog.scale.text().endswith("multiply its places by 2")
    assert dialog.scale.isChecked()
    assert not dialog.doubts.isVisible()

    dialog.scale.click()
    assert "made at 1 µm per pixel, this slide has 0.5" in dialog.doubts.text
    assert not dialog.start.isEnabled()
    dialog.scale.click()
    press(bench, dialog.start)

    np.testing.assert_allclose(bench.session.nuclei().yx, PLACES, atol=1e-3)


def test_a_file_of_another_slide_is_taken_only_when_a_person_insists(
    bench: Bench, dialog: ImportDialog, tmp_path: Path
) -> None:
    other = SlideInfo(name="other", height=9000, width=512, mpp=0.5)
    places = np.array([[100, 100], [8000, 100], [1, 1]])
    choose(bench, dialog, wrote(tmp_path / "other.csv", places, other, label=[0, 0, 0]))
    assert "made for a slide of 512 x 9000 pixels, other" in dialog.doubts.text
    assert "1 of 3 nuclei lie outside the slide" in dialog.doubts.text
    assert dialog.reason.text() == "The file does not seem to be of this slide."

    dialog.anyway.click()
    press(bench, dialog.start)

    assert len(bench.session) == 3


def test_areas_are_nuclei_where_a_person_says_so(bench: Bench, dialog: ImportDialog, tmp_path: Path) -> None:
    path = tmp_path / "drawn.geojson"
    rings = [(SQUARE + place + 0.5)[:, ::-1].tolist() for place in PLACES]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
            "properties": {"objectType": "annotation", "classification": {"name": "Tumor"}},
        }
        for ring in rings
    ]
    path.write_text(json.dumps(features))
    choose(bench, dialog, path)
    assert dialog.content.text() == "No nuclei."
    assert dialog.areas.isVisible()

    bench.qtbot.mouseClick(dialog.areas, Qt.MouseButton.LeftButton, pos=QPoint(8, dialog.areas.height() // 2))
    bench.qtbot.waitUntil(lambda: dialog._job is None and dialog.content.text().startswith("3 nuclei"), timeout=LONG_MS)

    assert dialog.areas.isVisible()
    assert not dialog.regions.isVisible()
    choose(bench, dialog, wrote(tmp_path / "other.csv"))
    assert not dialog.areas.isChecked()


def test_regions_of_a_file_are_drawn(bench: Bench, dialog: ImportDialog, tmp_path: Path) -> None:
    square = np.array([[10, 20], [10, 90], [80, 90], [80, 20]], float)
    region = Region.of_pieces([[square, square / 2 + 20], [square + 200]], "without necrosis")
    choose(bench, dialog, wrote(tmp_path / "a.geojson", label=[0, 0, 0], regions=[region]))
    assert dialog.regions.text() == "Also take its 1 drawn region"

    press(bench, dialog.start)

    assert drawn_regions(bench.viewer, bench.image) == [region]


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"type": "FeatureCollection", "features": [{"geometry": 3}]}'])
def test_a_damaged_file_is_refused_in_a_sentence_and_nothing_comes_in(
    bench: Bench, dialog: ImportDialog, tmp_path: Path, text: str
) -> None:
    (tmp_path / "bad.geojson").write_text(text)

    choose(bench, dialog, tmp_path / "bad.geojson")

    assert "bad.geojson" in dialog.messages.text
    assert not dialog.start.isEnabled()
    assert len(bench.session) == 0


def test_a_file_that_is_not_there_is_said(bench: Bench, dialog: ImportDialog, tmp_path: Path) -> None:
    choose(bench, dialog, tmp_path / "nowhere.csv")

    assert dialog.messages.text.startswith("There is no file ")


def test_another_file_is_read_without_waiting_for_the_one_before_whose_nuclei_are_not_wanted_any_more(
    bench: Bench, dialog: ImportDialog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = wrote(tmp_path / "slow.csv"), wrote(tmp_path / "quick.csv", PLACES[:2], label=[0, 0])
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def steps(path: Path, slide: SlideInfo, **options: bool) -> Iterator[ReadFile]:
        try:
            if path == slow:
                begun.set()
                go_on.wait()
            yield from read_steps(path, slide, **options)
        finally:
            if path == slow:
                over.set()

    def waits(*_: object) -> None:
        raise AssertionError("the window waits for a thread")

    monkeypatch.setattr(import_dialog, "read_steps", steps)
    monkeypatch.setattr(threading.Thread, "join", waits)
    dialog.open_file(slow)
    assert begun.wait(LONG_MS / 1000)
    choose(bench, dialog, quick)
    assert dialog.content.text() == "2 nuclei: 2 Tumor."
    go_on.set()
    assert over.wait(LONG_MS / 1000)
    bench.settle()
    assert dialog.content.text() == "2 nuclei: 2 Tumor."
    begun.clear()
    go_on.clear()
    dialog.open_file(slow)
    assert begun.wait(LONG_MS / 1000)
    with bench.qtbot.waitSignal(dialog.destroyed, timeout=LONG_MS):
        dialog.close()
    go_on.set()


CLASSIFY_MS = 240_000


def qupath_cells(path: Path) -> list[dict[str, Any]]:
    """Write cells as QuPath exports them, none with a class; return their features."""
    rng = np.random.default_rng(0)
    corners = np.array([[-4, -4], [4, -4], [4, 4], [-4, 4], [-4, -4]])
    cells = [
        {
            "type": "Feature",
            "id": str(uuid.UUID(bytes=rng.bytes(16), version=4)),
            "geometry": {"type": "Polygon", "coordinates": [(place + 2 * corners).tolist()]},
            "nucleusGeometry": {"type": "Polygon", "coordinates": [(place + corners).tolist()]},
            "properties": {"objectType": "cell", "measurements": {"Cell: Area": 256.0}},
        }
        for place in rng.integers(40, 470, (12, 2))
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": cells}))
    return cells


def test_cells_of_qupath_are_classified_corrected_and_go_back_with_their_ids_and_outlines(
    bench: Bench, dialog: ImportDialog, tmp_path: Path
) -> None:
    cells = qupath_cells(tmp_path / "cells.geojson")
    choose(bench, dialog, tmp_path / "cells.geojson")
    assert dialog.classify.isVisible()
    assert dialog.classify.isChecked(), "cells without a class are what it is for"

    press(bench, dialog.start)
    assert dialog.messages.text == "From cells.geojson: 12 new nuclei. Ctrl+Z takes it back. Classifying …"
    bench.qtbot.waitUntil(
        lambda: "is in use: 12 nuclei have another class now" in dialog.messages.text, timeout=CLASSIFY_MS
    )

    assert bench.kinds() == ["import", "new head"]
    nuclei = bench.session.nuclei()
    assert (nuclei.label >= 0).all()
    assert set(nuclei.origin.tolist()) == {Origin.PREDICTED}
    bench.session.set_class([3], (int(nuclei.label[2]) + 1) % 3)
    assert bench.session.nuclei([3]).origin.tolist() == [Origin.CORRECTED], "they are corrected like our own"

    write_document(tmp_path / "out.geojson", document_of(bench.session))
    written = json.loads((tmp_path / "out.geojson").read_text())["features"]
    for key in ("id", "geometry", "nucleusGeometry"):
        assert [one[key] for one in written] == [one[key] for one in cells]
    assert {one["properties"]["objectType"] for one in written} == {"cell"}
    assert all(one["properties"]["classification"]["name"] for one in written)


def test_the_classes_of_a_file_are_left_out_where_ours_are_asked_for(
    bench: Bench, dialog: ImportDialog, tmp_path: Path
) -> None:
    choose(bench, dialog, wrote(tmp_path / "theirs.geojson"))
    assert not dialog.classify.isChecked(), "a file with classes comes with them"
    assert dialog.table.isVisible()

    bench.qtbot.mouseClick(dialog.classify, Qt.MouseButton.LeftButton)
    assert not dialog.table.isVisible()
    press(bench, dialog.start)
    bench.qtbot.waitUntil(lambda: "is in use" in dialog.messages.text, timeout=CLASSIFY_MS)

    assert bench.session.scheme == builtin_schemes()["brca-m2c"]
    assert sum(bench.session.counts.values()) == 3
    bench.session.undo()
    assert sum(bench.session.counts.values()) == 0
    bench.session.undo()
    assert len(bench.session) == 0


def test_a_cell_that_was_found_here_too_goes_back_under_its_id(
    bench: Bench, dialog: ImportDialog, tmp_path: Path
) -> None:
    cells = qupath_cells(tmp_path / "cells.geojson")
    there = read_document(tmp_path / "cells.geojson").nuclei.yx[4]
    bench.find([there + 1, [5.0, 5.0]])
    choose(bench, dialog, tmp_path / "cells.geojson")
    dialog.classify.setChecked(False)
    press(bench, dialog.start)

    document = document_of(bench.session)
    assert document.notes["uuid"][:2].tolist() == [cells[4]["id"], ""]
    assert sorted(document.notes["uuid"][2:]) == sorted(one["id"] for one in cells if one is not cells[4])
