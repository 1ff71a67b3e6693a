"""Classes are changed from the palette, with the mouse and the keyboard, and everything that shows them follows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QDialog, QLineEdit, QMenu
from tests.gui.conftest import LONG_MS

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.gui.canvas.docks import open_detect_dock, open_gallery_dock, open_ki67_dock, open_measure_dock
from nucloop.gui.correct.class_colours import OFFERED
from nucloop.gui.correct.class_dialogs import DeleteDialog, SchemeDialog
from nucloop.gui.files.dialogs import open_export
from nucloop.nuclei import UNLABELLED, Origin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.gui.conftest import Bench

    from nucloop.gui.correct.class_palette import PaletteRow

pytestmark = pytest.mark.gui
CTRL = Qt.KeyboardModifier.ControlModifier
A, B, C, D = (200, 200), (200, 260), (260, 200), (260, 260)
FIRST = ("lymphocyte", "tumour", "stromal")


@pytest.fixture
def field(bench: Bench) -> Bench:
    bench.find([A, B, C, D], [0, 1, 1, 2])
    bench.look_at(230, 230, 200)
    return bench


def row(bench: Bench, name: str) -> PaletteRow:
    return next(one for one in bench.dock.palette_rows.rows if one.name.text() == name)


def shown(bench: Bench) -> list[tuple[str, str, str]]:
    """Key, name and count of each row of the palette."""
    return [(one.key.text(), one.name.text(), one.count.text()) for one in bench.dock.palette_rows.rows]


def choose(bench: Bench, name: str, *words: str) -> None:
    """Choose from a class's menu, by the beginnings of the words."""
    bench.push(row(bench, name).more)
    menu: QMenu | None = bench.dock.palette_rows.menu
    for word in words:
        assert menu is not None
        bench.qtbot.waitUntil(menu.isVisible, timeout=LONG_MS)
        action = next(one for one in menu.actions() if one.text().startswith(word))
        below = action.menu()
        menu.setActiveAction(action)
        bench.qtbot.keyClick(menu, Qt.Key.Key_Return)
        menu = below
    bench.settle()


def write(bench: Bench, text: str, end: Qt.Key = Qt.Key.Key_Return) -> None:
    """Write a name where the keyboard is."""
    bench.qtbot.waitUntil(lambda: isinstance(QApplication.focusWidget(), QLineEdit), timeout=LONG_MS)
    field = QApplication.focusWidget()
    bench.qtbot.keyClicks(field, text)
    bench.qtbot.keyClick(field, end)
    bench.qtbot.waitUntil(bench.canvas.hasFocus, timeout=LONG_MS)
    bench.settle()


def answer(bench: Bench, kind: type, act: Callable[[Any], None]) -> None:
    """Have a person answer a dialog when it appears."""

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, kind):
            act(dialog)
        else:
            QTimer.singleShot(20, look)

    QTimer.singleShot(0, look)


def test_a_class_is_added_with_a_colour_of_its_own_and_given_by_its_key(field: Bench) -> None:
    field.push(field.dock.palette_rows.add)
    write(field, "mitosis")
    assert shown(field)[-1] == ("4", "mitosis", "0")
    new = field.session.scheme.classes[-1]
    assert new.color in OFFERED
    assert new.color not in [one.color for one in field.session.scheme.classes[:-1]]
    field.hover(B)
    field.key(Qt.Key.Key_4)
    assert field.session.labels([2]).tolist() == [3]
    np.testing.assert_allclose(field.layer.face_color[1, :3] * 255, new.rgb, atol=1)
    assert field.dock.undo.undo.text() == "Undo class of 1 nucleus"
    for _ in range(2):
        field.key(Qt.Key.Key_Z, CTRL)
    assert field.session.scheme.names == FIRST
    assert shown(field)[-1] == ("3", "stromal", "1")
    assert field.dock.undo.redo.text() == "Redo new class mitosis"


def test_escape_and_an_empty_name_add_nothing_and_a_name_that_is_taken_is_refused_in_words(field: Bench) -> None:
    for text, end in (("mitosis", Qt.Key.Key_Escape), ("", Qt.Key.Key_Return), ("Tumour", Qt.Key.Key_Return)):
        field.push(field.dock.palette_rows.add)
        write(field, text, end)
        assert field.dock.palette_rows.new_name is None
    assert "There is a class 'Tumour' already" in field.dock.messages.text
    assert field.session.scheme.names == FIRST
    assert field.kinds() == []


