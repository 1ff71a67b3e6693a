"""What is on the screen after only a part of the canvas was drawn is what a whole drawing shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.gui.conftest import at_rest, on_screen

from nucloop.gui.layer.points_style import empty_points
from nucloop.gui.napari_private.light_drawing import draw_colours, draw_points_lightly
from nucloop.gui.napari_private.partial_drawing import PartialDrawing
from nucloop.gui.napari_private.view_state import camera_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

YELLOW = [1.0, 0.9, 0.0, 1.0]
BLUE = [0.1, 0.3, 0.9, 1.0]
NUCLEUS = 4 * 17 + 5


class Field:
    """A slide with nuclei in a real window, and a record of what of the canvas each frame draws."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot, tissue: NDArray[np.uint8]) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.image = viewer.add_image(tissue, rgb=True)
        self.points = viewer.add_layer(empty_points(self.image, 1.0))
        self.points.data = np.stack(np.meshgrid(np.linspace(30, 480, 17), np.linspace(25, 470, 15)), -1).reshape(-1, 2)
        self.points.size, self.points.face_color = 12, BLUE
        draw_points_lightly(viewer, self.points)
        viewer.window.resize(900, 700)
        viewer.reset_view()
        self.scene = viewer.window._qt_viewer.canvas._scene_canvas
        self.native = self.scene.native
        self.on_screen()
        partial = PartialDrawing.of(viewer)
        assert partial is not None
        self.partial = partial
        self.frames: list[float] = []
        """Of each frame, which share of the canvas it drew."""
        draw, scissor = self.scene._draw_scene, self.scene.context.set_scissor

        def drawing(*args: Any, **kwargs: Any) -> None:
            self.frames.append(1.0)
            draw(*args, **kwargs)

        def cutting(x: int, y: int, width: int, height: int) -> None:
            self.frames[-1] = width * height / np.prod(self.scene.physical_size)
            scissor(x, y, width, height)

        self.scene._draw_scene, self.scene.context.set_scissor = drawing, cutting
        self.drawn_whole()
        self.frames.clear()

    def colour(self, row: int, colour: list[float]) -> None:
        self.points.face_color[row] = colour
        draw_colours(self.viewer, self.points)

    def on_screen(self) -> NDArray[np.int_]:
        """Return what the person sees of the canvas, (H, W, 3)."""
        return at_rest(self.qtbot, lambda: on_screen(self.native))

    def drawn_whole(self) -> NDArray[np.int_]:
        """Return the same after a frame in which everything is drawn."""
        self.scene.update()
        return self.on_screen()


@pytest.fixture
def field(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, tissue: NDArray[np.uint8]) -> Field:
    return Field(make_napari_viewer(show=True), qtbot, tissue)


def _yellow(picture: NDArray[np.int_]) -> NDArray[np.bool_]:
    return (picture[..., 0] > 240) & (picture[..., 1] > 210) & (picture[..., 2] < 20)


def test_one_nucleus_is_drawn_without_the_rest_of_the_canvas(field: Field):
    assert not _yellow(field.on_screen()).any()
    field.colour(NUCLEUS, YELLOW)
    after = field.on_screen()
    assert _yellow(after).sum() > 30
    assert len(field.frames) == 1
    assert field.frames[0] < 0.1
    np.testing.assert_array_equal(after, field.drawn_whole())
    assert field.frames[1] == 1.0


def test_nuclei_far_apart_are_all_drawn(field: Field):
    for row in (0, 254):
        field.colour(row, YELLOW)
    after = field.on_screen()
    rows = np.flatnonzero(_yellow(after).any(1))
    assert np.ptp(rows) > after.shape[0] / 2
    np.testing.assert_array_equal(after, field.drawn_whole())


def test_whatever_else_has_changed_is_drawn_too(field: Field):
    field.colour(NUCLEUS, YELLOW)
    camera_of(field.viewer).zoom *= 1.4
    moved = field.on_screen()
    np.testing.assert_array_equal(moved, field.drawn_whole())
    field.image.opacity = 0.4
    field.colour(NUCLEUS + 1, YELLOW)
    faded = field.on_screen()
    assert (np.abs(faded - moved).max(-1) > 20).mean() > 0.5
    np.testing.assert_array_equal(faded, field.drawn_whole())


def test_a_window_of_another_size_is_drawn_whole(field: Field):
    field.colour(NUCLEUS, YELLOW)
    field.viewer.window.resize(1100, 800)
    field.on_screen()
    field.colour(NUCLEUS + 1, YELLOW)
    np.testing.assert_array_equal(field.on_screen(), field.drawn_whole())


def test_pictures_taken_of_the_canvas_are_whole_and_leave_it_whole(field: Field):
    field.colour(NUCLEUS, YELLOW)
    field.on_screen()
    elsewhere = np.asarray(field.scene.render())[..., :3].astype(int)
    assert _yellow(elsewhere).sum() > 30
    assert (elsewhere[20:-20, 150:-150].sum(-1) > 0).mean() > 0.8
    field.colour(NUCLEUS, BLUE)
    taken = field.viewer.screenshot(canvas_only=True, flash=False)[..., :3]
    assert not _yellow(taken.astype(int)).any()
    assert (taken[20:-20, 150:-150].sum(-1) > 0).mean() > 0.8
    np.testing.assert_array_equal(field.on_screen(), field.drawn_whole())


def test_a_nucleus_out_of_sight_changes_nothing(field: Field):
    camera_of(field.viewer).zoom *= 4
    before = field.on_screen()
    field.colour(0, YELLOW)
    np.testing.assert_array_equal(field.on_screen(), before)
    field.viewer.reset_view()
    assert _yellow(field.on_screen()).any()


def test_a_canvas_has_one(field: Field):
    assert PartialDrawing.of(field.viewer) is field.partial
