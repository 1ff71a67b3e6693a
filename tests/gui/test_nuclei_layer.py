"""The nuclei layer on a ViewerModel: what a person does with napari's tools reaches the table, and back."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from nucloop.classes import ClassScheme
from nucloop.formats.slide_info import SlideInfo
from nucloop.gui.canvas.colouring import ColourBy
from nucloop.gui.layer.nuclei_layer import NucleiLayer
from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.session import Session, SlideIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from nucloop.session import ModelRun

SCHEME = ClassScheme.named("brca-m2c")
MPP = 0.25
PLACES = [[100, 100], [200, 300], [300, 500], [400, 700]]
PROBABILITY = [[0.9, 0.05, 0.05], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.96, 0.03, 0.01]]
WAIT_MS = 20_000
ADDED_AND_DELETED = 40


def found(places: list[list[float]] | None = None) -> Nuclei:
    places = PLACES if places is None else places
    probability = np.resize(np.array(PROBABILITY, np.float32), (len(places), 3))
    return Nuclei.from_points(
        SCHEME, places, label=probability.argmax(1), score=np.full(len(places), 0.8), probability=probability
    )


WEIGHTS = {"detector": {"name": "test", "sha256": "0" * 64}}


def begin_run(nuclei: NucleiLayer) -> ModelRun:
    return nuclei.session.begin_run(WEIGHTS, 3.0 / MPP)


@pytest.fixture
def run(nuclei: NucleiLayer) -> ModelRun:
    """The run that found the nuclei, still going on."""
    run = begin_run(nuclei)
    run.add(found())
    return run


@pytest.fixture
def nuclei(qtbot: QtBot) -> Iterator[NucleiLayer]:
    viewer = ViewerModel()
    image = Image(np.full((600, 900, 3), 255, np.uint8), rgb=True, scale=(MPP, MPP), translate=(7, 9), units="um")
    viewer.add_layer(image)
    slide = SlideIdentity(SlideInfo(name="field", height=600, width=900, mpp=MPP))
    with Session.in_memory(slide, SCHEME) as session:
        layer = NucleiLayer(viewer, image, session, MPP)
        yield layer
        layer.close()


def settled(nuclei: NucleiLayer, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not nuclei._edits.busy and not nuclei._text_timer.isActive(), timeout=WAIT_MS)


def test_layer_data_are_level_0_pixels_and_lie_on_the_image(nuclei: NucleiLayer, run: ModelRun) -> None:
    np.testing.assert_array_equal(nuclei.layer.data, PLACES)
    np.testing.assert_allclose(nuclei.layer.data_to_world(PLACES[1]), nuclei.image.data_to_world(PLACES[1]))


def test_nuclei_get_ids_that_stay(nuclei: NucleiLayer, run: ModelRun) -> None:
    assert nuclei.session.nuclei().ids.tolist() == [1, 2, 3, 4]
    nuclei.layer.remove([1])
    begin_run(nuclei).add(found([[550, 850]]))
    assert nuclei.session.nuclei().ids.tolist() == [1, 3, 4, 5]


def test_a_second_run_adds_what_is_new_and_nothing_twice(nuclei: NucleiLayer, run: ModelRun) -> None:
    run = begin_run(nuclei)
    run.add(found([[101, 102], [550, 850]]))
    assert run.new == 1
    assert len(nuclei.layer.data) == len(nuclei.session) == 5


def test_nuclei_of_one_run_may_lie_near_each_other_across_tiles(nuclei: NucleiLayer, run: ModelRun) -> None:
    run.add(found([[104, 100]]))
    assert run.new == 5
    assert len(nuclei.layer.data) == 5


def test_colours_follow_the_class(nuclei: NucleiLayer, run: ModelRun) -> None:
    expected = [SCHEME.classes[k].rgb for k in nuclei.session.nuclei().label]
    np.testing.assert_allclose(nuclei.layer.face_color[:, :3] * 255, expected, atol=1)


@pytest.mark.parametrize("by", list(ColourBy))
def test_every_way_of_colouring_gives_every_nucleus_an_opaque_colour(
    nuclei: NucleiLayer, run: ModelRun, by: ColourBy
) -> None:
    nuclei.colour_by = by
    assert nuclei.layer.face_color.shape == (4, 4)
    assert (nuclei.layer.face_color[:, 3] == 1).all()


def test_a_sure_and_an_unsure_nucleus_differ_by_confidence_and_by_uncertainty(
    nuclei: NucleiLayer, run: ModelRun
) -> None:
    for by in (ColourBy.CONFIDENCE, ColourBy.UNCERTAINTY):
        nuclei.colour_by = by
        unsure, sure = nuclei.layer.face_color[2], nuclei.layer.face_color[3]
        assert sure[2] - sure[0] > 0.3, "sure is blue"
        assert unsure[0] >= unsure[2], "unsure is not"


def test_hidden_classes_are_hidden_and_still_counted(nuclei: NucleiLayer, run: ModelRun) -> None:
    nuclei.hidden = frozenset({0})
    assert nuclei.layer.shown.tolist() == [False, True, True, False]
    assert nuclei.layer.face_color[:, 3].tolist() == [0, 1, 1, 0], "napari draws what is not shown"
    assert nuclei.shown_count() == 2
    assert nuclei.session.nuclei().counts()["lymphocyte"] == 2


def test_the_confidence_slider_never_hides_what_a_person_said(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    nuclei.layer.add([[500, 100]])
    settled(nuclei, qtbot)
    nuclei.least_confidence = 0.7
    assert nuclei.layer.shown.tolist() == [True, False, False, True, True]


def test_nuclei_that_come_while_a_class_is_hidden_are_hidden_too(nuclei: NucleiLayer, run: ModelRun) -> None:
    nuclei.hidden = frozenset({0})
    run.add(found([[550, 850]]))
    assert not nuclei.layer.shown[-1]


def test_hovering_tells_class_probability_and_who_said_it(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    place = nuclei.image.data_to_world(PLACES[0])
    # what it says follows the picture; until then it says nothing, and nothing of another nucleus
    assert not nuclei.layer._get_tooltip_text(place, dims_displayed=[0, 1], world=True)
    settled(nuclei, qtbot)
    text = nuclei.layer._get_tooltip_text(nuclei.image.data_to_world(PLACES[0]), dims_displayed=[0, 1], world=True)
    assert text.splitlines()[:3] == ["class: lymphocyte", "probability: 0.9", "said by: the model"]


def test_the_status_bar_can_be_read_at_any_time_while_nuclei_come_and_go(nuclei: NucleiLayer, run: ModelRun) -> None:
    """Napari reads it in a thread of its own, and would show its traceback."""
    faults: list[Exception] = []
    read, over = 0, threading.Event()

    def read_on() -> None:
        nonlocal read
        while not over.is_set():
            try:
                nuclei.layer.get_status((100 * MPP + 7, 100 * MPP + 9), dims_displayed=[0, 1], world=True)
                read += 1
            except Exception as fault:  # noqa: BLE001 - each is one that a person would have seen
                faults.append(fault)

    thread = threading.Thread(target=read_on, daemon=True)
    turn = sys.getswitchinterval()
    # threads take turns in the middle of everything
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        for _ in range(ADDED_AND_DELETED):
            nuclei.session.add([[150, 150]])
            nuclei.session.undo()
    finally:
        sys.setswitchinterval(turn)
        over.set()
        thread.join()
    assert read > 0
    assert not faults


def test_an_added_point_is_a_person_s_nucleus_without_a_class(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    nuclei.layer.add([[500, 100]])
    settled(nuclei, qtbot)
    table = nuclei.session.nuclei()
    assert table.yx[-1].tolist() == [500, 100]
    assert table.origin[-1] == Origin.ADDED
    assert table.label[-1] == UNLABELLED
    assert nuclei.layer.features["class"].iloc[-1] == "no class yet"
    assert nuclei.layer.features["said by"].iloc[-1] == "a person, adding"


def test_an_added_nucleus_is_not_found_again_even_in_the_same_run(nuclei: NucleiLayer, run: ModelRun) -> None:
    nuclei.layer.add([[500, 100]])
    run.add(found([[503, 101]]))
    assert run.new == 4


def test_a_deleted_nucleus_does_not_come_back(nuclei: NucleiLayer, run: ModelRun) -> None:
    nuclei.layer.selected_data = {0, 2}
    nuclei.layer.remove_selected()
    assert nuclei.session.nuclei().ids.tolist() == [2, 4]
    run = begin_run(nuclei)
    run.add(found())
    assert run.new == 0


def test_a_moved_nucleus_stays_where_it_was_put(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    nuclei.layer._move([1], np.array([220.0, 340.0]))
    nuclei.layer._move([1], np.array([240.0, 360.0]))
    settled(nuclei, qtbot)
    table = nuclei.session.nuclei()
    place = table.yx[1].tolist()
    assert place == nuclei.layer.data[1].tolist() != PLACES[1]
    assert table.label[1] == 1
    run = begin_run(nuclei)
    run.add(found([PLACES[1], place]))
    assert run.new == 0


def test_pasted_points_are_new_nuclei_with_ids_of_their_own(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    nuclei.layer.selected_data = {0}
    nuclei.layer._copy_data()
    nuclei._edits._paste(nuclei.layer)
    settled(nuclei, qtbot)
    assert nuclei.session.nuclei().ids.tolist() == [1, 2, 3, 4, 5]
    assert nuclei.session.nuclei().origin[-1] == Origin.ADDED


def test_a_person_s_selection_survives_nuclei_that_arrive(nuclei: NucleiLayer, run: ModelRun) -> None:
    nuclei.layer.selected_data = {1, 3}
    run.add(found([[550, 850]]))
    assert set(nuclei.layer.selected_data) == {1, 3}


def test_an_emptied_layer_is_an_emptied_table(nuclei: NucleiLayer, run: ModelRun) -> None:
    nuclei.layer.data = np.zeros((0, 2))
    assert len(nuclei.session) == 0
    run = begin_run(nuclei)
    run.add(found())
    assert run.new == 0


def test_people_s_nuclei_have_another_rim(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    nuclei.layer.add([[500, 100]])
    settled(nuclei, qtbot)
    assert not np.allclose(nuclei.layer.border_color[-1], nuclei.layer.border_color[0])


MANY = 9000


@pytest.fixture
def many(nuclei: NucleiLayer) -> NucleiLayer:
    """More nuclei than the layer holds, even all over a slide of 4000 x 4000 pixels."""
    rng = np.random.default_rng(1)
    begin_run(nuclei).add(found(rng.uniform(0, 4000, (MANY, 2)).tolist()))
    return nuclei


def look_at(nuclei: NucleiLayer, y: float, x: float, pixels: float, qtbot: QtBot) -> None:
    """Show `pixels` level-0 pixels across, and wait until the layer has followed."""
    viewer = nuclei.viewer
    camera_of(viewer).center = nuclei.image.data_to_world((y, x))
    camera_of(viewer).zoom = max(canvas_size_of(viewer)) / (pixels * MPP)
    qtbot.waitUntil(lambda: not nuclei._view_timer.isActive(), timeout=WAIT_MS)


def test_from_afar_a_picture_stands_for_the_dots(many: NucleiLayer, qtbot: QtBot) -> None:
    look_at(many, 2000, 2000, 6000, qtbot)
    assert len(many.layer.data) == 0
    assert not many.layer.editable
    assert many.density.shown
    picture = many.density.layer.data
    assert picture[..., 3].max() > 0
    box = many.density.layer.extent.world
    centre = many.image.data_to_world((2000, 2000))
    assert (box[0] < centre).all()
    assert (box[1] > centre).all()


def test_the_picture_takes_over_before_discs_lie_on_each_other_like_sand(nuclei: NucleiLayer, qtbot: QtBot) -> None:
    rng = np.random.default_rng(1)
    begin_run(nuclei).add(found(rng.uniform(0, 4000, (1500, 2)).tolist()))
    pixels_across = max(canvas_size_of(nuclei.viewer)) * 20
    look_at(nuclei, 2000, 2000, 0.4 * pixels_across, qtbot)
    assert not nuclei.density.shown
    assert len(nuclei.layer.data) == 1500
    look_at(nuclei, 2000, 2000, pixels_across, qtbot)
    assert nuclei.density.shown
    assert len(nuclei.layer.data) == 0
    look_at(nuclei, 2000, 2000, 0.4 * pixels_across, qtbot)
    assert not nuclei.density.shown


def test_few_nuclei_are_dots_however_far_away(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    look_at(nuclei, 300, 300, 100_000, qtbot)
    assert len(nuclei.layer.data) == len(PLACES)
    # a rim would be all that is seen
    np.testing.assert_array_equal(nuclei.layer.border_color, nuclei.layer.face_color)
    look_at(nuclei, 300, 300, 400, qtbot)
    assert not np.allclose(nuclei.layer.border_color, nuclei.layer.face_color)


def test_nearby_the_layer_holds_what_is_in_view_and_a_margin(many: NucleiLayer, qtbot: QtBot) -> None:
    look_at(many, 1000, 1000, 500, qtbot)
    assert not many.density.shown
    assert many.layer.editable
    seen = many.in_view()
    assert 0 < len(seen) < len(many.layer.data) < MANY
    assert np.isin(seen, many.ids).all()
    np.testing.assert_array_equal(many.layer.data, many.session.positions(many.ids))


def test_the_layer_follows_the_view_and_the_selection_does_not_get_lost(many: NucleiLayer, qtbot: QtBot) -> None:
    look_at(many, 1000, 1000, 500, qtbot)
    chosen = many.in_view()[:5]
    many.select(chosen)
    look_at(many, 3000, 3000, 500, qtbot)
    assert not np.isin(chosen, many.ids).any()
    assert many.selected.tolist() == chosen.tolist()
    look_at(many, 1000, 1000, 500, qtbot)
    rows = sorted(many.layer.selected_data)
    assert many.ids[rows].tolist() == chosen.tolist()


def test_counts_speak_of_all_nuclei_wherever_the_view_is(many: NucleiLayer, qtbot: QtBot) -> None:
    look_at(many, 1000, 1000, 500, qtbot)
    assert sum(many.counts().values()) == len(many.session) == MANY
    many.hidden = frozenset({0})
    assert many.shown_count() == MANY - many.counts()[0]


def test_undo_and_redo_of_a_whole_run_reach_the_layer(many: NucleiLayer, qtbot: QtBot) -> None:
    look_at(many, 1000, 1000, 500, qtbot)
    seen = many.in_view()
    many.session.undo()
    assert len(many.layer.data) == 0
    many.session.redo()
    assert len(seen) > 0
    assert np.isin(seen, many.ids).all()


def test_each_of_napari_s_edits_is_one_entry_of_the_journal(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    nuclei.layer.add([[500, 100]])
    nuclei.layer._move([0], np.array([100.0, 100.0]))
    nuclei.layer._move([0], np.array([120.0, 140.0]))
    nuclei.layer.selected_data = {1, 2}
    nuclei.layer.remove_selected()
    settled(nuclei, qtbot)
    assert [edit.kind.value for edit in nuclei.session.history()] == ["model run", "add", "move", "delete"]
    for _ in range(3):
        nuclei.session.undo()
    np.testing.assert_array_equal(nuclei.layer.data, PLACES)


def test_an_edit_that_cannot_be_kept_is_said_and_taken_back(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    said = []
    nuclei.said.connect(said.append)
    nuclei.session.ledger.journal.connection.execute("PRAGMA query_only = ON")
    nuclei.layer.selected_data = {1}
    nuclei.layer.remove_selected()
    settled(nuclei, qtbot)
    assert len(said) == 1
    assert "not done" in said[0].text
    np.testing.assert_array_equal(nuclei.layer.data, PLACES)


def test_a_blinded_reader_sees_no_class_but_their_own(nuclei: NucleiLayer, run: ModelRun, qtbot: QtBot) -> None:
    nuclei.session.author, nuclei.session.blinded = "second", True
    nuclei.push()
    assert nuclei.counts()[UNLABELLED] == 4
    nuclei.session.set_class([2], 1)
    assert nuclei.counts()[1] == 1
    settled(nuclei, qtbot)
    assert nuclei.layer.features["class"].tolist() == ["no class yet", SCHEME.names[1], "no class yet", "no class yet"]


def test_a_hidden_layer_loses_nuclei_and_shows_other_classes(nuclei: NucleiLayer, run: ModelRun) -> None:
    nuclei.layer.visible = False

    nuclei.session.delete([3, 4])
    nuclei.hidden = frozenset([0])
    nuclei.layer.visible = True

    np.testing.assert_array_equal(nuclei.layer.data, PLACES[:2])
    assert len(nuclei.layer._view_face_color) == 2