def test_a_renamed_class_keeps_its_nuclei_and_everything_says_the_new_name(field: Bench) -> None:
    gallery = open_gallery_dock(field.viewer)
    detect = open_detect_dock(field.viewer)
    field.qtbot.waitUntil(lambda: len(gallery.grid.ids) == 4, timeout=LONG_MS)
    choose(field, "tumour", "Rename")
    write(field, "neoplastic")
    assert shown(field)[1] == ("2", "neoplastic", "2")
    assert gallery.classes.itemText(2) == "neoplastic  (2)"
    assert detect.nuclei.legend.rows[1].name.text() == "neoplastic"
    field.settle()
    assert field.layer.features["class"].tolist() == ["lymphocyte", "neoplastic", "neoplastic", "stromal"]
    export = open_export(field.viewer)
    assert export is not None
    names = [export.file_page.classes.itemText(k) for k in range(export.file_page.classes.count())]
    assert names == ["Every class", "lymphocyte", "neoplastic", "stromal"]
    field.session.change_class("stromal", NucleusClass("fibroblast", "#009e73"))
    field.qtbot.waitUntil(lambda: export.file_page.classes.itemText(3) == "fibroblast", timeout=LONG_MS)
    export.close()
    assert field.session.scheme.classes[1].qupath == "neoplastic"
    assert field.kinds() == ["classes", "classes"]


def test_escape_leaves_a_class_its_name(field: Bench) -> None:
    choose(field, "tumour", "Rename")
    write(field, "nothing", Qt.Key.Key_Escape)
    assert field.session.scheme.names == FIRST
    assert row(field, "tumour").name.isVisible()


def test_a_class_gets_another_colour_on_the_slide_at_once(field: Bench) -> None:
    choose(field, "tumour", "Colour")
    menu = field.dock.palette_rows.menu
    assert menu is not None
    field.qtbot.waitUntil(menu.colours.isVisible, timeout=LONG_MS)
    field.push(menu.colours.buttons["#882255"])
    assert field.session.scheme.classes[1].color == "#882255"
    np.testing.assert_allclose(field.layer.face_color[1, :3] * 255, (0x88, 0x22, 0x55), atol=1)
    assert QApplication.activePopupWidget() is None
    field.key(Qt.Key.Key_Z, CTRL)
    np.testing.assert_allclose(field.layer.face_color[1, :3] * 255, field.session.scheme.classes[1].rgb, atol=1)


def test_a_class_gets_another_s_key_in_exchange(field: Bench) -> None:
    choose(field, "stromal", "Key", "1")
    assert [key for key, _, _ in shown(field)] == ["3", "2", "1"]
    field.hover(B)
    field.key(Qt.Key.Key_1)
    assert field.label(2) == 2
    field.hover(B)
    field.key(Qt.Key.Key_7)
    assert field.label(2) == 2
    assert field.dock.messages.text == "No class has the key 7."


def test_classes_are_dragged_into_another_order_and_nothing_else_changes(field: Bench) -> None:
    field.nuclei.hidden = frozenset({0})
    field.correcting.corrections.current = 2
    dragged = row(field, "lymphocyte")

    def mouse(kind: QEvent.Type, y: int, held: bool) -> None:
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
        buttons = Qt.MouseButton.LeftButton if held else Qt.MouseButton.NoButton
        place = QPoint(60, y)
        QApplication.sendEvent(
            dragged,
            QMouseEvent(
                kind,
                QPointF(place),
                QPointF(dragged.mapToGlobal(place)),
                button,
                buttons,
                Qt.KeyboardModifier.NoModifier,
            ),
        )

    mouse(QEvent.Type.MouseButtonPress, 8, True)
    for y in (20, 40, 2 * dragged.height() + 10):
        mouse(QEvent.Type.MouseMove, y, True)
    mouse(QEvent.Type.MouseButtonRelease, 8, False)
    field.settle()
    assert shown(field) == [("1", "tumour", "2"), ("2", "stromal", "1"), ("3", "lymphocyte", "1")]
    assert field.nuclei.hidden == {2}, "what was hidden is hidden"
    assert field.correcting.corrections.current == 1, "what was the current class is"
    assert not field.layer.shown[0]
    choose(field, "lymphocyte", "Move up")
    assert field.session.scheme.names == ("tumour", "lymphocyte", "stromal")


