"""Detecting as a person does: look at the slide, press the button, read what comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from tests.gui.conftest import LONG_MS

from nucloop.gui.canvas.drawn_regions import drawn_regions, regions_layer
from nucloop.gui.detect.detection import DetectionScope
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.gui.conftest import Window

pytestmark = pytest.mark.gui


def test_without_an_image_the_dock_says_how_to_open_one(window: Window) -> None:
    assert window.dock.welcome.isVisible()
    assert not window.dock.controls.isVisible()
    window.click(window.dock.welcome.sample)
    assert window.dock.controls.isVisible()
    assert window.dock.controls.image is not None


def test_the_key_without_an_image_asks_for_one(window: Window) -> None:
    window.press_the_key()
    window.qtbot.waitUntil(lambda: window.said != "", timeout=LONG_MS)
    assert "Open a slide" in window.said


def test_one_click_gives_classified_nuclei_in_layer_table_and_legend(field: Window) -> None:
    field.detect_and_wait()
    count = field.count()
    assert count > 0
    assert field.said == f"{count:,} nuclei found."
    assert len(field.nuclei.layer.data) == count
    assert (field.nuclei.session.nuclei().label >= 0).all()
    legend = field.dock.nuclei.legend
    assert sum(int(row.count.text().replace(",", "")) for row in legend.rows.values()) == count
    assert field.dock.nuclei.total.text() == f"{count:,} nuclei in all"


def test_the_key_detects_while_the_canvas_has_the_focus(field: Window) -> None:
    field.press_the_key()
    field.qtbot.waitUntil(lambda: field.dock.detection.running, timeout=LONG_MS)
    field.wait_until_done()
    assert field.count() > 0


def test_nuclei_are_found_on_screen_only(large_field: Window) -> None:
    large_field.look_at(1500, 1500, 400)
    large_field.detect_and_wait()
    places = large_field.nuclei.session.nuclei().yx
    assert len(places) > 0
    assert (np.abs(places - 1500) < 210).all()


def test_a_second_overlapping_view_adds_and_never_doubles(large_field: Window) -> None:
    large_field.look_at(1500, 1500, 400)
    large_field.detect_and_wait()
    first = large_field.nuclei.session.nuclei()
    large_field.look_at(1500, 1700, 400)
    large_field.detect_and_wait()
    both = large_field.nuclei.session.nuclei()
    np.testing.assert_array_equal(both.yx[: len(first)], first.yx)
    added = both.yx[len(first) :]
    assert len(added) > 0
    nearest = np.linalg.norm(added[:, None] - first.yx[None], axis=-1).min(1)
    assert nearest.min() > 6
    assert "known before" in large_field.said


def test_the_same_view_again_says_that_nothing_is_new(field: Window) -> None:
    field.detect_and_wait()
    before = field.count()
    field.detect_and_wait()
    assert field.count() == before
    assert field.said.startswith("Nothing new")


def test_what_a_person_moved_deleted_and_added_survives_the_next_run(field: Window) -> None:
    field.detect_and_wait()
    layer, before = field.nuclei.layer, field.nuclei.session.nuclei()
    layer.selected_data = {0}
    field.canvas.setFocus()
    field.qtbot.keyClick(field.canvas, Qt.Key.Key_Delete)
    field.qtbot.waitUntil(lambda: field.count() == len(before) - 1, timeout=LONG_MS)
    layer._move([4], before.yx[5])
    layer._move([4], before.yx[5] + [30, 0])
    layer.add([[3, 3]])
    edited = field.nuclei.session.nuclei()
    field.detect_and_wait()
    after = field.nuclei.session.nuclei()
    np.testing.assert_array_equal(after.yx, edited.yx)
    assert after.origin[-1] == Origin.ADDED


def test_cancel_keeps_what_came(large_field: Window) -> None:
    large_field.click(large_field.dock.controls.scope_buttons[DetectionScope.SLIDE])
    large_field.detect()
    large_field.wait_for_nuclei()
    large_field.click(large_field.dock.controls.cancel)
    large_field.wait_until_done()
    assert large_field.count() == len(large_field.nuclei.layer.data) > 0
    assert large_field.said.startswith(f"Cancelled. {large_field.count():,} nuclei found until then are kept")
    assert not large_field.dock.controls.cancel.isVisible()
    assert large_field.dock.controls.detect.isEnabled()


def test_progress_tells_tiles_and_nuclei(large_field: Window) -> None:
    told = []
    large_field.dock.detection.progressed.connect(lambda p: told.append(large_field.dock.controls.progress_text.text()))
    large_field.click(large_field.dock.controls.scope_buttons[DetectionScope.SLIDE])
    large_field.detect()
    large_field.qtbot.waitUntil(lambda: len(told) > 2 and "left" in told[-1], timeout=LONG_MS)
    large_field.dock.detection.cancel()
    large_field.wait_until_done()
    assert "tiles" in told[-1]
    assert "nuclei" in told[-1]


def test_the_tile_in_the_middle_of_the_view_comes_first(large_field: Window) -> None:
    large_field.click(large_field.dock.controls.scope_buttons[DetectionScope.SLIDE])
    large_field.look_at(2600, 500, 800)
    large_field.detect()
    large_field.wait_for_nuclei()
    first = large_field.nuclei.session.nuclei().yx[0]
    large_field.dock.detection.cancel()
    large_field.wait_until_done()
    assert np.abs(first - (2600, 500)).max() < 700


def test_a_drawn_region_holds_all_that_is_found(field: Window) -> None:
    controls = field.dock.controls
    field.click(controls.scope_buttons[DetectionScope.REGION])
    field.detect()
    assert field.said.startswith("No region is drawn yet")
    field.click(controls.draw_buttons["polygon"])
    regions = regions_layer(field.viewer)
    assert regions is not None
    assert field.viewer.layers.selection.active is regions
    assert regions.mode == "add_polygon"
    regions.add_polygons([[100, 100], [100, 400], [400, 100]])
    field.qtbot.waitUntil(lambda: controls.hint.text() == "1 region drawn", timeout=LONG_MS)
    field.detect_and_wait()
    places = field.nuclei.session.nuclei().yx
    assert len(places) > 0
    assert (places.sum(1) <= 501).all()
    assert (places >= 99).all()


def test_an_ellipse_is_a_region_too(field: Window) -> None:
    field.click(field.dock.controls.scope_buttons[DetectionScope.REGION])
    field.click(field.dock.controls.draw_buttons["rectangle"])
    regions = regions_layer(field.viewer)
    assert regions is not None
    regions.add_ellipses([[200, 100], [200, 300], [300, 300], [300, 100]])
    [region] = drawn_regions(field.viewer, field.dock.controls.image)
    offset = (region.outline - (250, 200)) / (50, 100)
    np.testing.assert_allclose(np.linalg.norm(offset, axis=1), 1, atol=1e-6)


def test_a_region_outside_the_slide_gets_a_sentence(field: Window) -> None:
    field.click(field.dock.controls.scope_buttons[DetectionScope.REGION])
    field.click(field.dock.controls.draw_buttons["rectangle"])
    regions = regions_layer(field.viewer)
    assert regions is not None
    regions.add_rectangles([[-900, -900], [-700, -700]])
    field.detect_and_wait()
    assert "outside the slide" in field.said
    assert field.count() == 0


def test_an_image_without_resolution_is_asked_about_once(window: Window, tissue: NDArray[np.uint8]) -> None:
    image = window.open(tissue, mpp=None)
    before = camera_of(window.viewer).zoom
    window.detect()
    question = window.dock.question
    assert question.isVisible()
    assert not window.dock.detection.running
    window.click(question.buttons["20×"])
    assert not question.isVisible()
    window.wait_until_done()
    assert window.count() > 0
    assert image.metadata["nucloop"]["mpp"] == 0.5
    assert camera_of(window.viewer).zoom == pytest.approx(before / 0.5), "what is on screen stays there"
    window.detect_and_wait()
    assert not question.isVisible()


def test_the_resolution_can_be_a_number(window: Window, tissue: NDArray[np.uint8]) -> None:
    image = window.open(tissue, mpp=None)
    window.detect()
    window.dock.question.number.setValue(0.46)
    window.click(window.dock.question.use)
    window.wait_until_done()
    assert image.metadata["nucloop"]["mpp"] == pytest.approx(0.46)


def test_a_magnification_typed_as_the_size_of_a_pixel_is_asked_about(window: Window, tissue: NDArray[np.uint8]) -> None:
    image = window.open(tissue, mpp=None)
    window.detect()
    question = window.dock.question
    question.number.setValue(20)
    window.click(question.use)
    assert "Did you mean 20x? Then its pixels are 0.5 µm" in question.said
    assert question.isVisible()
    question.number.setValue(0.5)
    window.click(question.use)
    window.wait_until_done()
    assert image.metadata["nucloop"]["mpp"] == 0.5
    assert window.count() > 0


def test_an_empty_field_gets_a_sentence(window: Window) -> None:
    window.open(np.full((400, 500, 3), 245, np.uint8))
    window.detect_and_wait()
    assert window.said.startswith("No nuclei found here")


@pytest.mark.parametrize(
    ("picture", "word"),
    [
        (np.linspace(3000, 9000, 90_000).astype(np.uint16).reshape(300, 300), "uint16"),
        (np.zeros((5, 300, 300), np.uint8), "5 pictures"),
    ],
)
def test_pictures_that_are_not_brightfield_are_refused_in_a_sentence(
    window: Window, picture: NDArray[np.generic], word: str
) -> None:
    window.viewer.add_image(picture, name="field", rgb=False)
    window.detect()
    window.wait_until_done()
    assert word in window.said
    assert "field" in window.said
    assert not window.dock.question.isVisible()


def test_an_image_out_of_sight_gets_a_sentence(field: Window) -> None:
    camera_of(field.viewer).center = (5000, 5000)
    field.detect()
    assert "not on screen" in field.said


def test_a_view_of_half_a_slide_asks_to_zoom_in(window: Window) -> None:
    window.open(np.full((300, 300, 3), 200, np.uint8), mpp=20.0)
    window.detect()
    assert "36 mm²" in window.said
    assert "Whole slide" in window.said
    assert not window.dock.detection.running


def test_deleting_the_image_in_mid_run_stops_it_with_a_sentence(large_field: Window) -> None:
    large_field.click(large_field.dock.controls.scope_buttons[DetectionScope.SLIDE])
    large_field.detect()
    large_field.wait_for_nuclei()
    large_field.viewer.layers.remove("field")
    large_field.wait_until_done()
    assert "was closed" in large_field.dock.messages.text
    assert large_field.dock.welcome.isVisible()


def test_deleting_the_nuclei_layer_in_mid_run_stops_it_and_loses_nothing(large_field: Window) -> None:
    large_field.click(large_field.dock.controls.scope_buttons[DetectionScope.SLIDE])
    large_field.detect()
    large_field.wait_for_nuclei()
    large_field.viewer.layers.remove(large_field.nuclei.layer)
    large_field.wait_until_done()
    assert not [layer for layer in large_field.viewer.layers if layer.name.startswith("Nuclei")]
    before = len(large_field.dock.sessions.session_of(large_field.dock.controls.image))
    assert before > 0
    assert "No nucleus is lost" in large_field.said
    large_field.click(large_field.dock.controls.scope_buttons[DetectionScope.VIEW])
    large_field.look_at(1500, 1500, 300)
    large_field.detect_and_wait()
    assert large_field.count() >= before
    assert len(large_field.nuclei.layer.data) > 0


def test_closing_the_window_in_mid_run_is_quiet(large_field: Window) -> None:
    large_field.click(large_field.dock.controls.scope_buttons[DetectionScope.SLIDE])
    large_field.detect()
    large_field.wait_for_nuclei()
    job = large_field.dock.detection._job
    assert job is not None
    thread = job._thread
    large_field.viewer.close()
    large_field.qtbot.waitUntil(lambda: not thread.is_alive(), timeout=LONG_MS)


def test_a_dock_that_was_closed_and_opened_again_knows_the_nuclei(field: Window) -> None:
    field.detect_and_wait()
    before = field.count()
    field.viewer.window.remove_dock_widget(field.dock)
    again = type(field)(field.viewer, field.qtbot)
    assert again.dock is not field.dock
    assert again.dock.nuclei.total.text() == f"{before:,} nuclei in all"
    again.detect_and_wait()
    assert again.count() == before


def test_two_images_keep_their_nuclei_apart(field: Window, tissue: NDArray[np.uint8]) -> None:
    field.detect_and_wait()
    first, count = field.nuclei, field.count()
    field.open(tissue[:200, :200], name="second")
    box = field.dock.controls.image_box
    assert box.isVisible()
    box.setCurrentText("second")
    assert field.dock.nuclei.empty.isVisible()
    field.detect_and_wait()
    assert field.nuclei is not first
    assert len(first.session) == count
    box.setCurrentText("field")
    assert field.dock.nuclei.total.text() == f"{count:,} nuclei in all"


def test_a_click_hides_a_class_a_double_click_isolates_it_and_show_all_brings_back(field: Window) -> None:
    field.detect_and_wait()
    nuclei, panel = field.nuclei, field.dock.nuclei
    label = int(np.bincount(nuclei.session.nuclei().label).argmax())
    row = panel.legend.rows[label]
    field.click(row.swatch)
    assert not nuclei.layer.shown[nuclei.session.nuclei().label == label].any()
    assert nuclei.layer.shown[nuclei.session.nuclei().label != label].all()
    assert "shown" in panel.total.text()
    field.click(panel.show_all)
    assert nuclei.layer.shown.all()
    field.click(row)
    field.qtbot.mouseDClick(row, Qt.MouseButton.LeftButton)
    assert nuclei.layer.shown.tolist() == (nuclei.session.nuclei().label == label).tolist()
    field.click(row.only)
    assert nuclei.layer.shown.all()
    field.click(row.only)
    assert row.only.isChecked()
    assert nuclei.layer.shown.sum() == (nuclei.session.nuclei().label == label).sum()


def test_the_confidence_slider_hides_at_once_and_counts_stay(field: Window) -> None:
    field.detect_and_wait()
    nuclei = field.nuclei
    before = {k: row.count.text() for k, row in field.dock.nuclei.legend.rows.items()}
    level = float(np.median(nuclei.session.nuclei().confidence))
    field.dock.nuclei.confidence.setValue(level)
    shown = nuclei.session.nuclei().confidence >= field.dock.nuclei.confidence.value()
    assert nuclei.layer.shown.tolist() == shown.tolist()
    assert {k: row.count.text() for k, row in field.dock.nuclei.legend.rows.items()} == before


def test_colour_by_explains_its_colours(field: Window) -> None:
    field.detect_and_wait()
    panel = field.dock.nuclei
    by_class = field.nuclei.layer.face_color.copy()
    assert not panel.key.isVisible()
    for way in ("Confidence", "Uncertainty", "Who said it"):
        panel.colours.setCurrentText(way)
        assert panel.key.isVisible()
        assert not np.array_equal(field.nuclei.layer.face_color, by_class)
    panel.colours.setCurrentText("Class")
    np.testing.assert_array_equal(field.nuclei.layer.face_color, by_class)


def test_hovering_shows_class_probability_and_who_said_it(field: Window) -> None:
    field.detect_and_wait()
    y, x = field.nuclei.session.nuclei().yx[0]
    field.look_at(y, x, 100)
    field.hover(y, x)

    def told() -> bool:
        # napari asks in a thread of its own, which its test fixture does not start
        field.viewer.update_status_from_cursor()
        return "class: " in field.viewer.tooltip.text

    # the words follow the nuclei a moment later
    field.qtbot.waitUntil(told, timeout=LONG_MS)
    assert "probability: " in field.viewer.tooltip.text
    assert "said by: the model" in field.viewer.tooltip.text


def test_a_fault_offers_its_details_and_shows_no_traceback(field: Window) -> None:
    class Broken:
        shape, dtype, ndim = (512, 512, 3), np.dtype(np.uint8), 3

        def __getitem__(self, index: object) -> object:
            raise OSError("the disk is gone")

    image = field.dock.controls.image
    image._data = Broken()
    field.detect_and_wait()
    assert field.said.startswith("Cannot read field at rows 0-512")
    assert "Traceback" not in field.said
    if field.dock.messages.copy_button.isVisible():
        field.click(field.dock.messages.copy_button)
        assert "Traceback" in QApplication.clipboard().text()


def test_the_dock_follows_the_theme(field: Window) -> None:
    dark = field.dock.styleSheet()
    field.viewer.theme = "light"
    assert field.dock.styleSheet() != dark
