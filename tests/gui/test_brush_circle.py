"""The circle of the brush is made ahead, unseen, and is there when the brush is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS, at_rest, enter

from nucloop.gui.napari_private.brush_circle import brush_overlay_of
from nucloop.gui.napari_private.parts import visual_of
from nucloop.gui.napari_private.view_state import camera_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
PLACE = (256, 256)


def picture(bench: Bench) -> NDArray[np.uint8]:
    """What is on the canvas, (height, width, 3)."""
    return at_rest(bench.qtbot, lambda: np.asarray(bench.viewer.screenshot(canvas_only=True, flash=False))[..., :3])


def test_the_circle_is_made_unseen_and_seen_around_the_mouse_while_the_brush_is_held(bench: Bench) -> None:
    bench.correcting.focus()
    bench.look_at(*PLACE, 300)
    enter(bench.canvas, bench.at(PLACE))
    bench.hover(PLACE)
    before = picture(bench)
    bench.qtbot.waitUntil(lambda: not bench.correcting.brush_circle.making, timeout=LONG_MS)
    circle = visual_of(bench.viewer, brush_overlay_of(bench.viewer))
    assert circle is not None
    assert not circle.node.visible
    assert (picture(bench) == before).all()

    bench.qtbot.keyPress(bench.canvas, Qt.Key.Key_B)
    # napari shows the circle from the next move on
    bench.hover((PLACE[0] + 1, PLACE[1]))
    bench.hover(PLACE)
    changed = np.argwhere((picture(bench) != before).any(-1))
    middle = bench.at(PLACE)
    distance = np.hypot(changed[:, 0] - middle.y(), changed[:, 1] - middle.x())
    pointer = bench.correcting.pointer
    assert pointer is not None
    radius = pointer.radius_um * float(camera_of(bench.viewer).zoom)
    assert len(changed) > radius
    assert np.abs(distance - radius).max() < 0.1 * radius
    bench.qtbot.keyRelease(bench.canvas, Qt.Key.Key_B)
    assert (picture(bench) == before).all()