def test_a_merged_class_hands_its_nuclei_and_what_people_said_of_them_on(field: Bench) -> None:
    gallery = open_gallery_dock(field.viewer)
    field.qtbot.waitUntil(lambda: len(gallery.grid.ids) == 4, timeout=LONG_MS)
    gallery.classes.setCurrentIndex(gallery.classes.findData(1))
    gallery.classes.activated.emit(0)
    field.hover(B)
    field.key(Qt.Key.Key_Y)
    choose(field, "tumour", "Merge into", "stromal")
    assert shown(field) == [("1", "lymphocyte", "1"), ("2", "stromal", "3")]
    assert field.session.nuclei([2]).origin.tolist() == [Origin.CONFIRMED]
    assert "tumour is now part of stromal: 2 nuclei" in field.dock.messages.text
    assert gallery.classes.currentText() == "All classes  (4)"
    assert len(gallery.grid.ids) == 4
    assert field.dock.undo.undo.text() == "Undo merging tumour into stromal"
    field.push(field.dock.undo.undo)
    assert shown(field)[1] == ("2", "tumour", "2")
    assert field.session.nuclei([2]).origin.tolist() == [Origin.CONFIRMED]


def test_before_a_class_is_deleted_it_is_asked_what_its_nuclei_become(field: Bench) -> None:
    field.sessions.set_author("Ann")
    field.hover(B)
    field.key(Qt.Key.Key_Y)
    asked: list[str] = []

    def take(dialog: DeleteDialog) -> None:
        asked.append(dialog.question.text())
        assert not dialog.delete.isEnabled(), "what people said is not taken back by a quick Enter"
        dialog.becomes.setCurrentIndex(dialog.becomes.findData("lymphocyte"))
        field.qtbot.mouseClick(dialog.delete, Qt.MouseButton.LeftButton)

    answer(field, DeleteDialog, lambda dialog: dialog.reject())
    choose(field, "tumour", "Delete")
    assert field.session.scheme.names == FIRST
    answer(field, DeleteDialog, take)
    choose(field, "tumour", "Delete")
    assert "2 nuclei are tumour; people said so themselves: Ann of 1" in asked[0]
    assert shown(field) == [("1", "lymphocyte", "3"), ("2", "stromal", "1")]
    answer(field, DeleteDialog, lambda dialog: dialog.accept())
    choose(field, "stromal", "Delete")
    assert field.label(4) == UNLABELLED
    for _ in range(2):
        field.key(Qt.Key.Key_Z, CTRL)
    assert [count for _, _, count in shown(field)] == ["1", "2", "1"]
    assert field.session.labels_of("Ann", [2], blinded=True).tolist() == [1]


def test_another_scheme_is_chosen_and_no_nucleus_loses_its_class(field: Bench, tmp_path: Path) -> None:
    own = {"name": "ours", "classes": [{"name": "Tumor", "color": "#112233"}, {"name": "blob", "color": "#445566"}]}
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(own))
    said: list[str] = []

    def take(dialog: SchemeDialog) -> None:
        dialog.open_file(path)
        said.append(dialog.becomes.text())
        dialog.save_file(tmp_path / "before.json")
        field.qtbot.mouseClick(dialog.use, Qt.MouseButton.LeftButton)

    answer(field, SchemeDialog, take)
    field.push(field.dock.palette_rows.scheme)
    assert said == [
        "Renamed: tumour to Tumor.\nKept below, as nuclei have them: lymphocyte, stromal.\nNo nucleus loses its class."
    ]
    assert [one[1:] for one in shown(field)] == [("Tumor", "2"), ("blob", "0"), ("lymphocyte", "1"), ("stromal", "1")]
    assert [one["name"] for one in json.loads((tmp_path / "before.json").read_text())["classes"]] == list(FIRST)
    field.key(Qt.Key.Key_Z, CTRL)
    assert field.session.scheme.names == FIRST


