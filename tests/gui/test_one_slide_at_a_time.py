"""Two slides in one window: what is seen is what is meant, and all that belongs to a slide goes with it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Picture
from qtpy.QtCore import QPoint, Qt
from tests.gui.conftest import LONG_MS, Window, at_rest, on_screen
from tifffile import imwrite

from nucloop.gui.canvas.drawn_regions import draw_regions, regions_layer
from nucloop.gui.canvas.slide_group import layers_on
from nucloop.gui.detect.detection import DetectionScope
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.session import Session, session_path

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Image, Layer
    from numpy.typing import NDArray

pytestmark = pytest.mark.gui
LONG = "a slide of a hospital whose names are long"


@pytest.fixture
def slides(tmp_path: Path, tissue: NDArray[np.uint8]) -> list[Path]:
    """Two slides of different resolutions and sizes."""
    paths = []
    for name, pixels, per_cm in (("first.tif", tissue, 20_000), ("second.tif", np.tile(tissue, (2, 3, 1)), 40_000)):
        paths.append(tmp_path / name)
        imwrite(paths[-1], pixels, photometric="rgb", resolution=(per_cm, per_cm), resolutionunit=3)
    return paths


def open_slide_in(window: Window, path: Path) -> Image:
    image = window.viewer.open(str(path), plugin="napari-nucloop")[0]
    window.qtbot.waitUntil(lambda: window.dock.controls.image is image, timeout=LONG_MS)
    at_rest(window.qtbot, lambda: on_screen(window.canvas))
    return image


def row_of(window: Window, layer: Layer) -> tuple[Any, QPoint]:
    """Return the list of layers, and where in it a layer is."""
    widget = window.viewer.window._qt_viewer.layers
    model = widget.model()
    for row in range(model.rowCount()):
        index = model.index(row, 0)
        if model.data(index, Qt.ItemDataRole.DisplayRole) == layer.name:
            widget.scrollTo(index)
            at_rest(window.qtbot, lambda: on_screen(widget.viewport()))
            return widget, widget.visualRect(index)
    raise AssertionError(f"{layer.name} is not in the list of layers")


def click_on_layer(window: Window, layer: Layer) -> None:
    """Click on the name of a layer in the list."""
    widget, rect = row_of(window, layer)
    window.qtbot.mouseClick(widget.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())


def click_on_eye(window: Window, layer: Layer) -> None:
    """Click on the eye of a layer in the list."""
    widget, rect = row_of(window, layer)
    at = QPoint(rect.left() + 43, rect.center().y())
    before = layer.visible
    assert widget.viewport().rect().contains(at)
    window.qtbot.mouseClick(widget.viewport(), Qt.MouseButton.LeftButton, pos=at)
    window.qtbot.waitUntil(lambda: layer.visible != before, timeout=LONG_MS)


def detect(window: Window) -> None:
    window.detect_and_wait()
    at_rest(window.qtbot, lambda: on_screen(window.canvas))


def visible(window: Window) -> set[str]:
    return {layer.name for layer in window.viewer.layers if layer.visible}


def test_a_slide_that_is_opened_takes_the_place_of_the_one_before(window: Window, slides: list[Path]) -> None:
    first = open_slide_in(window, slides[0])
    detect(window)
    count = window.count()
    second = open_slide_in(window, slides[1])
    assert not first.visible
    assert second.visible
    assert visible(window) <= {"second.tif", "Nuclei · second.tif"}
    middle = np.asarray(camera_of(window.viewer).center[-2:])
    np.testing.assert_allclose(middle, np.array([511.5, 767.5]) * 0.25, atol=1), "all of it is in view"
    assert window.dock.nuclei.empty.isVisible(), "nothing was found on it yet"
    assert window.said == "", "what was said is about the other"
    assert window.dock.controls.image_box.currentText() == "second.tif"

    window.click(window.dock.controls.scope_buttons[DetectionScope.SLIDE])
    detect(window)
    assert "known before" not in window.said
    assert window.nuclei.image is second
    assert len(window.dock.sessions.session_of(first)) == count
    assert visible(window) == {"second.tif", "Nuclei · second.tif"}


def test_a_click_on_a_layer_of_a_slide_shows_it_where_it_was_looked_at(window: Window, slides: list[Path]) -> None:
    first = open_slide_in(window, slides[0])
    detect(window)
    count = window.count()
    window.look_at(300, 200, 150)
    camera = camera_of(window.viewer)
    before = (*camera.center[-2:], camera.zoom)
    second = open_slide_in(window, slides[1])

    click_on_layer(window, window.dock.sessions.nuclei_of(first).layer)
    window.qtbot.waitUntil(lambda: first.visible, timeout=LONG_MS)
    assert visible(window) == {"first.tif", "Nuclei · first.tif"}
    np.testing.assert_allclose((*camera.center[-2:], camera.zoom), before, rtol=1e-6)
    assert window.dock.controls.image is first
    assert window.dock.nuclei.total.text() == f"{count:,} nuclei in all"
    assert window.dock.correcting.nuclei.image is first

    box = window.dock.controls.image_box
    window.qtbot.keyClick(box, Qt.Key.Key_Up)
    window.qtbot.waitUntil(lambda: second.visible, timeout=LONG_MS)
    assert not first.visible
    assert window.dock.correcting.nuclei is window.dock.sessions.nuclei_of(second)


def test_the_eye_of_a_slide_hides_and_shows_all_that_lies_on_it(window: Window, slides: list[Path]) -> None:
    image = open_slide_in(window, slides[0])
    window.click(window.dock.controls.outlines)
    detect(window)
    draw_regions(window.viewer, image, "polygon").add_polygons([[[50, 50], [50, 350], [150, 350]]])
    window.qtbot.waitUntil(lambda: len(layers_on(window.viewer, image)) == 3, timeout=LONG_MS)
    names = {"first.tif", "Nuclei · first.tif", "Regions · first.tif", "Outlines · first.tif"}
    window.qtbot.waitUntil(lambda: visible(window) == names, timeout=LONG_MS)

    click_on_eye(window, image)
    window.qtbot.waitUntil(lambda: visible(window) == set(), timeout=LONG_MS)
    assert at_rest(window.qtbot, lambda: on_screen(window.canvas)).max() < 10, "nothing is left on black"
    click_on_eye(window, image)
    window.qtbot.waitUntil(lambda: visible(window) == names, timeout=LONG_MS)

    click_on_eye(window, window.nuclei.layer)
    window.qtbot.waitUntil(lambda: visible(window) == {"first.tif", "Regions · first.tif"}, timeout=LONG_MS)
    click_on_eye(window, image)
    click_on_eye(window, image)
    assert "Nuclei · first.tif" not in visible(window), "what a person has hidden stays hidden"


def test_the_eye_of_another_slide_shows_that_one(window: Window, slides: list[Path]) -> None:
    first, second = open_slide_in(window, slides[0]), open_slide_in(window, slides[1])
    click_on_eye(window, first)
    window.qtbot.waitUntil(lambda: not second.visible, timeout=LONG_MS)
    assert window.dock.controls.image is first


def test_a_slide_that_is_removed_takes_its_layers_with_it_and_the_other_comes_back(
    window: Window, slides: list[Path]
) -> None:
    first = open_slide_in(window, slides[0])
    detect(window)
    count = window.count()
    second = open_slide_in(window, slides[1])
    draw_regions(window.viewer, second, "polygon").add_polygons([[[50, 50], [50, 350], [150, 350]]])
    window.click(window.dock.controls.scope_buttons[DetectionScope.VIEW])
    detect(window)
    session, found = window.nuclei.session, window.count()
    assert found

    click_on_layer(window, second)
    widget, _ = row_of(window, second)
    window.qtbot.keyClick(widget, Qt.Key.Key_Delete)
    window.qtbot.waitUntil(lambda: second not in window.viewer.layers, timeout=LONG_MS)
    window.qtbot.waitUntil(lambda: visible(window) == {"first.tif", "Nuclei · first.tif"}, timeout=LONG_MS)
    assert len(window.viewer.layers) == 2
    assert window.dock.controls.image is first
    assert window.count() == count
    assert session.closed
    with Session.open(session_path(slides[1]), read_only=True) as kept:
        assert len(kept) == found

    again = open_slide_in(window, slides[1])
    window.qtbot.waitUntil(lambda: window.count() == found, timeout=LONG_MS)
    window.qtbot.waitUntil(lambda: regions_layer(window.viewer, again) is not None, timeout=LONG_MS)
    assert "Nuclei · second.tif" in visible(window)


def test_each_slide_has_its_own_regions(window: Window, slides: list[Path]) -> None:
    first = open_slide_in(window, slides[0])
    detect(window)
    draw_regions(window.viewer, first, "polygon").add_polygons([[[50, 50], [50, 350], [150, 350]]])
    second = open_slide_in(window, slides[1])
    window.click(window.dock.controls.scope_buttons[DetectionScope.REGION])
    window.detect()
    assert window.said.startswith("No region is drawn yet"), "that of the other slide is none of this one"
    assert regions_layer(window.viewer, second) is None
    assert regions_layer(window.viewer, first) is not None
    window.viewer.layers.clear()
    with Session.open(session_path(slides[0]), read_only=True) as kept:
        assert len(kept.recall("regions")) == 1


def test_a_slide_without_resolution_beside_one_that_says_it_gives_no_warning(
    window: Window, slides: list[Path], tissue: NDArray[np.uint8], tmp_path: Path
) -> None:
    Picture.fromarray(tissue).save(tmp_path / "plain.png")
    open_slide_in(window, slides[0])
    with warnings.catch_warnings(record=True) as heard:
        open_slide_in(window, tmp_path / "plain.png")
    assert not [str(one.message) for one in heard if "units" in str(one.message)]


def test_a_slide_takes_its_new_name_to_all_its_layers(window: Window, slides: list[Path]) -> None:
    image = open_slide_in(window, slides[0])
    detect(window)
    image.name = LONG
    assert window.nuclei.layer.name == f"Nuclei · {LONG}"


def test_an_image_that_lies_over_a_slide_hides_nothing(window: Window, slides: list[Path]) -> None:
    image = open_slide_in(window, slides[0])
    window.viewer.add_image(np.zeros((512, 512, 3), np.uint8), rgb=True, opacity=0.3, name="a map", scale=(0.5, 0.5))
    window.qtbot.wait(50)
    assert image.visible


def test_the_house_shows_the_whole_slide_that_is_seen(window: Window, slides: list[Path]) -> None:
    open_slide_in(window, slides[1])
    first = open_slide_in(window, slides[0])
    fitted = camera_of(window.viewer).zoom
    camera_of(window.viewer).zoom = 3 * fitted
    button = window.viewer.window._qt_viewer.viewerButtons.resetViewButton
    window.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    window.qtbot.waitUntil(lambda: camera_of(window.viewer).zoom == pytest.approx(fitted, rel=0.02), timeout=LONG_MS)
    assert first.visible
