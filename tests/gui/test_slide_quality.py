"""Tissue, glass, folds, ink and focus over a slide: switched on in the panel of the view, seen and said in words."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from tests.gui.conftest import LONG_MS, Bench, press
from tests.gui.test_viewing import CTRL, ask, picture

from nucloop.gui.canvas.layer_slide import set_layer_mpp, slide_of_layer
from nucloop.gui.canvas.slide_group import layer_of
from nucloop.gui.canvas.view import image_layers
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.gui.viewing import quality_view
from nucloop.gui.viewing.quality_picture import BLUR, COLOURS
from nucloop.gui.viewing.quality_view import QUALITY_NAME
from nucloop.gui.viewing.slide_view import SlideView
from nucloop.slides.quality import look_at_quality, share_words
from nucloop.slides.tissue import Ground

if TYPE_CHECKING:
    from napari.layers import Image

    from nucloop.gui.viewing.quality_box import QualityBox

GLASS, PINK, DENSE, INK = (243, 242, 244), (205, 140, 185), (60, 20, 80), (20, 110, 60)
SIDE, MPP = 1000, 2.0


def marked() -> np.ndarray:
    """A slide of 2 x 2 mm, 2 µm per pixel: blurred tissue with a fold, and a stroke of green ink."""
    pixels = np.full((SIDE, SIDE, 3), GLASS, np.uint8)
    pixels[200:600, 200:600] = PINK
    pixels[300:340, 220:580] = DENSE
    pixels[800:840, 100:900] = INK
    return pixels


@pytest.fixture
def slide(bench: Bench) -> Image:
    """Such a slide on screen, with NucLoop's own aids."""
    image = bench.viewer.add_image(marked(), rgb=True, name="marked", scale=(MPP, MPP), units="um")
    view = SlideView.of(bench.viewer)
    bench.qtbot.waitUntil(lambda: view.image is image and view.thumbnail is not None, timeout=LONG_MS)
    bench.viewer.reset_view()
    bench.settle()
    return image


def opened(bench: Bench) -> QualityBox:
    """Open the panel as a person does, and return what it says of quality."""
    view = SlideView.of(bench.viewer)
    press(bench.qtbot, view.corner)
    bench.qtbot.waitUntil(view.corner.panel.isVisible, timeout=LONG_MS)
    return view.corner.panel.quality


def switched_on(bench: Bench) -> QualityBox:
    box = opened(bench)
    press(bench.qtbot, box.switch)
    bench.qtbot.waitUntil(lambda: "windows" in box.said.text(), timeout=LONG_MS)
    return box


def colour_at(bench: Bench, image: Image, y: float, x: float) -> np.ndarray:
    """The colour of the canvas at a place of the image, level-0 pixels."""
    seen, camera = picture(bench), camera_of(bench.viewer)
    away = (np.array(image.data_to_world((y, x))) - np.array(camera.center[-2:])) * camera.zoom
    row, column = (np.array(seen.shape[:2]) / 2 + away).round().astype(int)
    return seen[row, column]


def test_a_switch_colours_tissue_folds_and_ink_and_says_how_much_there_is_of_each(bench: Bench, slide: Image) -> None:
    places = {"tissue": (500, 400), "fold": (320, 400), "ink": (820, 500), "glass": (700, 700)}
    plain = {name: colour_at(bench, slide, *place) for name, place in places.items()}

    box = switched_on(bench)

    seen = look_at_quality(slide_of_layer(slide))
    assert seen.pen > 0.02
    for words in (
        f"{share_words(seen.pen)} of this slide: ink",
        f"{share_words(seen.folds)} of the tissue: folds",
        f"of this slide: tissue, {seen.tissue.tissue_mm2:.2f} mm²",
        f"{len(seen.blurred)} of {len(seen.windows)} windows: out of focus",
    ):
        assert words in box.said.text()
    # all of it is to be read, and the button below is not covered
    corner = SlideView.of(bench.viewer).corner
    bench.qtbot.waitUntil(lambda: box.said.height() >= box.said.heightForWidth(box.said.width()), timeout=LONG_MS)
    assert corner.panel.geometry().bottom() < corner.mapToGlobal(QPoint(0, 0)).y()
    corner.panel.close()
    layer = layer_of(bench.viewer, slide, QUALITY_NAME)
    # what has no detail at all is out of focus, so that is taken away to see the rest
    layer.data = np.where(layer.data == BLUR, seen.tissue.ground, layer.data)
    coloured = {name: colour_at(bench, slide, *place) for name, place in places.items()}
    assert np.array_equal(coloured["glass"], plain["glass"])
    kinds = {"tissue": Ground.TISSUE, "fold": Ground.FOLD, "ink": Ground.PEN}
    for name, kind in kinds.items():
        own = np.array([int(COLOURS[kind.value][k : k + 2], 16) for k in (1, 3, 5)])
        assert np.abs(coloured[name] - (0.6 * plain[name] + 0.4 * own)).max() <= 3, name
    assert "Quality" in corner.text()


