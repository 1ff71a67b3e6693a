"""What the window says is in a person's words; terms are in tooltips."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication
from tests.gui.conftest import LONG_MS

from nucloop.gui.canvas.docks import open_detect_dock
from nucloop.gui.detect.detection import DetectionScope
from nucloop.gui.measure.measure_controls import MeasureControls
from nucloop.gui.widgets.appearance import style_sheet
from nucloop.metrics.rules import RULES

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot
    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
TERMS = ("boolean", "greedy", "Hungarian", "one-to-one", "raw", "flawed")


def test_ways_of_pairing_are_named_in_plain_words_and_by_their_terms_in_the_tooltip(qtbot: QtBot) -> None:
    controls = MeasureControls()
    qtbot.addWidget(controls)
    for k in range(controls.rule.count()):
        words, rule = controls.rule.itemText(k), RULES[controls.rule.itemData(k)]
        assert not any(term in words for term in TERMS), words
        assert rule.title in controls.rule.itemData(k, Qt.ItemDataRole.ToolTipRole)
        assert ("too low" in words or "too high" in words) == bool(rule.flaw)


def test_an_empty_dock_speaks_of_what_the_button_would_detect(bench: Bench) -> None:
    dock = open_detect_dock(bench.viewer)
    for scope, words in (
        (DetectionScope.SLIDE, "of the whole slide"),
        (DetectionScope.REGION, "in the drawn regions"),
        (DetectionScope.VIEW, "on screen"),
    ):
        dock.controls.choose_scope(scope)
        assert words in dock.nuclei.empty.text()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_link_looks_like_one(theme: str) -> None:
    rule = re.search(r"QPushButton#NucloopLink \{ ([^}]*) \}", style_sheet(theme))
    assert rule is not None
    assert "text-decoration: underline" in rule.group(1)


def test_the_key_of_the_correct_dock_never_opens_napari_s_console(bench: Bench) -> None:
    shown = open_detect_dock(bench.viewer)
    assert shown.isVisible()
    window = bench.viewer.window._qt_window
    # as it comes where Qt does not see the shortcut, after a dialog for instance
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        QApplication.sendEvent(bench.canvas, QKeyEvent(kind, Qt.Key.Key_C, both))
    bench.qtbot.waitUntil(bench.dock.isVisible, timeout=LONG_MS)
    consoles = [dock for dock in window.findChildren(type(bench.dock.parent())) if "console" in dock.objectName()]
    assert not any(dock.isVisible() for dock in consoles)
    assert window._qt_viewer._console is None
