"""Keys on keyboards that write something else: by their place, or by what a person has set, on the slide and off it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication
from tests.gui.conftest import LONG_MS
from tests.gui.test_quick_keys import Hand, on_screen

from nucloop.gui.canvas.docks import open_gallery_dock
from nucloop.gui.correct.key_dialog import KeyDialog
from nucloop.gui.correct.key_places import by_place, pressed_key
from nucloop.gui.correct.keys import COMMANDS, known_keys
from nucloop.gui.correct.pointer import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtpy.QtWidgets import QWidget
    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
NONE, SHIFT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)
PLACES = np.stack(np.divmod(np.arange(9), 3), 1) * 40.0 + 190
KNOWN = known_keys({command.name: command.key for command in COMMANDS})
CODES = {"1": 10, "2": 11, "3": 12, "0": 19, "A": 38, "B": 56, "D": 40, "Z": 52, "Q": 24, "M": 58}
"""Of X11."""


@pytest.fixture
def field(bench: Bench) -> Bench:
    bench.find(PLACES)
    bench.look_at(230, 230, 200)
    bench.correcting.focus()
    return bench


def typed(place: str, writes: str, key: int, modifiers: Qt.KeyboardModifier = NONE, kind: QEvent.Type | None = None):
    """What Qt reports of a key at a place that writes something."""
    return QKeyEvent(kind or QEvent.Type.KeyPress, key, modifiers, CODES[place], key, 0, writes)


def send(bench: Bench, widget: QWidget, *about: object) -> None:
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        QApplication.sendEvent(widget, typed(*about, kind=kind))
    bench.settle()


@pytest.fixture(autouse=True)
def _linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nucloop.gui.correct.key_places.sys.platform", "linux")


@pytest.mark.parametrize(
    ("event", "meant"),
    [
        (typed("1", "&", Qt.Key.Key_Ampersand), "1"),
        (typed("2", "é", Qt.Key.Key_Eacute), "2"),
        (typed("2", "2", Qt.Key.Key_2, SHIFT), "2"),
        (typed("0", "à", Qt.Key.Key_Agrave), "0"),
        (typed("A", "ф", 0x424), "A"),
        (typed("Z", "я", 0x42F, CTRL), "Ctrl+Z"),
        (typed("A", "ش", 0x634), "A"),
        (typed("A", "q", Qt.Key.Key_Q), None),
        (typed("Q", "a", Qt.Key.Key_A), None),
        (typed("1", "!", Qt.Key.Key_Exclam, SHIFT), None),
        (typed("1", "1", Qt.Key.Key_1), None),
        (typed("M", "ь", 0x42C), "M"),
    ],
)
def test_a_key_means_what_it_writes_and_else_its_place(event: QKeyEvent, meant: str | None) -> None:
    found = by_place(event, KNOWN)
    assert (None if found is None else pressed_key(found)) == meant


def test_what_a_person_has_set_comes_before_the_place(qapp: QApplication) -> None:
    assert by_place(typed("1", "&", Qt.Key.Key_Ampersand), KNOWN | {"&"}) is None


@pytest.mark.parametrize("where", ["canvas", "button", "gallery"])
def test_digits_of_a_french_keyboard_give_classes_without_shift(field: Bench, where: str) -> None:
    field.hover(PLACES[0])
    widget = field.canvas
    if where == "button":
        widget = field.dock.select_view
        widget.setFocus()
        field.qtbot.waitUntil(widget.hasFocus, timeout=LONG_MS)
    elif where == "gallery":
        gallery = open_gallery_dock(field.viewer)
        field.qtbot.waitUntil(lambda: len(gallery.grid.ids) == len(PLACES), timeout=LONG_MS)
        gallery.grid.select(np.array([1]))
        gallery.grid.selection_changed.emit()
        widget = gallery.grid
    send(field, widget, "3", '"', Qt.Key.Key_QuoteDbl)
    assert field.label(1) == 2
    send(field, widget, "2", "2", Qt.Key.Key_2, SHIFT)
    assert field.label(1) == 1


def test_letters_of_a_russian_keyboard_act_and_are_held(field: Bench) -> None:
    field.hover((150, 150))
    send(field, field.canvas, "A", "ф", 0x424)
    assert len(field.session) == len(PLACES) + 1
    QApplication.sendEvent(field.canvas, typed("B", "и", 0x418))
    assert field.correcting.pointer.tool is Tool.BRUSH
    QApplication.sendEvent(field.canvas, typed("B", "и", 0x418, kind=QEvent.Type.KeyRelease))
    assert field.correcting.pointer.tool is Tool.POINT
    send(field, field.canvas, "Z", "я", 0x42F, CTRL)
    assert len(field.session) == len(PLACES)


def test_while_another_layer_is_active_a_key_is_what_it_is(field: Bench) -> None:
    field.hover(PLACES[0])
    field.viewer.layers.selection.active = field.image
    send(field, field.canvas, "3", '"', Qt.Key.Key_QuoteDbl)
    assert field.label(1) == 0


def test_every_key_can_be_changed_those_of_classes_too_and_holds_in_the_gallery(field: Bench) -> None:
    dialog = KeyDialog(field.correcting.keys, field.dock)
    assert set(dialog.fields) == {command.name for command in COMMANDS}
    dialog.fields["class 2"].setKeySequence("W")
    assert dialog.fault.text() == ""
    dialog.fields["add"].setKeySequence("3")
    assert "used twice" in dialog.fault.text()
    dialog.fields["add"].setKeySequence("A")
    field.correcting.set_keys(dialog.keys)
    dialog.deleteLater()
    field.settle()
    assert [row.key.text() for row in field.dock.palette_rows.rows] == ["1", "W", "3"]
    field.hover(PLACES[0])
    field.key(Qt.Key.Key_2)
    assert field.label(1) == 0
    field.key(Qt.Key.Key_W)
    assert field.label(1) == 1
    gallery = open_gallery_dock(field.viewer)
    field.qtbot.waitUntil(lambda: len(gallery.grid.ids) == len(PLACES), timeout=LONG_MS)
    gallery.grid.select(np.array([2]))
    gallery.grid.selection_changed.emit()
    field.qtbot.keyClick(gallery.grid, Qt.Key.Key_W)
    field.settle()
    assert field.label(2) == 1


@pytest.fixture
def layouts() -> Iterator[None]:
    if shutil.which("setxkbmap") is None:
        pytest.skip("needs setxkbmap")
    yield
    subprocess.run(["setxkbmap", "us"], check=True)


@pytest.mark.parametrize(("layout", "place", "label"), [("fr", "2", 1), ("fr", "3", 2), ("ru", "2", 1)])
def test_real_keys_of_other_layouts(field: Bench, layouts: None, layout: str, place: str, label: int) -> None:
    subprocess.run(["setxkbmap", layout], check=True)
    hand = Hand()
    field.qtbot.waitUntil(field.canvas.isActiveWindow, timeout=LONG_MS)
    hand.move(on_screen(field, PLACES[0]))
    hand.press_code(CODES[place])
    hand.send()
    field.qtbot.waitUntil(lambda: field.label(1) == label, timeout=LONG_MS)
    hand.move(on_screen(field, PLACES[4] + 20))
    hand.press_code(CODES["A"])
    hand.send()
    if layout == "ru":
        field.qtbot.waitUntil(lambda: len(field.session) == len(PLACES) + 1, timeout=LONG_MS)
    hand.close()