def test_the_window_answers_while_the_slide_is_looked_at(
    bench: Bench, slide: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(slide: object) -> object:
        begun.set()
        assert go_on.wait(60)
        return look_at_quality(slide)

    monkeypatch.setattr(quality_view, "look_at_quality", slow)
    view = SlideView.of(bench.viewer)
    box = opened(bench)
    press(bench.qtbot, box.switch)
    bench.qtbot.waitUntil(begun.is_set, timeout=LONG_MS)
    assert "Looking at the slide" in box.said.text()
    view.corner.panel.close()

    ask(bench, Qt.Key.Key_3, CTRL)
    assert view.magnification == pytest.approx(5)
    assert layer_of(bench.viewer, slide, QUALITY_NAME) is None

    go_on.set()
    bench.qtbot.waitUntil(lambda: layer_of(bench.viewer, slide, QUALITY_NAME) is not None, timeout=LONG_MS)


def test_it_is_no_image_of_a_person_and_keys_go_where_they_went(bench: Bench, slide: Image) -> None:
    active, images = bench.viewer.layers.selection.active, image_layers(bench.viewer)

    switched_on(bench)

    assert bench.viewer.layers.selection.active is active
    assert image_layers(bench.viewer) == images
    assert SlideView.of(bench.viewer).image is slide


def test_it_goes_with_the_switch_with_its_eye_and_with_its_slide(bench: Bench, slide: Image) -> None:
    box = switched_on(bench)
    layer = layer_of(bench.viewer, slide, QUALITY_NAME)

    press(bench.qtbot, box.switch)
    assert not layer.visible
    assert box.said.isHidden()
    press(bench.qtbot, box.switch)
    assert layer.visible
    # the list of layers has an eye for it
    layer.visible = False
    assert not box.switch.isChecked()
    press(bench.qtbot, box.switch)
    assert layer.visible
    bench.viewer.layers.remove(layer)
    assert not box.switch.isChecked()
    press(bench.qtbot, box.switch)
    assert layer_of(bench.viewer, slide, QUALITY_NAME) is not None
    SlideView.of(bench.viewer).corner.panel.close()
    bench.viewer.layers.remove(slide)
    bench.qtbot.waitUntil(lambda: not any(one.name.startswith(QUALITY_NAME) for one in bench.viewer.layers))


def test_a_slide_without_resolution_says_what_to_do_and_once_it_has_one_is_looked_at(bench: Bench) -> None:
    image = bench.viewer.add_image(marked(), rgb=True, name="unknown")
    view = SlideView.of(bench.viewer)
    bench.qtbot.waitUntil(lambda: view.image is image and view.thumbnail is not None, timeout=LONG_MS)
    box = opened(bench)
    press(bench.qtbot, box.switch)
    assert "unknown does not say how many µm a pixel covers" in box.said.text()
    assert "Press Detect" in box.said.text()

    set_layer_mpp(image, MPP)

    bench.qtbot.waitUntil(lambda: "mm²" in box.said.text(), timeout=LONG_MS)
    layer = layer_of(bench.viewer, image, QUALITY_NAME)
    at_ink = layer.world_to_data(image.data_to_world((820, 500)))
    assert layer.data[tuple(np.round(at_ink).astype(int))] == Ground.PEN


def test_a_slide_that_cannot_be_read_says_so(bench: Bench, slide: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    from nucloop.errors import SlideError

    def broken(slide: object) -> object:
        raise SlideError("marked is damaged. Copy it again.")

    monkeypatch.setattr(quality_view, "look_at_quality", broken)
    box = opened(bench)

    press(bench.qtbot, box.switch)

    bench.qtbot.waitUntil(lambda: "marked is damaged" in box.said.text(), timeout=LONG_MS)
