"""Names are shown as they are: no sign in them is taken for the mark of a key, or for markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QLabel, QMenu, QWidget
from tests.gui.conftest import LONG_MS

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.gui.canvas.docks import open_detect_dock, open_ki67_dock
from nucloop.gui.correct.class_menu import ClassMenu
from nucloop.gui.measure.agreement_box import AgreementBox
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.gui.widgets.fitted_words import literally
from nucloop.metrics.agreement import Disagreement
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    import napari
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui
AND, SLANTED = "T & B cells", "<i>slanted</i>"
SCHEME = ClassScheme(
    "odd", (NucleusClass(AND, "#dd0000"), NucleusClass(SLANTED, "#0000dd"), NucleusClass("R&D", "#00aa00"))
)


def shown(text: str) -> str:
    """What Qt makes of the words of a button or menu."""
    return re.sub("&(.)", r"\1", text)


def words_on_buttons(*where: QWidget) -> list[str]:
    buttons = [shown(button.text()) for one in where for button in one.findChildren(QAbstractButton)]
    menus = [menu for one in where for menu in (one, *one.findChildren(QMenu)) if isinstance(menu, QMenu)]
    return buttons + [shown(action.text()) for menu in menus for action in menu.actions()]


def test_a_class_may_have_any_sign_in_its_name(correct_viewer: napari.Viewer, qtbot: QtBot, tissue: Any) -> None:
    viewer = correct_viewer
    image = viewer.add_image(tissue, rgb=True, name="field", scale=(0.5, 0.5), units="um")
    nuclei = OpenSessions.of(viewer).open(image, SCHEME)
    assert nuclei is not None
    places = np.random.default_rng(0).random((30, 2)) * 500
    found = Nuclei.from_points(SCHEME, places, label=np.arange(30) % 3, score=np.full(30, 0.9))
    nuclei.session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 2.0).add(found)

    for opened in (open_detect_dock, open_ki67_dock):
        dock = opened(viewer)
        qtbot.waitUntil(lambda dock=dock: set(SCHEME.names) <= set(plain_words(dock)), timeout=LONG_MS)
    viewer.layers.clear()


def plain_words(dock: QWidget) -> list[str]:
    """All that labels say which a person sees, and which take nothing for markup."""
    labels = [label for label in dock.findChildren(QLabel) if label.isVisibleTo(dock)]
    return [label.text() for label in labels if label.textFormat() == Qt.TextFormat.PlainText]


def test_menus_and_buttons_leave_no_sign_of_a_name_out(qtbot: QtBot) -> None:
    menu = ClassMenu(SCHEME, 1)
    qtbot.addWidget(menu)
    words = words_on_buttons(menu)
    assert AND in words
    assert "R&D" in words
    assert any(AND in one and "in exchange" in one for one in words)

    box = AgreementBox()
    qtbot.addWidget(box)
    box.show_question(Disagreement("class", 1.0, 1.0, 0, 1, 0, 1), (SCHEME, SCHEME), 0, 1)
    assert f"Mine: {AND}" in words_on_buttons(box)
    assert "R&D" in words_on_buttons(box)


@pytest.mark.parametrize("name", [AND, "&", "A && B", "plain"])
def test_literally_is_what_qt_shows(name: str, qtbot: QtBot) -> None:
    menu = QMenu()
    qtbot.addWidget(menu)
    action = menu.addAction(literally(name))
    assert action is not None
    # what Qt itself says without the marks of keys
    assert action.iconText() == name
