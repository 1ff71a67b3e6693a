"""Drawn with less work, a slide and its nuclei look as napari draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.gui.conftest import at_rest

from nucloop.gui.layer.points_style import empty_points
from nucloop.gui.napari_private.light_drawing import draw_colours, draw_image_lightly, draw_points_lightly
from nucloop.gui.napari_private.view_state import camera_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from napari.layers import Image, Points
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

MPP = 0.5
COLOURS = [[0.9, 0.2, 0.1, 1.0], [0.1, 0.3, 0.9, 1.0], [0.0, 0.6, 0.4, 1.0]]


class Picture:
    """A slide with a layer of nuclei in a real window."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot, tissue: NDArray[np.uint8]) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.image: Image = viewer.add_image(tissue, rgb=True, scale=(MPP, MPP), units="um")
        self.points: Points = viewer.add_layer(empty_points(self.image, MPP))
        viewer.window.resize(900, 700)
        viewer.reset_view()
        self.drawn()

    def fill(self) -> None:
        self.points.data = np.stack(np.meshgrid(np.linspace(30, 480, 17), np.linspace(25, 470, 15)), -1).reshape(-1, 2)
        self.points.face_color = np.resize(COLOURS, (len(self.points.data), 4))
        # an outline as of a nucleus that a person has spoken about, and some that a filter hides
        self.points.border_width = np.where(np.arange(len(self.points.data)) % 2, 0.25, 0.08)
        self.points.shown = np.arange(len(self.points.data)) % 5 > 0

    def lighten(self) -> None:
        draw_image_lightly(self.viewer, self.image)
        draw_points_lightly(self.viewer, self.points)

    def drawn_with(self, limits: tuple[int, int], gamma: float) -> NDArray[np.int_]:
        self.image.contrast_limits, self.image.gamma = limits, gamma
        return self.drawn()

    def drawn(self) -> NDArray[np.int_]:
        return at_rest(self.qtbot, lambda: self.viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int))


@pytest.fixture
def picture(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, tissue: NDArray[np.uint8]) -> Picture:
    return Picture(make_napari_viewer(show=True), qtbot, tissue)


def _differ(one: NDArray[np.int_], other: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Where two pictures differ by more than rounding: (H, W) bool."""
    return np.abs(one - other).max(-1) > 2


def test_an_image_is_drawn_the_same(picture: Picture):
    before = picture.drawn()
    picture.lighten()
    assert not _differ(before, picture.drawn()).any()


def test_points_are_drawn_the_same_whether_they_come_before_or_after(picture: Picture):
    without = picture.drawn()
    picture.fill()
    before = picture.drawn()
    assert _differ(without, before).mean() > 0.02
    picture.lighten()
    assert _differ(before, picture.drawn()).mean() < 0.001
    assert (
        picture.viewer.window._qt_viewer.canvas.layer_to_visual[picture.points].node.points_markers._method == "points"
    )
    # zoomed in they keep their largest size on screen
    camera_of(picture.viewer).zoom *= 3
    near = picture.drawn()
    picture.points.refresh_colors()
    picture.points.data = picture.points.data.copy()
    assert _differ(near, picture.drawn()).mean() < 0.001


def test_what_a_person_does_to_the_contrast_is_seen(picture: Picture):
    settings = [((40, 180), 1.0), ((0, 255), 0.5), ((0, 255), 1.0)]
    wanted = [picture.drawn_with(*setting) for setting in settings]
    picture.lighten()
    plain = picture.drawn()
    for expected, setting in zip(wanted, settings, strict=True):
        assert not _differ(expected, picture.drawn_with(*setting)).any()
    assert _differ(plain, wanted[0]).mean() > 0.2
    assert _differ(plain, wanted[1]).mean() > 0.2


def test_new_colours_are_drawn_as_napari_draws_them(picture: Picture):
    picture.lighten()
    picture.fill()
    before = picture.drawn()
    picture.points.face_color[::3] = (1.0, 0.9, 0.0, 1.0)
    picture.points.border_color[1::3] = (1.0, 1.0, 1.0, 1.0)
    picture.points.face_color[2::3, 3] = 0.0
    draw_colours(picture.viewer, picture.points)
    after = picture.drawn()
    assert _differ(before, after).mean() > 0.02
    picture.points.events.face_color()
    assert not _differ(after, picture.drawn()).any()
    # a change that napari has not drawn yet is left to napari
    with picture.points.events.blocker_all():
        picture.points.data = picture.points.data[:7].copy()
    draw_colours(picture.viewer, picture.points)
    few = picture.drawn()
    picture.points.refresh()
    assert not _differ(few, picture.drawn()).any()


def test_a_second_session_of_an_image_changes_nothing_more(picture: Picture):
    picture.lighten()
    hearing = len(picture.image.events.gamma.callbacks)
    picture.lighten()
    assert len(picture.image.events.gamma.callbacks) == hearing


def test_a_layer_that_never_held_a_point_is_drawn(picture: Picture):
    picture.lighten()
    empty = picture.drawn()
    picture.fill()
    assert _differ(empty, picture.drawn()).mean() > 0.02
    picture.points.data = np.zeros((0, 2))
    assert not _differ(empty, picture.drawn()).any()


def test_texts_at_points_are_drawn_once_there_are_some(picture: Picture):
    picture.lighten()
    picture.fill()
    without = picture.drawn()
    picture.points.text = {"string": {"constant": "mitosis"}, "size": 14, "color": "black"}
    assert _differ(without, picture.drawn()).mean() > 0.01
