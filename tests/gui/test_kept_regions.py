"""Regions that a person drew are there again when the slide is opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Picture
from tests.gui.conftest import LONG_MS, on_screen

from nucloop.geometry import Region
from nucloop.gui.canvas.drawn_regions import add_regions, draw_regions, drawn_regions, regions_layer
from nucloop.gui.sessions.kept_regions import KeptRegions
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.session.exchange import keep_regions, kept_regions, read_session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
SQUARE = np.array([[50, 50], [50, 350], [150, 350], [150, 50]], float)
HOLE = SQUARE / 2 + (25 + 1 / 3, 100)


def test_drawn_regions_are_kept_with_the_session(bench: Bench) -> None:
    KeptRegions.of(bench.viewer)
    bench.session.add([[10, 10]])

    layer = draw_regions(bench.viewer, bench.image, "polygon")
    layer.add_polygons([SQUARE])
    bench.qtbot.waitUntil(lambda: len(kept_regions(bench.session)) == 1, timeout=LONG_MS)
    np.testing.assert_allclose(kept_regions(bench.session)[0].outline, SQUARE)

    layer.selected_data = {0}
    layer.remove_selected()
    bench.qtbot.waitUntil(lambda: not kept_regions(bench.session), timeout=LONG_MS)


def test_a_slide_that_is_opened_again_shows_its_regions(bench: Bench, tmp_path: Path) -> None:
    viewer = bench.viewer
    KeptRegions.of(viewer)
    sessions = OpenSessions.of(viewer)
    Picture.fromarray(np.full((400, 400, 3), 200, np.uint8)).save(tmp_path / "a.png")
    viewer.layers.clear()
    image = viewer.open(str(tmp_path / "a.png"), plugin="napari-nucloop", scale=(0.5, 0.5), units="um")[0]
    nuclei = sessions.open(image, bench.session.scheme)
    assert nuclei is not None
    nuclei.session.add([[10, 10]])
    draw_regions(viewer, image, "polygon").add_polygons([SQUARE])

    viewer.layers.clear()
    assert len(read_session(tmp_path / "a.png.nucloop").regions) == 1
    assert regions_layer(viewer) is None
    image = viewer.open(str(tmp_path / "a.png"), plugin="napari-nucloop", scale=(0.5, 0.5), units="um")[0]
    sessions.open(image)

    bench.qtbot.waitUntil(lambda: regions_layer(viewer) is not None, timeout=LONG_MS)
    np.testing.assert_allclose(drawn_regions(viewer, image)[0].outline, SQUARE, atol=1e-3)


def test_holes_and_pieces_are_there_again_to_the_last_digit_and_stay_when_something_else_is_drawn(
    bench: Bench, tmp_path: Path
) -> None:
    viewer = bench.viewer
    KeptRegions.of(viewer)
    sessions = OpenSessions.of(viewer)
    region = Region.of_pieces([[SQUARE, HOLE], [SQUARE / 10 + 300]], "without necrosis")
    Picture.fromarray(np.full((400, 400, 3), 200, np.uint8)).save(tmp_path / "a.png")
    viewer.layers.clear()
    image = viewer.open(str(tmp_path / "a.png"), plugin="napari-nucloop", scale=(0.5, 0.5), units="um")[0]
    nuclei = sessions.open(image, bench.session.scheme)
    assert nuclei is not None
    nuclei.session.add([[10, 10]])
    keep_regions(nuclei.session, [region])

    viewer.layers.clear()
    image = viewer.open(str(tmp_path / "a.png"), plugin="napari-nucloop", scale=(0.5, 0.5), units="um")[0]
    sessions.open(image)
    bench.qtbot.waitUntil(lambda: regions_layer(viewer) is not None, timeout=LONG_MS)
    assert drawn_regions(viewer, image) == [region]
    draw_regions(viewer, image, "polygon").add_polygons([SQUARE + 200])

    viewer.layers.clear()
    assert read_session(tmp_path / "a.png.nucloop").regions == (region, Region(SQUARE + 200))


def test_a_hole_looks_shaded_and_its_region_does_not(bench: Bench) -> None:
    def brightness(y: float, x: float) -> float:
        point = bench.at((y, x))
        return float(on_screen(bench.canvas)[point.y() - 2 : point.y() + 3, point.x() - 2 : point.x() + 3].mean())

    bench.look_at(256, 256, 600)
    in_hole, in_region = (75, 200), (125, 100)
    bench.qtbot.waitUntil(lambda: brightness(*in_hole) > 30, timeout=LONG_MS)
    before = brightness(*in_hole), brightness(*in_region)

    add_regions(bench.viewer, bench.image, [Region(SQUARE, (HOLE,))])

    bench.qtbot.waitUntil(lambda: brightness(*in_hole) < 0.8 * before[0], timeout=LONG_MS)
    assert brightness(*in_region) == pytest.approx(before[1], rel=0.02)
