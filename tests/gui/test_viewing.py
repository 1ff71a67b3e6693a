"""How a slide is looked at: magnification by keys, overview map, scale bar, background, smooth pixels, stains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from tests.gui.conftest import LONG_MS, MPP, Bench, at_rest, on_screen, press

from nucloop.gui.canvas.view import view_centre, whole_box
from nucloop.gui.napari_private.partial_drawing import PartialDrawing
from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of, scale_bar_of
from nucloop.gui.viewing.magnification import PRESETS, magnification_words
from nucloop.gui.viewing.overview_map import OverviewMap
from nucloop.gui.viewing.slide_look import Look, Stain
from nucloop.gui.viewing.slide_view import SlideView
from nucloop.ki67.dab import slide_stains
from nucloop.slides import slide_from_array
from nucloop.slides.stain_kind import StainKind
from nucloop.slides.stains import H_AND_E, od_to_rgb, separate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CTRL = Qt.KeyboardModifier.ControlModifier
DIGITS = (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_4, Qt.Key.Key_5, Qt.Key.Key_6)
HALF_UM_PIXEL_AT_40X = 2
"""Screen pixels across a pixel of MPP µm at 40x."""


@pytest.fixture
def view(bench: Bench) -> Iterator[SlideView]:
    """The view of a bench, once its slide's thumbnail is made."""
    found = SlideView.of(bench.viewer)
    bench.qtbot.waitUntil(lambda: found.image is bench.image and found.thumbnail is not None, timeout=LONG_MS)
    bench.viewer.reset_view()
    bench.settle()
    yield found
    found.look_at(Look())


def picture(bench: Bench) -> NDArray[np.int_]:
    """Return the canvas as the person sees it, (H, W, 3)."""
    return at_rest(bench.qtbot, lambda: on_screen(bench.canvas))


def middle(bench: Bench, side: int = 160) -> NDArray[np.int_]:
    """Return the middle of the canvas, where neither map nor button lies."""
    seen = picture(bench)
    y, x = seen.shape[0] // 2, seen.shape[1] // 2
    return seen[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2]


def ask(bench: Bench, key: Qt.Key, modifiers: Qt.KeyboardModifier = CTRL) -> None:
    bench.canvas.setFocus()
    bench.qtbot.waitUntil(bench.canvas.isActiveWindow, timeout=LONG_MS)
    bench.qtbot.keyClick(bench.canvas, key, modifiers)
    bench.settle()


def test_keys_show_the_slide_at_1x_to_40x_and_the_corner_says_so(bench: Bench, view: SlideView) -> None:
    nucleus = bench.find([(100.0, 100.0)])[0]
    fit = view.magnification
    for key, wanted in zip(DIGITS, PRESETS, strict=True):
        ask(bench, key)
        assert view.magnification == pytest.approx(wanted)
        bench.qtbot.waitUntil(lambda wanted=wanted: view.corner.text().startswith(magnification_words(wanted)))
    assert camera_of(bench.viewer).zoom * MPP == pytest.approx(HALF_UM_PIXEL_AT_40X)
    assert bench.label(nucleus) == 0
    ask(bench, Qt.Key.Key_R)
    assert view.magnification == pytest.approx(fit)
    assert bench.kinds() == []


def test_the_middle_stays_where_it_is(bench: Bench, view: SlideView) -> None:
    camera_of(bench.viewer).center = (60.0, 90.0)
    before = view_centre(bench.viewer, bench.image)
    view.magnify(20)
    assert view_centre(bench.viewer, bench.image) == pytest.approx(before)


def test_all_of_a_slide_stays_in_view_while_its_place_changes_until_the_view_is_moved(
    bench: Bench, view: SlideView
) -> None:
    def share() -> float:
        """Of the canvas that the slide takes."""
        side = bench.image.data.shape[0] * MPP * camera_of(bench.viewer).zoom
        return side / min(canvas_size_of(bench.viewer))

    def resize(*size: int) -> None:
        before = canvas_size_of(bench.viewer)
        bench.viewer.window.resize(*size)
        bench.qtbot.waitUntil(lambda: canvas_size_of(bench.viewer) != before, timeout=LONG_MS)

    ask(bench, Qt.Key.Key_R)
    for size in ((860, 700), (1280, 760)):
        resize(*size)
        bench.qtbot.waitUntil(lambda: share() == pytest.approx(0.95), timeout=LONG_MS)
    view.magnify(20)
    resize(860, 700)
    bench.settle()
    assert view.magnification == pytest.approx(20)


