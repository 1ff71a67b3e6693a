"""A slide whose file does not say its resolution: asked once, kept with the session, never changed without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Picture
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS, Window, on_screen

from nucloop.classes import ClassScheme
from nucloop.gui.detect.resolution_crop import CROP_PX, crop_of_nuclei
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.gui.sessions.session_places import Answer
from nucloop.nuclei import Nuclei
from nucloop.session import Session, session_path
from nucloop.slides import open_slide, slide_from_array

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui
SCHEME = ClassScheme.named("brca-m2c")
PLACES = [[100, 120], [200, 240], [300, 60]]


@pytest.fixture
def slide(tmp_path: Path, tissue: NDArray[np.uint8]) -> Path:
    """A picture that says nothing about its pixels."""
    path = tmp_path / "slide.png"
    Picture.fromarray(tissue).save(path)
    return path


def worked_on(slide: Path, mpp: float = 0.5) -> None:
    """Have a person have worked on a slide before."""
    with open_slide(slide, mpp=mpp) as opened, Session.for_slide(opened, SCHEME) as session:
        session.import_nuclei(Nuclei.from_points(SCHEME, PLACES, label=[0, 1, 2]))


def opened(window: Window, slide: Path) -> Any:
    return window.viewer.open(str(slide), plugin="napari-nucloop")[0]


def kept(slide: Path) -> float | None:
    with Session.open(session_path(slide), read_only=True) as session:
        return session.slide.info.mpp


def say(window: Window, number: str) -> None:
    """Press Change, type a number and Enter."""
    window.qtbot.waitUntil(window.dock.controls.resolution.isVisible, timeout=LONG_MS)
    window.click(window.dock.controls.resolution)
    field = window.dock.question.number
    window.qtbot.waitUntil(field.hasFocus, timeout=LONG_MS)
    line = field.lineEdit()
    line.selectAll()
    window.qtbot.keyClicks(line, number)
    window.qtbot.keyClick(line, Qt.Key.Key_Return)


def test_a_slide_of_unknown_resolution_shows_its_nuclei_as_soon_as_it_is_opened(window: Window, slide: Path) -> None:
    worked_on(slide, mpp=0.4)
    image = opened(window, slide)
    window.qtbot.waitUntil(lambda: window.count() == len(PLACES), timeout=LONG_MS)
    assert window.dock.nuclei.total.text() == "3 nuclei in all"
    assert not window.dock.nuclei.empty.isVisible()
    assert not window.dock.question.isVisible()
    assert image.scale[-1] == pytest.approx(0.4)
    np.testing.assert_array_equal(window.nuclei.layer.data, PLACES)
    assert camera_of(window.viewer).center[-1] == pytest.approx(0.4 * 255.5, abs=0.5), "the slide is in the middle"
    window.qtbot.waitUntil(lambda: "0.4 µm per pixel" in window.dock.controls.hint.text(), timeout=LONG_MS)


def test_enter_in_the_field_answers_the_question(window: Window, slide: Path) -> None:
    image = opened(window, slide)
    window.detect()
    line = window.dock.question.number.lineEdit()
    line.selectAll()
    window.qtbot.keyClicks(line, "0.46")
    window.qtbot.keyClick(line, Qt.Key.Key_Return)
    assert not window.dock.question.isVisible()
    assert image.scale[-1] == pytest.approx(0.46)
    window.wait_until_done()
    assert window.count() > 0, window.said
    assert kept(slide) == pytest.approx(0.46)


def test_each_answer_shows_nuclei_with_a_bar_of_ten_micrometres(window: Window, slide: Path) -> None:
    opened(window, slide)
    window.detect()
    question = window.dock.question
    window.qtbot.waitUntil(lambda: all(crop.isVisible() for crop in question.crops.values()), timeout=LONG_MS)
    bars = {"20×": 20, "40×": 40, "number": 50}
    question.number.setValue(0.2)
    for name, length in bars.items():
        crop = question.crops[name]
        assert crop.bar == pytest.approx(length)
        window.qtbot.waitUntil(lambda crop=crop, length=length: longest_black(crop) == length, timeout=LONG_MS)


def longest_black(widget: Any) -> int:
    """Length of the bar as it is seen: the longest run of black in a row of pixels."""
    longest = 0
    for row in (on_screen(widget).max(-1) < 8)[-12:]:
        run = 0
        for black in row:
            run = run + 1 if black else 0
            longest = max(longest, run)
    return longest


def test_another_resolution_is_a_question_and_keeping_the_old_one_changes_nothing(window: Window, slide: Path) -> None:
    worked_on(slide)
    image = opened(window, slide)
    window.qtbot.waitUntil(lambda: window.count() == len(PLACES), timeout=LONG_MS)
    say(window, "0.25")
    trouble = window.dock.trouble
    assert trouble.isVisible()
    assert "3 nuclei of slide.png are kept at 0.5 µm per pixel, and you say 0.25 µm now" in trouble.text.text()
    assert "areas 0.25 times" in trouble.text.text()
    assert image.scale[-1] == 0.5, "nothing happens before the answer"
    window.detect()
    assert not window.dock.detection.running
    assert "question" in window.said
    assert trouble.buttons[Answer.KEEP_RESOLUTION].text() == "Keep 0.5 µm"
    window.click(trouble.buttons[Answer.KEEP_RESOLUTION])
    assert not trouble.isVisible()
    assert (image.scale[-1], kept(slide), window.count()) == (0.5, 0.5, 3)


def test_rescaling_leaves_nuclei_at_their_pixels_and_is_kept(window: Window, slide: Path) -> None:
    worked_on(slide)
    image = opened(window, slide)
    window.qtbot.waitUntil(lambda: window.count() == len(PLACES), timeout=LONG_MS)
    say(window, "0.25")
    assert window.dock.trouble.buttons[Answer.RESCALE].text() == "Rescale to 0.25 µm"
    window.click(window.dock.trouble.buttons[Answer.RESCALE])
    assert not window.dock.trouble.isVisible()
    assert image.scale[-1] == 0.25
    assert kept(slide) == 0.25
    assert window.nuclei.mpp == 0.25
    np.testing.assert_array_equal(window.nuclei.layer.data, PLACES)
    np.testing.assert_allclose(window.nuclei.layer.scale, image.scale)
    assert window.nuclei.session.labels([1, 2, 3]).tolist() == [0, 1, 2]


def test_a_new_session_begins_empty_and_the_old_one_stays_as_a_file(window: Window, slide: Path) -> None:
    worked_on(slide)
    image = opened(window, slide)
    window.qtbot.waitUntil(lambda: window.count() == len(PLACES), timeout=LONG_MS)
    say(window, "0.25")
    window.click(window.dock.trouble.buttons[Answer.NEW_SESSION])
    assert not window.dock.trouble.isVisible()
    assert image.scale[-1] == 0.25
    window.qtbot.waitUntil(lambda: window.count() == 0, timeout=LONG_MS)
    [old] = slide.parent.glob("slide.png.at 0.5 µm*.nucloop")
    with Session.open(old, read_only=True) as session:
        assert len(session) == len(PLACES)
    window.detect_and_wait()
    assert kept(slide) == 0.25


def test_a_slide_opened_at_another_resolution_shows_the_sessions_and_asks(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, slide: Path
) -> None:
    from nucloop.gui.plugin.reader import layer_of_file

    worked_on(slide)
    window = Window(make_napari_viewer(show=True), qtbot)
    data, options, _ = layer_of_file(slide, 0.25)
    image = window.viewer.add_image(data, **options)
    qtbot.waitUntil(lambda: window.count() == len(PLACES), timeout=LONG_MS)
    assert image.scale[-1] == 0.5
    assert window.dock.trouble.isVisible()
    window.click(window.dock.trouble.buttons[Answer.RESCALE])
    assert image.scale[-1] == 0.25
    assert kept(slide) == 0.25


def test_the_crop_is_where_the_nuclei_are() -> None:
    rng = np.random.default_rng(0)
    pixels = np.full((900, 900, 3), 240, np.uint8)
    pixels[:, :200] = 0
    pixels[600:712, 700:812] = rng.integers(60, 220, (CROP_PX, CROP_PX, 1))
    crop = crop_of_nuclei(slide_from_array(pixels, name="a"), (450, 450))
    assert crop.shape == (CROP_PX, CROP_PX, 3)
    assert (crop != 240).mean() > 0.5
    assert crop_of_nuclei(slide_from_array(pixels[:50, :60], name="a"), (0, 0)).shape == (50, 60, 3)
