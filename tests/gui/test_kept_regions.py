"""Regions that a person drew are there again when the slide is opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Picture

from nucloop.gui.canvas.drawn_regions import draw_regions, drawn_regions, regions_layer
from nucloop.gui.sessions.kept_regions import KeptRegions
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.session.exchange import kept_regions, read_session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
LONG_MS = 60_000
SQUARE = np.array([[50, 50], [50, 350], [150, 350], [150, 50]], float)


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