def test_a_slide_without_resolution_has_no_magnification_and_says_how_much_it_is_enlarged(
    bench: Bench, view: SlideView
) -> None:
    unknown = bench.viewer.add_image(np.full((300, 300, 3), 200, np.uint8), rgb=True, name="unknown")
    bench.qtbot.waitUntil(lambda: view.image is unknown, timeout=LONG_MS)
    zoom = camera_of(bench.viewer).zoom
    ask(bench, Qt.Key.Key_5)
    assert camera_of(bench.viewer).zoom == zoom
    assert f"{100 * zoom:.3g} %" in view.corner.text()
    assert not scale_bar_of(bench.viewer).visible


def test_a_scale_bar_is_there_from_the_start(bench: Bench, view: SlideView) -> None:
    assert scale_bar_of(bench.viewer).visible


def test_the_map_shows_the_view_and_moves_it_by_click_and_drag(bench: Bench, view: SlideView) -> None:
    assert not view.map.isVisible()
    view.magnify(40)
    bench.qtbot.waitUntil(view.map.isVisible, timeout=LONG_MS)
    whole = whole_box(bench.image)

    def on_map(y: float, x: float) -> QPoint:
        return QPoint(round(2 + x * (view.map.width() - 4)), round(2 + y * (view.map.height() - 4)))

    slack = 2 * whole.height / view.map.height()
    for y, x in ((0.2, 0.7), (0.75, 0.3)):
        bench.qtbot.mouseClick(view.map, Qt.MouseButton.LeftButton, pos=on_map(y, x))
        bench.settle()
        assert view_centre(bench.viewer, bench.image) == pytest.approx((y * whole.height, x * whole.width), abs=slack)
        bench.qtbot.waitUntil(lambda y=y: view.map.view.center().y() == pytest.approx(y, abs=0.02))
    bench.qtbot.mousePress(view.map, Qt.MouseButton.LeftButton, pos=on_map(0.4, 0.4))
    bench.qtbot.mouseMove(view.map, on_map(0.6, 0.5))
    bench.qtbot.mouseRelease(view.map, Qt.MouseButton.LeftButton, pos=on_map(0.6, 0.5))
    assert view_centre(bench.viewer, bench.image)[1] == pytest.approx(0.5 * whole.width, abs=slack)
    assert bench.kinds() == []


