"""What would stop the window for a moment waits for a pause in what a person does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit
from tests.gui.conftest import LONG_MS

from nucloop.gui.widgets.stillness import Stillness

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def field(qtbot: QtBot) -> QLineEdit:
    made = QLineEdit()
    qtbot.addWidget(made)
    made.show()
    return made


def type_a_letter(field: QLineEdit) -> None:
    QTest.keyClick(field, Qt.Key.Key_A)


def move_the_mouse(field: QLineEdit) -> None:
    QTest.mouseMove(field, QPoint(3, 3))
    QTest.mouseMove(field, QPoint(5, 5))


@pytest.mark.parametrize("act", [type_a_letter, move_the_mouse])
def test_every_input_begins_the_pause_anew(qtbot: QtBot, field: QLineEdit, act: Callable[[QLineEdit], None]) -> None:
    pause = Stillness(field)
    # Qt would round the end of a long wait
    pause._timer.setTimerType(Qt.TimerType.PreciseTimer)
    pause.await_it(LONG_MS)
    qtbot.waitUntil(lambda: pause._timer.remainingTime() < LONG_MS - 100, timeout=LONG_MS)
    before = pause._timer.remainingTime()
    act(field)
    qtbot.waitUntil(lambda: pause._timer.remainingTime() > before, timeout=LONG_MS)


def test_the_pause_comes_once_and_what_follows_is_not_watched(qtbot: QtBot, field: QLineEdit) -> None:
    pause, came = Stillness(field), []
    pause.came.connect(lambda: came.append(True))
    with qtbot.waitSignal(pause.came, timeout=LONG_MS):
        pause.await_it(10)
    type_a_letter(field)
    assert not pause._timer.isActive()
    assert came == [True]
