"""A grid to count nuclei by hand: squares of a size in µm over a field, and a count that is seen and follows edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS, MPP, SCHEME, Bench, at_rest, on_screen

from nucloop.geometry import Region
from nucloop.gui.canvas.docks import open_ki67_dock
from nucloop.gui.canvas.drawn_regions import add_regions, regions_layer
from nucloop.gui.ki67.grid_drawing import GRID_NAME
from nucloop.gui.ki67.grid_row import ON_SCREEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nucloop.gui.ki67.ki67_dock import Ki67Dock

pytestmark = pytest.mark.gui
PLACES = np.stack(np.divmod(np.arange(400), 20), 1) * 25.0 + 15
LABELS = np.random.default_rng(8).integers(0, 3, 400)
FIELD = Region(np.array([[0, 0], [0, 400], [200, 400], [200, 0]]) - 0.5, name="field 1", kind="field")
SHIFT = Qt.KeyboardModifier.ShiftModifier


class Counted(Bench):
    """A bench with the Ki-67 dock open, where tumour is positive and stromal negative, and a field of 200 x 100 µm."""

    ki67: Ki67Dock

    def wait(self) -> None:
        self.settle()
        self.qtbot.waitUntil(lambda: not self.ki67._follow_timer.isActive(), timeout=LONG_MS)
        self.qtbot.waitUntil(lambda: not self.ki67.measuring.busy, timeout=LONG_MS)

    def lay(self, place: str = "field 1", side_um: float = 50) -> None:
        row = self.ki67.parts.grid
        row.place.setCurrentText(place)
        assert row.place.currentText() == place
        row.side.setValue(side_um)
        self.push(row.lay)
        self.wait()

    def reads(self) -> list[str]:
        """What the dock says of the count."""
        row = self.ki67.parts.grid
        return [row.sum.text(), *row.more.text().split("\n")] if row.sum.isVisible() else []

    def grid_layers(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers if layer.name.startswith(GRID_NAME)]


def inside(rows: slice, columns: slice, *labels: int) -> int:
    """Nuclei of some classes in a part of the picture, pixels."""
    y, x = PLACES.T
    within = (y >= rows.start) & (y < rows.stop) & (x >= columns.start) & (x < columns.stop)
    return int((within & np.isin(LABELS, labels)).sum())


@pytest.fixture
def bench(bench: Bench) -> Iterator[Counted]:
    bench.__class__ = Counted
    assert isinstance(bench, Counted)
    bench.ki67 = open_ki67_dock(bench.viewer)
    bench.find(PLACES, LABELS)
    bench.ki67.measuring.choose(by_dab=False, positive=frozenset({"tumour"}), negative=frozenset({"stromal"}))
    add_regions(bench.viewer, bench.image, [FIELD])
    bench.viewer.layers.selection.active = bench.layer
    bench.ki67._follow()
    bench.wait()
    bench.qtbot.waitUntil(lambda: "field 1" in bench.ki67.measuring.drawn, timeout=LONG_MS)
    yield bench
    bench.ki67.measuring.choose(by_dab=True, positive=frozenset(), negative=frozenset())
    bench.session.remember("counting grid", None)
    # how many are to be counted is kept for the next field too
    goal = bench.ki67.parts.grid.goal
    goal.setCurrentIndex(0)
    goal.activated.emit(0)


def test_squares_are_counted_one_after_the_other_by_a_key_and_the_count_is_read(bench: Counted) -> None:
    assert bench.reads() == []
    bench.lay()
    assert bench.grid_layers() == [f"{GRID_NAME} · {bench.image.name}"]
    assert bench.viewer.layers.selection.active is bench.layer, "correcting goes on"
    assert bench.reads() == ["0 of 500 nuclei", "0 of 8 squares counted"]
    first = slice(0, 100), slice(0, 100)
    positive, total = inside(*first, SCHEME.find("tumour")), inside(*first, *map(SCHEME.find, ("tumour", "stromal")))
    bench.key(Qt.Key.Key_G)
    bench.wait()
    said = bench.reads()
    assert said[0] == f"{total} of 500 nuclei"
    assert said[1].startswith(f"{positive} positive: {100 * positive / total:.1f}%, 95% ")
    assert said[2] == "1 of 8 squares counted"
    for _ in range(7):
        bench.key(Qt.Key.Key_G)
    assert bench.reads()[-1] == "8 of 8 squares counted"
    assert not bench.ki67.parts.grid.count.isEnabled(), "none is left"
    bench.key(Qt.Key.Key_G, SHIFT)
    assert bench.reads()[-1] == "7 of 8 squares counted"
    assert bench.ki67.parts.grid.count.isEnabled()


def test_the_count_follows_edits_and_undo(bench: Counted) -> None:
    bench.lay()
    bench.key(Qt.Key.Key_G)
    bench.wait()
    before = bench.reads()
    other = int(np.flatnonzero((PLACES < 100).all(axis=1) & (SCHEME.find("lymphocyte") == LABELS))[0])
    bench.look_at(*PLACES[other], 200)
    bench.hover(PLACES[other])
    key = next(one.key for one in SCHEME.classes if one.name == "tumour") or SCHEME.find("tumour") + 1
    bench.key(getattr(Qt.Key, f"Key_{key}"))
    bench.wait()
    assert bench.reads()[0] == f"{int(before[0].split()[0]) + 1} of 500 nuclei"
    bench.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    bench.wait()
    assert bench.reads() == before


def test_the_goal_is_said_to_be_reached(bench: Counted) -> None:
    bench.ki67.grid.goal = 12
    bench.lay()
    bench.key(Qt.Key.Key_G)
    bench.key(Qt.Key.Key_G)
    bench.wait()
    assert bench.reads()[0].endswith("nuclei: 12 reached")
    goal = bench.ki67.parts.grid.goal
    goal.setCurrentIndex(1)
    goal.activated.emit(1)
    assert " of 1,000 nuclei" in bench.reads()[0]


def test_counted_squares_are_shaded_the_next_is_framed_and_the_view_goes_along(bench: Counted) -> None:
    plain = at_rest(bench.qtbot, lambda: on_screen(bench.canvas))
    bench.lay()
    framed = bench.at(bench.ki67.grid.grid.squares[0].mean(axis=0))
    middle = bench.canvas.rect().center()
    assert (framed - middle).manhattanLength() <= 4, "the first square is in the middle"
    laid = at_rest(bench.qtbot, lambda: on_screen(bench.canvas))
    cyan = (np.abs(laid - (0, 229, 255)) < 12).all(axis=2)
    assert cyan.sum() > 500, "it is framed"
    assert laid.shape == plain.shape
    bench.key(Qt.Key.Key_G)
    bench.wait()
    for corner in bench.ki67.grid.grid.squares[1]:
        assert bench.canvas.rect().contains(bench.at(corner)), "the next one is on screen"
    for _ in range(3):
        bench.key(Qt.Key.Key_G)
    for corner in bench.ki67.grid.grid.squares[4]:
        assert bench.canvas.rect().contains(bench.at(corner)), "the view goes along"


def test_the_grid_is_there_again_tomorrow_and_goes_when_it_is_removed(bench: Counted) -> None:
    bench.lay()
    bench.key(Qt.Key.Key_G)
    bench.wait()
    before = bench.reads()
    bench.ki67.grid._follow(None)
    bench.ki67.grid.show()
    assert bench.reads() == before
    bench.push(bench.ki67.parts.grid.remove)
    bench.qtbot.waitUntil(lambda: bench.grid_layers() == [], timeout=LONG_MS)
    assert bench.reads() == []
    bench.key(Qt.Key.Key_G)
    assert bench.grid_layers() == []


def test_a_grid_over_the_view_leaves_out_what_is_ignored_and_too_many_squares_are_refused(bench: Counted) -> None:
    layer = regions_layer(bench.viewer, bench.image)
    layer.remove([0])
    add_regions(bench.viewer, bench.image, [Region(FIELD.outline, kind="ignore")])
    bench.wait()
    bench.look_at(256, 256, 1200)
    bench.lay(ON_SCREEN)
    grid = bench.ki67.grid.grid
    assert grid.square_of([[50, 50], [450, 450]])[0] == -1
    assert grid.square_of([[50, 50], [450, 450]])[1] >= 0
    bench.look_at(256, 256, 1200)
    bench.lay(ON_SCREEN, 5)
    assert "Make them larger" in bench.ki67.parts.messages.text
    assert bench.ki67.grid.grid is grid


def test_squares_have_their_size_in_micrometres(bench: Counted) -> None:
    bench.lay(side_um=100)
    squares = bench.ki67.grid.grid.squares
    assert len(squares) == 2
    np.testing.assert_allclose(np.ptp(squares, axis=1) * MPP, 100)
