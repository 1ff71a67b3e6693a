"""What a person sees of the nuclei at each zoom, in a real window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.gui.conftest import LONG_MS, SCHEME, at_rest, on_screen

from nucloop.gui.canvas.colouring import class_palette
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui

LABEL = 1
SLIDE = 235
DARK = 70
"""Brightest channel of what a person calls black."""


def drawn(bench: Bench) -> NDArray[np.int_]:
    """Return the colours of the pixels that the nuclei have changed, (N, 3)."""
    seen = at_rest(bench.qtbot, lambda: on_screen(bench.canvas))
    bench.layer.visible = False
    bare = at_rest(bench.qtbot, lambda: on_screen(bench.canvas))
    bench.layer.visible = True
    bench.settle()
    return seen[np.abs(seen - bare).sum(-1) > 90]


@pytest.mark.parametrize("pixels", [4000, 2500, 1500, 800, 300])
def test_the_colour_of_a_class_survives_at_every_zoom(bench: Bench, pixels: int) -> None:
    bench.image.data = np.full((512, 512, 3), SLIDE, np.uint8)
    places = np.stack(np.meshgrid(np.arange(20, 500, 40), np.arange(20, 500, 40)), -1).reshape(-1, 2)
    bench.find(places, np.full(len(places), LABEL))
    bench.look_at(256, 256, pixels)
    colours = drawn(bench)
    assert len(colours)
    assert (colours.max(1) < DARK).mean() < 0.05
    # of the disc's own hue, or paled by the slide around it; a rim that it may have is a thin one
    ink = 255 * class_palette(SCHEME)[LABEL, :3] - SLIDE
    strength = (colours - SLIDE) @ ink / (ink @ ink)
    of_the_class = (np.abs(colours - SLIDE - strength[:, None] * ink).max(1) < 40) & (strength > 0.2)
    assert of_the_class.mean() > 0.3


def test_a_disc_does_not_hide_a_small_nucleus_that_has_an_outline(bench: Bench) -> None:
    bench.image.data = np.full((512, 512, 3), SLIDE, np.uint8)
    place, square = np.array([[256.0, 256.0]]), 6 * np.array([[-1.0, -1], [-1, 1], [1, 1], [1, -1]])
    run = bench.session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 2.0)
    run.add(Nuclei.from_points(SCHEME, place, label=[LABEL], score=[0.9], outlines=Outlines.of([place[0] + square])))
    bench.look_at(256, 256, 400)
    alone = len(drawn(bench))
    bench.nuclei.outlines.wanted = True
    bench.qtbot.waitUntil(lambda: bench.nuclei.outlines.picture.shown, timeout=LONG_MS)
    bench.settle()
    picture = bench.nuclei.outlines.picture.layer
    assert picture is not None
    at_rest(bench.qtbot, lambda: on_screen(bench.canvas))
    disc = bench.layer.canvas_size_limits[1]
    side = 12 * max(bench.viewer.canvas.size) / 400
    assert disc < side / 3
    bench.nuclei.outlines.wanted = False
    bench.settle()
    assert len(drawn(bench)) == alone