def test_figures_follow_the_classes(field: Bench) -> None:
    measure, ki67 = open_measure_dock(field.viewer), open_ki67_dock(field.viewer)
    field.qtbot.waitUntil(lambda: not ki67.measuring.busy, timeout=LONG_MS)
    ki67.measuring.choose(by_dab=False, positive=frozenset({"tumour"}), negative=frozenset({"stromal"}))
    field.qtbot.waitUntil(lambda: ki67.measuring.result is not None, timeout=LONG_MS)
    choose(field, "tumour", "Rename")
    write(field, "hot")
    field.qtbot.waitUntil(lambda: not ki67.measuring.busy, timeout=LONG_MS)
    assert ki67.measuring.settings.positive == {"hot"}
    assert ki67.measuring.result is not None
    assert ki67.measuring.result.ki67.slide.positive == 2
    field.key(Qt.Key.Key_Z, CTRL)
    field.qtbot.waitUntil(lambda: not ki67.measuring.busy, timeout=LONG_MS)
    assert ki67.measuring.settings.positive == {"tumour"}
    assert measure.isVisible()


def test_the_legend_of_the_detect_dock_shows_the_keys_that_work(field: Bench) -> None:
    detect = open_detect_dock(field.viewer)

    def keys() -> dict[str, str]:
        rows = detect.nuclei.legend.rows
        return {row.name.text(): row.key.text() for label, row in rows.items() if label != UNLABELLED}

    field.qtbot.waitUntil(lambda: keys() == dict(zip(FIRST, "123", strict=True)), timeout=LONG_MS)
    field.correcting.set_keys({**field.correcting.keys, "class 2": "T"})
    field.qtbot.waitUntil(lambda: keys() == dict(zip(FIRST, "1T3", strict=True)), timeout=LONG_MS)
    field.hover(A)
    field.key(Qt.Key.Key_T)
    assert field.label(1) == 1
    field.correcting.set_keys({**field.correcting.keys, "class 2": ""})
    field.qtbot.waitUntil(lambda: keys() == dict(zip(FIRST, ("1", "", "3"), strict=True)), timeout=LONG_MS)
    assert not detect.nuclei.legend.rows[1].key.isVisible()


def test_classes_are_chosen_before_a_slide_has_any_nucleus(bench: Bench) -> None:
    detect = open_detect_dock(bench.viewer)
    bench.qtbot.waitUntil(lambda: detect.correct.isVisible() and detect.correct.text() == "Choose classes …")
    assert bench.dock.palette_rows.isVisible(), "the palette is there without nuclei"
    assert "beforehand" in bench.dock.empty.text()
    bench.push(bench.dock.palette_rows.add)
    write(bench, "mitosis")
    choose(bench, "stromal", "Rename")
    write(bench, "fibroblast")
    assert bench.session.scheme.names == ("lymphocyte", "tumour", "fibroblast", "mitosis")
    # by hand, and by a model that knows the old name
    bench.correcting.focus()
    bench.look_at(230, 230, 200)
    bench.hover(A)
    bench.key(Qt.Key.Key_A)
    bench.hover(A)
    bench.key(Qt.Key.Key_4)
    assert bench.session.nuclei().label.tolist() == [3]
    bench.find([C, D], [2, 1])
    assert bench.session.nuclei().label.tolist() == [3, 2, 1]
    assert not bench.dock.empty.isVisible()
    bench.qtbot.waitUntil(lambda: detect.correct.text() == "Correct them …", timeout=LONG_MS)


def test_a_model_gives_no_class_that_was_left_out_beforehand(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = ClassScheme("two", (NucleusClass("tumour", "#d55e00"), NucleusClass("mitosis", "#009e73")))
    monkeypatch.setattr(SchemeDialog, "exec", lambda _: QDialog.DialogCode.Accepted)
    monkeypatch.setattr(SchemeDialog, "chosen", scheme)
    bench.push(bench.dock.palette_rows.scheme)
    assert bench.session.scheme.names == ("tumour", "mitosis")
    assert bench.session.missing_classes(ClassScheme.named("brca-m2c")) == [], "detection is not refused"
    bench.find([A, B, C], [0, 1, 2])
    assert bench.session.nuclei().label.tolist() == [UNLABELLED, 0, UNLABELLED]
