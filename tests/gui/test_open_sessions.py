"""Sessions of the images in a viewer: kept, shown again, and what is offered when one cannot be opened."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from PIL import Image as Picture
from tests.gui.conftest import LONG_MS

from nucloop.classes import ClassScheme
from nucloop.garbage import search_everywhere
from nucloop.gui.canvas.layer_slide import mpp_of_layer
from nucloop.gui.canvas.slide_layers import image_layer_of
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.gui.sessions.session_places import Answer, trouble_with
from nucloop.session import PlaceNotWritable, session_path
from nucloop.slides import open_slide, slide_from_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import napari
    from pytestqt.qtbot import QtBot

SCHEME = ClassScheme.named("brca-m2c")


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "slide.png"
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Picture.fromarray(pixels).save(path)
    return path


def image_of(path: Path, mpp: float | None = 0.5) -> Image:
    data, options, _ = image_layer_of(open_slide(path, mpp=mpp))
    return Image(data, **options)


@pytest.fixture
def opened(qtbot: QtBot) -> Iterator[Callable[[Path], tuple[OpenSessions, Image]]]:
    """Open a slide in a viewer of its own."""
    all_sessions = []

    def open_in_viewer(path: Path) -> tuple[OpenSessions, Image]:
        viewer = ViewerModel()
        sessions = OpenSessions(viewer)
        all_sessions.append(sessions)
        image = image_of(path)
        viewer.add_layer(image)
        return sessions, image

    yield open_in_viewer
    for sessions in all_sessions:
        sessions.close()


Open = "Callable[[Path], tuple[OpenSessions, Image]]"


def test_a_slide_shows_everything_as_it_was_when_it_is_opened_again(slide: Path, opened: Open) -> None:
    sessions, image = opened(slide)
    nuclei = sessions.open(image, SCHEME)
    nuclei.session.add([[10, 20], [30, 40]], "tumour")
    nuclei.session.delete([1])
    assert sessions.note_on(image) == "Kept in slide.png.nucloop"
    sessions.close()

    again, image = opened(slide)
    nuclei = again.open(image)
    np.testing.assert_array_equal(nuclei.layer.data, [[30, 40]])
    assert nuclei.session.counts["tumour"] == 1
    nuclei.session.undo()
    assert len(nuclei.layer.data) == 2


def test_a_slide_that_was_only_looked_at_leaves_nothing_beside_it(slide: Path, opened: Open) -> None:
    sessions, image = opened(slide)
    assert sessions.open(image) is None, "without classes nothing is begun"
    assert sessions.open(image, SCHEME) is not None
    sessions.close()
    assert [path.name for path in slide.parent.iterdir()] == ["slide.png"]


def test_deleting_the_layer_deletes_no_nucleus(slide: Path, opened: Open) -> None:
    sessions, image = opened(slide)
    nuclei = sessions.open(image, SCHEME)
    nuclei.session.add([[10, 20]])
    nuclei.viewer.layers.remove(nuclei.layer)
    assert sessions.nuclei_of(image) is None
    assert len(sessions.open(image).layer.data) == 1


def test_closing_the_image_closes_its_session(slide: Path, opened: Open) -> None:
    sessions, image = opened(slide)
    session = sessions.open(image, SCHEME).session
    session.add([[10, 20]])
    sessions.nuclei_of(image).viewer.layers.clear()
    assert session.closed
    assert sessions.all() == []
    assert session_path(slide).exists()


def test_an_image_without_a_file_is_kept_in_memory_and_says_so(qtbot: QtBot) -> None:
    viewer = ViewerModel()
    sessions = OpenSessions(viewer)
    image = viewer.add_image(np.zeros((50, 50, 3), np.uint8), rgb=True, scale=(0.5, 0.5), units="um")
    nuclei = sessions.open(image, SCHEME)
    assert nuclei.session.path is None
    assert "no file" in sessions.note_on(image)
    sessions.close()


def test_without_a_resolution_nothing_is_opened(qtbot: QtBot) -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((50, 50, 3), np.uint8), rgb=True)
    assert OpenSessions(viewer).open(image, SCHEME) is None


def test_a_session_open_elsewhere_can_be_looked_at(slide: Path, opened: Open) -> None:
    first, image = opened(slide)
    first.open(image, SCHEME).session.add([[10, 20]])
    second, other = opened(slide)
    assert second.open(other) is None
    trouble = second.trouble_with(other)
    assert "open in another window" in trouble.message
    assert Answer.READ_ONLY in trouble.answers
    second.answer(other, Answer.READ_ONLY)
    nuclei = second.open(other)
    assert len(nuclei.layer.data) == 1
    assert "look only" in second.note_on(other)


def test_an_edit_of_a_session_that_is_only_looked_at_is_said_and_taken_back(
    slide: Path, opened: Open, qtbot: QtBot
) -> None:
    first, image = opened(slide)
    first.open(image, SCHEME).session.add([[10, 20]])
    second, other = opened(slide)
    second.open(other)
    second.answer(other, Answer.READ_ONLY)
    nuclei, said = second.open(other), []
    second.said.connect(said.append)
    nuclei.layer.add([[5, 5]])
    qtbot.waitUntil(lambda: len(nuclei.layer.data) == 1, timeout=LONG_MS)
    assert "read-only" in said[0].text


def test_a_resolution_that_is_said_while_only_looking_is_kept_by_the_window_alone(slide: Path, opened: Open) -> None:
    first, image = opened(slide)
    first.open(image, SCHEME)
    second, other = opened(slide)
    second.open(other)
    second.answer(other, Answer.READ_ONLY)
    second.open(other)

    second.say_resolution(other, 0.25)

    assert mpp_of_layer(other) == pytest.approx(0.25)
    assert first.nuclei_of(image).session.slide.info.mpp == pytest.approx(0.5)


def test_a_damaged_session_can_be_set_aside_and_stays(slide: Path, opened: Open) -> None:
    session_path(slide).write_bytes(b"no session at all" * 100)
    sessions, image = opened(slide)
    assert sessions.open(image, SCHEME) is None
    assert "damaged" in sessions.trouble_with(image).message
    sessions.answer(image, Answer.SET_ASIDE)
    nuclei = sessions.open(image, SCHEME)
    assert nuclei is not None
    assert len(list(slide.parent.glob("*damaged*"))) == 1


def test_a_session_of_another_slide_is_refused_and_can_be_adopted(slide: Path, opened: Open) -> None:
    sessions, image = opened(slide)
    sessions.open(image, SCHEME).session.add([[10, 20]])
    sessions.close()
    Picture.fromarray(np.zeros((60, 80, 3), np.uint8)).save(slide)
    again, image = opened(slide)
    assert again.open(image) is None
    assert "belongs to" in again.trouble_with(image).message
    again.answer(image, Answer.ADOPT)
    assert len(again.open(image).layer.data) == 1


def test_a_read_only_folder_offers_the_home_folder() -> None:
    slide = slide_from_array(np.zeros((5, 5, 3), np.uint8), name="a.svs", mpp=0.5)
    trouble = trouble_with(PlaceNotWritable("It cannot be kept there.", Path("elsewhere")), slide)
    assert trouble.answers[:2] == (Answer.ELSEWHERE, Answer.CHOOSE)
    assert trouble.elsewhere == Path("elsewhere")


def test_a_session_is_kept_in_the_folder_that_was_chosen(slide: Path, opened: Open, tmp_path: Path) -> None:
    sessions, image = opened(slide)
    sessions.answer(image, Answer.CHOOSE, tmp_path / "chosen")
    sessions.open(image, SCHEME).session.add([[10, 20]])
    assert (tmp_path / "chosen" / "slide.png.nucloop").exists()


def test_a_window_that_is_closed_is_looked_at_again_by_searches_for_garbage(
    make_napari_viewer: Callable[..., napari.Viewer],
) -> None:
    viewer = make_napari_viewer(show=True)
    # an image that an earlier test has removed may still be looked for
    search_everywhere()
    OpenSessions.of(viewer)
    assert gc.get_freeze_count() > 0

    viewer.close()

    assert gc.get_freeze_count() == 0