def test_a_frame_of_an_edit_draws_its_part_of_the_canvas_and_nothing_of_the_map(
    bench: Bench, view: SlideView, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.find([(y, x) for y in range(20, 500, 40) for x in range(20, 500, 40)])
    view.magnify(40)
    bench.settle()
    picture(bench)
    partial = PartialDrawing.of(bench.viewer)
    if partial is None:
        pytest.skip("a graphics card draws here")
    drawn: list[str] = []
    paint = OverviewMap.paintEvent
    monkeypatch.setattr(OverviewMap, "paintEvent", lambda self, event: (drawn.append("map"), paint(self, event))[-1])
    scene = bench.viewer.window._qt_viewer.canvas._scene_canvas
    cut = scene.context.set_scissor

    def cutting(x: int, y: int, width: int, height: int) -> None:
        drawn.append("part" if width * height < 0.1 * np.prod(scene.physical_size) else "much")
        cut(x, y, width, height)

    monkeypatch.setattr(scene.context, "set_scissor", cutting)
    scene.update()
    picture(bench)
    drawn.clear()
    with partial.only(np.array([100, 100, 130, 130])):
        scene.update()
    picture(bench)
    assert drawn == ["part"]


def test_glass_is_around_the_slide_and_the_theme_around_other_images(bench: Bench, view: SlideView) -> None:
    seen = picture(bench)
    assert seen[5, 5].min() > 200
    bench.viewer.add_image(np.zeros((400, 400, 3), np.uint8), rgb=True, name="dark", scale=(MPP, MPP), units="um")
    bench.qtbot.waitUntil(lambda: bench.viewer.canvas.background_color_override is None, timeout=LONG_MS)
    bench.viewer.layers["dark"].visible = False
    bench.qtbot.waitUntil(lambda: bench.viewer.canvas.background_color_override is not None, timeout=LONG_MS)


def test_pixels_flow_into_each_other_where_they_are_large(bench: Bench, view: SlideView) -> None:
    view.magnify(5)
    bench.settle()
    assert bench.image.interpolation2d == "nearest"
    camera_of(bench.viewer).zoom = 40 / MPP
    bench.qtbot.waitUntil(lambda: bench.image.interpolation2d == "linear", timeout=LONG_MS)
    steps = np.abs(np.diff(middle(bench)[:, :, 1], axis=1))
    # of forty screen pixels in one of the slide, one would differ from its neighbour
    assert (steps > 0).mean() > 0.05
    bench.image.interpolation2d = "cubic"
    view.magnify(5)
    bench.settle()
    assert bench.image.interpolation2d == "cubic"


@pytest.mark.parametrize("stain", list(Stain))
def test_a_stain_alone_is_what_separating_it_gives(bench: Bench, view: SlideView, stain: Stain) -> None:
    data = np.asarray(bench.image.data)
    camera_of(bench.viewer).center = (256 * MPP, 256 * MPP)
    camera_of(bench.viewer).zoom = 8 / MPP
    view.choose(type(view.choices)(smooth=False))
    plain = middle(bench, 64)
    view.look_at(Look(stain))
    bench.qtbot.waitUntil(lambda: (middle(bench, 64) != plain).any(), timeout=LONG_MS)
    seen = middle(bench, 64)
    stains = slide_stains(slide_from_array(data, mpp=MPP))
    assert stains.kind is StainKind.H_DAB
    row, matrix = (0, stains.matrix) if stain is Stain.HAEMATOXYLIN else (1, stains.matrix)
    matrix = H_AND_E if stain is Stain.EOSIN else matrix
    wanted = od_to_rgb(np.clip(separate(plain, matrix)[..., row : row + 1], 0, None) * matrix[row])
    assert np.abs(seen - wanted.astype(int)).max() <= 2
    # the slide's own pixels are as they were
    np.testing.assert_array_equal(data, np.asarray(bench.image.data))
    view.look_at(Look())
    np.testing.assert_array_equal(middle(bench, 64), plain)
    view.choose(type(view.choices)())


def test_one_key_shows_the_stains_of_the_slide_one_after_another(bench: Bench, view: SlideView) -> None:
    seen = []
    bench.viewer.layers.selection.active = bench.layer
    for _ in range(4):
        ask(bench, Qt.Key.Key_H, Qt.KeyboardModifier.NoModifier)
        seen.append(view.look.of(bench.image).stain)
        # the second press already knows what the slide is stained with
        stains = view.look
        bench.qtbot.waitUntil(lambda stains=stains: stains._stains.get(bench.image) is not None, timeout=LONG_MS)
    assert seen == [Stain.HAEMATOXYLIN, Stain.DAB, None, Stain.HAEMATOXYLIN]
    assert "Haematoxylin" in view.corner.text()
    assert bench.kinds() == []


def test_brightness_and_white_balance_are_in_the_panel_and_leave_the_slide_as_it_is(
    bench: Bench, view: SlideView
) -> None:
    before = middle(bench)
    press(bench.qtbot, view.corner)
    panel = view.corner.panel
    bench.qtbot.waitUntil(panel.isVisible, timeout=LONG_MS)
    panel.brightness.setValue(-60)
    assert view.look.of(bench.image) == Look(None, -60)
    assert not panel.choices["overview"].isHidden()
    press(bench.qtbot, panel.choices["scale_bar"])
    assert not scale_bar_of(bench.viewer).visible
    press(bench.qtbot, panel.choices["scale_bar"])
    panel.close()
    darker = middle(bench)
    assert darker.mean() < 0.8 * before.mean()
    press(bench.qtbot, view.corner)
    press(bench.qtbot, panel.reset)
    panel.close()
    np.testing.assert_array_equal(middle(bench), before)


def test_glass_becomes_white(bench: Bench, view: SlideView) -> None:
    tinted = np.full((400, 400, 3), (236, 228, 240), np.uint8)
    tinted[150:250, 150:250] = (150, 90, 160)
    image = bench.viewer.add_image(tinted, rgb=True, name="tinted", scale=(MPP, MPP), units="um")
    bench.qtbot.waitUntil(lambda: view.image is image and view.thumbnail is not None, timeout=LONG_MS)
    bench.viewer.reset_view()
    view.look_at(Look(balanced=True))
    seen = picture(bench)
    glass = seen[seen.shape[0] // 2, seen.shape[1] // 2 - 200]
    assert np.ptp(glass) <= 2
    assert glass.min() > 240
