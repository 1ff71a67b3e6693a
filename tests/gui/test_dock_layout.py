"""What docks are laid out with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QLabel, QPushButton, QSizePolicy, QWidget

from nucloop.gui.widgets.dock_layout import column_of, section

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


def test_a_section_makes_room_for_what_comes_after_it_was_opened(qtbot: QtBot) -> None:
    part = QWidget()
    # takes what it can get, as a plot does
    part.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
    column = column_of(part)
    column.addWidget(QLabel("Counting …"))
    made = section("Agreement", part)
    dock = QWidget()
    column_of(dock).addWidget(made, 1)
    dock.resize(220, 600)
    qtbot.addWidget(dock)
    dock.show()
    qtbot.waitExposed(dock)
    assert part.visibleRegion().isEmpty()

    made.toggleButton().click()
    qtbot.waitUntil(lambda: part.height() > 0)
    told = QLabel("They differ at 1 place. " * 12)
    told.setWordWrap(True)
    button = QPushButton("Decide where they differ")
    column.addWidget(told)
    column.addWidget(button)
    qtbot.waitUntil(lambda: told.height() >= told.heightForWidth(dock.width()))
    assert button.height() >= button.minimumSizeHint().height()

    made.toggleButton().click()
    qtbot.waitUntil(lambda: part.visibleRegion().isEmpty())
