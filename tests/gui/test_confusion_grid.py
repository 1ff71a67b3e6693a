"""The picture of the confusion matrix on the screen, after edits of which each changes a line or two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.gui.conftest import at_rest, on_screen

from nucloop.gui.measure.confusion_grid import ConfusionGrid
from nucloop.metrics.points import Counts
from nucloop.metrics.scoring import FieldScore

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

NAMES = ("lymphocyte", "tumour", "stromal")
BEFORE = [[8, 1, 0, 0, 2], [0, 9, 3, 0, 1], [2, 2, 7, 0, 0], [0, 0, 0, 0, 0], [1, 0, 4, 0, 0]]


@pytest.fixture
def grid(qtbot: QtBot) -> ConfusionGrid:
    widget = ConfusionGrid()
    qtbot.addWidget(widget)
    widget.resize(320, 200)
    widget.show_score(_score(np.array(BEFORE)))
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def _score(confusion: NDArray[np.int64]) -> FieldScore:
    return FieldScore(NAMES, Counts(), (Counts(),) * len(NAMES), confusion)


def _on_screen(widget: ConfusionGrid, qtbot: QtBot) -> NDArray[np.int_]:
    return at_rest(qtbot, lambda: on_screen(widget))


@pytest.mark.parametrize(
    "moves",
    [
        [((0, 1), (1, 1))],
        [((2, 0), (2, 2)), ((4, 2), (2, 2)), ((0, 4), (0, 0))],
        [((4, 0), (0, 0)), ((4, 2), (2, 2))],
        # the first nucleus without a class adds a line
        [((1, 1), (1, 3)), ((1, 3), (1, 1))],
    ],
)
def test_what_is_seen_after_edits_is_the_matrix_drawn_anew(
    grid: ConfusionGrid, qtbot: QtBot, moves: list[tuple[tuple[int, int], tuple[int, int]]]
):
    first, counts = _on_screen(grid, qtbot), np.array(BEFORE)
    for source, target in moves:
        counts = counts.copy()
        counts[source] -= 1
        counts[target] += 1
        grid.show_score(_score(counts))
        seen = _on_screen(grid, qtbot)
        grid.update()
        np.testing.assert_array_equal(seen, _on_screen(grid, qtbot))
    assert (counts == BEFORE).all() or first.shape != seen.shape or (first != seen).any()


def test_names_keep_their_room_in_a_larger_font(grid: ConfusionGrid):
    before = grid.rect_of(0, 0)
    font = grid.font()
    font.setPointSizeF(font.pointSizeF() * 1.5)
    grid.setFont(font)
    assert grid.rect_of(0, 0).left() > before.left()
    assert grid.rect_of(0, 0).top() > before.top()
