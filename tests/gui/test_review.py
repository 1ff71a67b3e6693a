"""The review queue in the window: what it asks about, where, whom it tells why, and how it stays out of the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS, MPP, SCHEME, at_rest, on_screen

from nucloop.gui.canvas.drawn_regions import draw_regions
from nucloop.gui.canvas.view import lead_to
from nucloop.gui.correct import review as review_module
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.gui.conftest import Bench

    from nucloop.gui.correct.review import Review

pytestmark = pytest.mark.gui
PLACES = np.array([(100, 100), (100, 200), (100, 300), (300, 100), (300, 200), (300, 300)])


@pytest.fixture
def field(bench: Bench) -> Bench:
    """Six nuclei in two rows."""
    bench.find(PLACES)
    return bench


def asked(bench: Bench, times: int) -> list[int]:
    """Press Space so often; return what was asked."""
    ids = []
    for _ in range(times):
        bench.key(Qt.Key.Key_Space)
        question = review_of(bench).question
        if question is not None:
            ids.append(question.id)
    return ids


def review_of(bench: Bench) -> Review:
    review = bench.correcting.review
    assert review is not None
    return review


def test_drawn_regions_are_all_that_is_asked_about(field: Bench) -> None:
    regions = draw_regions(field.viewer, field.image, "rectangle")
    regions.add_rectangles(np.array([[80, 80], [80, 320], [120, 320], [120, 80]]))
    field.viewer.layers.selection.active = field.layer
    assert sorted(asked(field, 3)) == [1, 2, 3]
    assert asked(field, 1) == []
    assert "Nothing is left to ask in the drawn regions" in field.dock.messages.text
    field.viewer.layers.remove(regions)
    field.viewer.layers.selection.active = field.layer
    assert sorted(asked(field, 3)) == [4, 5, 6]


def test_nothing_is_asked_twice_when_all_was_asked(field: Bench) -> None:
    assert sorted(asked(field, 6)) == [1, 2, 3, 4, 5, 6]
    assert asked(field, 2) == []
    field.key(Qt.Key.Key_Space, Qt.KeyboardModifier.ShiftModifier)
    assert review_of(field).question is not None, "one may go back all the same"


def test_a_blinded_reader_is_told_nothing_of_what_others_say(field: Bench) -> None:
    field.session.author = "Dr A"
    field.session.set_class([1, 2, 3, 4, 5, 6], 1)
    field.session.author, field.session.blinded = "Dr B", True
    field.nuclei.push()
    first = asked(field, 1)
    assert len(first) == 1, "what the first reader answered is asked of the second too"
    words = field.dock.review.why.text()
    assert "blinded" in words
    assert not any(name in words for name in field.session.scheme.names)
    field.key(Qt.Key.Key_3)
    assert field.session.labels_of("Dr B", first).tolist() == [2]
    assert review_of(field).question.id not in first


def test_among_many_nuclei_the_first_question_is_chosen_in_the_background(
    field: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_module, "AT_ONCE", 3)
    review = review_of(field)
    review.next()
    assert review.choosing
    assert review.question is None
    # one of them goes meanwhile
    field.session.delete([2])
    field.qtbot.waitUntil(lambda: review.question is not None, timeout=LONG_MS)
    assert sorted([review.question.id, *asked(field, 4)]) == [1, 3, 4, 5, 6]


def test_kept_features_bring_up_what_is_unlike_everything_labelled(field: Bench) -> None:
    features = np.random.default_rng(0).normal(0, 0.01, (6, 8)).astype(np.float32)
    features[3] += 5
    kept = field.sessions.features_of(field.image)
    kept.put_later("a" * 64, np.arange(1, 7), features)
    kept.flush()
    field.session.set_class([1], 0)
    assert asked(field, 1) == [4]
    assert "unlike anything labelled so far" in review_of(field).why


def test_the_window_shows_the_nucleus_in_question_with_a_ring(field: Bench) -> None:
    asked(field, 1)
    picture = field.viewer.screenshot(canvas_only=True, flash=False)
    y, x = np.array(picture.shape[:2]) // 2
    around = picture[y - 16 : y + 17, x - 16 : x + 17, :3].astype(int)
    ring = (around[..., 2] > 200) & (around[..., 0] < 60)
    rows, columns = np.nonzero(ring)
    assert np.ptp(rows) > 16, "it is larger than the nucleus"
    assert np.ptp(columns) > 16


def test_the_first_picture_after_space_shows_the_place_itself(bench: Bench, tissue: NDArray[np.uint8]) -> None:
    """napari alone draws a far place of a pyramid without its pixels first."""
    pyramid = [da.from_array(np.tile(tissue, (6, 6, 1))[::step, ::step], chunks=(512, 512, 3)) for step in (1, 2, 4)]
    slide = bench.viewer.add_image(pyramid, multiscale=True, rgb=True, name="slide", scale=(MPP, MPP), units="um")
    nuclei = bench.sessions.open(slide, SCHEME)
    assert nuclei is not None
    run = nuclei.session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 2.0)
    run.add(Nuclei.from_points(SCHEME, [(2500, 2600)], label=[0], score=[0.9]))
    bench.viewer.layers.selection.active = nuclei.layer
    lead_to(bench.viewer, nuclei.layer, np.array([300, 300]), 200)
    at_rest(bench.qtbot, lambda: on_screen(bench.canvas))
    assert (slide.corner_pixels[1, :2] < 2000).all()
    drawn = []
    canvas = bench.viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda event: drawn.append(slide.corner_pixels[:, :2].copy()), position="first")
    bench.key(Qt.Key.Key_Space)
    bench.qtbot.waitUntil(lambda: bool(drawn), timeout=LONG_MS)
    assert (drawn[0][0] <= (2500, 2600)).all()
    assert (drawn[0][1] >= (2500, 2600)).all()


def test_a_number_answers_the_question_wherever_the_mouse_is(field: Bench) -> None:
    (first,) = asked(field, 1)
    field.look_at(200, 200, 400)
    others = [one for one in range(1, 7) if one != first]
    field.hover(PLACES[others[0] - 1])
    field.key(Qt.Key.Key_3)
    assert field.label(first) == 2
    assert [field.label(one) for one in others] == [0] * 5
    second = review_of(field).question
    assert second is not None
    assert second.id != first, "the answer moves on"


def test_while_one_is_asked_a_key_means_other_nuclei_only_when_they_are_selected(field: Bench) -> None:
    (first,) = asked(field, 1)
    field.look_at(200, 200, 400)
    other = next(one for one in range(1, 7) if one != first)
    field.click(PLACES[other - 1])
    field.key(Qt.Key.Key_3)
    assert (field.label(first), field.label(other)) == (0, 2)
    question = review_of(field).question
    assert question is not None
    assert question.id == first, "it is still asked"
    field.key(Qt.Key.Key_Escape)
    assert field.nuclei.selected.tolist() == [first], "Escape goes back to the question"
    field.key(Qt.Key.Key_2)
    assert field.label(first) == 1


def test_who_has_left_the_question_means_what_they_point_at(field: Bench) -> None:
    (first,) = asked(field, 1)
    other = next(one for one in range(1, 7) if np.abs(PLACES[one - 1] - PLACES[first - 1]).max() > 150)
    field.look_at(*PLACES[other - 1], 100)
    field.hover(PLACES[other - 1])
    field.key(Qt.Key.Key_3)
    assert (field.label(first), field.label(other)) == (0, 2)
    field.key(Qt.Key.Key_Space)
    field.push(field.dock.review.stop)
    assert field.nuclei.selected.tolist() == []
