"""Outlines on the screen: where nuclei are, in their colours, following edits, filters and the view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.gui.conftest import LONG_MS, MPP, SCHEME

from nucloop.gui.canvas.colouring import ColourBy, class_palette
from nucloop.gui.canvas.view import image_layers
from nucloop.gui.layer.outline_drawing import LARGEST, OUTLINES_NAME, outline_picture
from nucloop.gui.layer.viewport import Viewport
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
PLACES = np.array([[60.0, 60.0], [60.0, 140.0], [140.0, 100.0]])
HALF = 20.0
SQUARE = HALF * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
RED = np.array([[1.0, 0, 0, 1]], np.float32)


def test_an_outline_is_drawn_where_it_is_and_nowhere_else() -> None:
    ring = np.array([[110, 220], [110, 230], [130, 230], [130, 220]])
    picture = outline_picture(Outlines.of([ring]), RED, Viewport(100, 200, 50, 60))
    assert picture.shape == (50, 60, 4)
    rows, columns = np.nonzero(picture[..., 3])
    assert np.abs([rows.min() - 10, rows.max() - 30, columns.min() - 20, columns.max() - 30]).max() <= 1
    assert picture[20, 25, 3] == 0
    assert (picture[picture[..., 3] > 0] == [255, 0, 0, 255]).all()


def test_a_picture_is_as_fine_as_the_screen_and_never_too_large() -> None:
    ring = np.array([[0, 0], [0, 400], [400, 400]])
    assert outline_picture(Outlines.of([ring]), RED, Viewport(0, 0, 800, 1000, 2.0)).shape == (400, 500, 4)
    assert max(outline_picture(Outlines.of([ring]), RED, Viewport(0, 0, 90_000, 50_000)).shape) == LARGEST
    assert outline_picture(Outlines.none(0), RED[:0], Viewport(0, 0, 20, 30)).max() == 0


@pytest.fixture
def outlined(bench: Bench) -> Bench:
    """A bench with three nuclei, each with a square around it, one of each class."""
    run = bench.session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 3.0)
    outlines = Outlines.of([place + SQUARE for place in PLACES])
    run.add(Nuclei.from_points(SCHEME, PLACES, label=[0, 1, 2], score=np.full(3, 0.9), outlines=outlines))
    bench.viewer.scene.camera.center = (100 * MPP, 100 * MPP)
    bench.viewer.scene.camera.zoom = max(bench.viewer.canvas.size) / (300 * MPP)
    bench.nuclei.outlines.wanted = True
    bench.qtbot.waitUntil(lambda: shown(bench), timeout=LONG_MS)
    return bench


def shown(bench: Bench) -> bool:
    return bench.nuclei.outlines.picture.shown


def colours_at(bench: Bench, place: NDArray[np.floating]) -> set[tuple[int, ...]]:
    """Colours on the border of the square around a place, as the layer has them."""
    layer = bench.nuclei.outlines.picture.layer
    if layer is None or not layer.visible:
        return set()
    edge = np.linspace(-0.8, 0.8, 9) * HALF
    found = set()
    for dy, dx in [*((-HALF, e) for e in edge), *((e, HALF) for e in edge)]:
        world = bench.image.data_to_world(place + np.array([dy, dx]))
        y, x = np.round(layer.world_to_data(world)[-2:]).astype(int)
        near = layer.data[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].reshape(-1, 4)
        found |= {tuple(int(v) for v in pixel) for pixel in near if pixel[3]} or {()}
    return found


def colour_of(label: int) -> tuple[int, ...]:
    return tuple((class_palette(SCHEME)[label] * 255).astype(int).tolist())


def wait_for(bench: Bench, row: int, colours: set[tuple[int, ...]], place: NDArray[np.floating] | None = None) -> None:
    at = PLACES[row] if place is None else place
    bench.qtbot.waitUntil(lambda: colours_at(bench, at) == colours, timeout=LONG_MS)


def test_each_nucleus_in_view_has_its_outline_in_the_colour_of_its_class(outlined: Bench) -> None:
    for row in range(3):
        wait_for(outlined, row, {colour_of(row)})
    assert f"{OUTLINES_NAME} · field" in [layer.name for layer in outlined.viewer.layers]
    assert image_layers(outlined.viewer) == [outlined.image]


def test_outlines_follow_classes_moves_removals_and_undo(outlined: Bench) -> None:
    session, ids = outlined.session, outlined.session.ids()
    session.set_class(ids[:1], 2)
    wait_for(outlined, 0, {colour_of(2)})
    session.undo()
    wait_for(outlined, 0, {colour_of(0)})
    session.move(ids[2:], np.array([[145.0, 60.0]]))
    wait_for(outlined, 2, {colour_of(2)}, np.array([145.0, 60.0]))
    session.delete(ids[1:2])
    wait_for(outlined, 1, {()})
    session.undo()
    wait_for(outlined, 1, {colour_of(1)})


def test_outlines_of_hidden_nuclei_are_hidden_and_colours_are_those_of_the_points(outlined: Bench) -> None:
    outlined.nuclei.hidden = frozenset({1})
    wait_for(outlined, 1, {()})
    outlined.nuclei.hidden = frozenset()
    outlined.nuclei.colour_by = ColourBy.ORIGIN
    outlined.qtbot.waitUntil(
        lambda: colours_at(outlined, PLACES[0]) == colours_at(outlined, PLACES[1]), timeout=LONG_MS
    )
    outlined.layer.visible = False
    outlined.qtbot.waitUntil(lambda: not shown(outlined), timeout=LONG_MS)
    outlined.layer.visible = True
    outlined.qtbot.waitUntil(lambda: shown(outlined), timeout=LONG_MS)


def test_outlines_are_as_fine_as_the_screen_at_every_zoom(outlined: Bench) -> None:
    layer = outlined.nuclei.outlines.picture.layer
    assert layer is not None
    before = float(layer.scale[-1])
    outlined.viewer.scene.camera.center = tuple(PLACES[0] * MPP)
    outlined.viewer.scene.camera.zoom *= 4
    outlined.qtbot.waitUntil(lambda: float(layer.scale[-1]) == pytest.approx(before / 4, rel=0.05), timeout=LONG_MS)


def test_outlines_that_are_not_wanted_are_neither_drawn_nor_read(
    outlined: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlined.nuclei.outlines.wanted = False
    assert not shown(outlined)
    monkeypatch.setattr(type(outlined.session), "with_outlines", lambda *_: pytest.fail("outlines were read"))
    outlined.session.set_class(outlined.session.ids()[:1], 2)
    outlined.viewer.scene.camera.zoom *= 2
    outlined.qtbot.wait(300)
    assert not shown(outlined)
