"""Outlines by hand: drawn around, cut and joined with a key and the mouse, as a person does it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS, SCHEME

from nucloop.gui.canvas.docks import open_table_dock
from nucloop.gui.correct.pointer import Tool
from nucloop.gui.table.table_scope import TableScope
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
PLACES = np.array([[200.0, 200.0], [200.0, 240.0], [260.0, 200.0]])
BOX = np.array([[-10, -10], [-10, 10], [10, 10], [10, -10]], float)
CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def field(bench: Bench) -> Bench:
    """Three nuclei with a box of 20 pixels around each."""
    table = Nuclei.from_points(SCHEME, PLACES, label=[0, 1, 0], score=np.full(3, 0.9))
    run = bench.session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 3.0)
    run.add(replace(table, outlines=Outlines.of([BOX + place for place in PLACES])))
    bench.viewer.layers.selection.active = bench.layer
    bench.correcting.focus()
    bench.settle()
    bench.look_at(220, 220, 200)
    return bench


def holding(bench: Bench, key: Qt.Key, *places: tuple[float, float]) -> None:
    """Draw with the mouse while a key is held."""
    bench.qtbot.keyPress(bench.canvas, key)
    bench.drag(*places)
    bench.qtbot.keyRelease(bench.canvas, key)
    bench.settle()


def ring(bench: Bench, nucleus: int) -> shapely.Polygon:
    outlines = bench.session.nuclei([nucleus], outlines=True).outlines
    assert outlines is not None
    return shapely.Polygon(outlines[0])


def around(place: tuple[float, float], half: float) -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * np.pi, 12)
    return [(place[0] + half * np.sin(a), place[1] + half * np.cos(a)) for a in angles]


def test_drawing_around_a_nucleus_while_o_is_held_gives_it_that_outline(field: Bench) -> None:
    assert not field.nuclei.outlines.picture.shown
    holding(field, Qt.Key.Key_O, *around((200, 200), 14))
    assert ring(field, 1).area == pytest.approx(np.pi * 14**2, rel=0.1)
    assert field.session.drawn_by([1, 2]) == [field.session.author, ""]
    assert field.kinds() == ["outline"]
    assert field.correcting.pointer.tool is Tool.POINT
    # what was drawn is to be seen, whatever was shown before
    field.qtbot.waitUntil(lambda: field.nuclei.outlines.picture.shown, timeout=LONG_MS)
    field.key(Qt.Key.Key_Z, CTRL)
    assert ring(field, 1).area == pytest.approx(400)


def test_drawing_where_nothing_is_adds_a_nucleus_of_the_current_class(field: Bench) -> None:
    field.key(Qt.Key.Key_N)
    holding(field, Qt.Key.Key_O, *around((260, 260), 8))
    (fresh,) = field.session.ids()[3:].tolist()
    assert field.label(fresh) == field.correcting.corrections.current
    assert ring(field, fresh).area == pytest.approx(np.pi * 64, rel=0.15)
    assert fresh in field.nuclei.ids


def test_a_ring_around_several_says_how_to_mean_one(field: Bench) -> None:
    holding(field, Qt.Key.Key_O, *around((200, 220), 34))
    assert "2 nuclei lie in this outline" in field.dock.messages.text
    assert field.kinds() == []
    field.click(PLACES[1])
    holding(field, Qt.Key.Key_O, *around((200, 220), 34))
    assert field.session.drawn_by([1, 2])[1] == field.session.author


def test_a_line_across_while_x_is_held_makes_two_of_a_nucleus(field: Bench) -> None:
    holding(field, Qt.Key.Key_X, (205, 185), (205, 200), (205, 215))
    assert len(field.session) == 4
    (other,) = field.session.ids()[3:].tolist()
    assert ring(field, 1).area == pytest.approx(300, rel=0.05)
    assert ring(field, other).area == pytest.approx(100, rel=0.1)
    assert field.label(other) == 0
    assert other in field.nuclei.ids
    assert "splitting" in field.dock.undo.undo.text()
    field.key(Qt.Key.Key_Z, CTRL)
    assert len(field.session) == 3


def test_a_line_that_crosses_nothing_says_so(field: Bench) -> None:
    field.push(field.dock.tools.buttons[Tool.SPLIT])
    field.drag((290, 290), (300, 300))
    field.settle()
    assert "crosses no outline" in field.dock.messages.text
    field.push(field.dock.tools.buttons[Tool.POINT])


def test_two_selected_nuclei_become_one_by_m(field: Bench) -> None:
    field.click(PLACES[0])
    field.click(PLACES[2], modifiers=SHIFT)
    field.key(Qt.Key.Key_M)
    assert "too far apart" in field.dock.messages.text
    field.session.move([3], [[222, 200]])
    field.settle()
    field.key(Qt.Key.Key_M)
    assert field.session.ids().tolist() == [1, 2]
    assert ring(field, 1).area == pytest.approx(20 * 42)
    assert field.nuclei.selected.tolist() == [1]
    field.key(Qt.Key.Key_Z, CTRL)
    assert field.session.ids().tolist() == [1, 2, 3]


def test_one_alone_is_not_merged_and_the_dock_says_what_to_do(field: Bench) -> None:
    field.click(PLACES[0])
    field.key(Qt.Key.Key_M)
    assert "Select two nuclei" in field.dock.messages.text


def test_the_table_of_nuclei_follows_what_is_drawn_cut_and_joined(field: Bench) -> None:
    table = open_table_dock(field.viewer)
    field.look_at(220, 220, 200)

    def rest() -> None:
        field.qtbot.waitUntil(lambda: not table.measuring.busy and not table.following.waiting, timeout=LONG_MS)

    field.qtbot.waitUntil(lambda: table.measuring.nuclei is field.nuclei, timeout=LONG_MS)
    table.parts.bar.scopes[TableScope.ALL].click()
    table.parts.bar.measure.click()
    rest()
    field.correcting.focus()
    holding(field, Qt.Key.Key_O, *around((200, 200), 14))
    assert table.measuring.table.stale[0]
    rest()
    assert table.measuring.table.columns["area_um2"][0] == pytest.approx(ring(field, 1).area / 4)
    holding(field, Qt.Key.Key_X, (195, 225), (195, 255))
    rest()
    assert len(table.parts.model.ids) == 4
    assert np.isfinite(table.measuring.table.columns["area_um2"]).all()
    field.session.undo()
    rest()
    assert table.parts.model.ids.tolist() == [1, 2, 3]
