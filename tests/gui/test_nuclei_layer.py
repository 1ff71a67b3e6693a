"""The nuclei layer on a ViewerModel: what a person does with napari's tools reaches the table, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from nucloop.classes import ClassScheme
from nucloop.gui.colouring import ColourBy
from nucloop.gui.nuclei_layer import NucleiLayer
from nucloop.gui.nuclei_table import NucleiTable
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

SCHEME = ClassScheme.named("brca-m2c")
MPP = 0.25
PLACES = [[100, 100], [200, 300], [300, 500], [400, 700]]
PROBABILITY = [[0.9, 0.05, 0.05], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.96, 0.03, 0.01]]
WAIT_MS = 20_000


def found(places: list[list[float]] | None = None) -> Nuclei:
    places = PLACES if places is None else places
    probability = np.resize(np.array(PROBABILITY, np.float32), (len(places), 3))
    return Nuclei.from_points(
        SCHEME, places, label=probability.argmax(1), score=np.full(len(places), 0.8), probability=probability
    )


@pytest.fixture
def nuclei(qtbot: QtBot) -> NucleiLayer:
    viewer = ViewerModel()
    image = Image(np.full((600, 900, 3), 255, np.uint8), rgb=True, scale=(MPP, MPP), translate=(7, 9), units="um")
    viewer.add_layer(image)
    layer = NucleiLayer(viewer, image, NucleiTable(SCHEME), MPP)
    layer.table.begin_run()
    layer.add_found(found())
    return layer


def settled(nuclei: NucleiLayer, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not nuclei._settle_timer.isActive(), timeout=WAIT_MS)


def test_layer_data_are_level_0_pixels_and_lie_on_the_image(nuclei: NucleiLayer) -> None:
    np.testing.assert_array_equal(nuclei.layer.data, PLACES)
    np.testing.assert_allclose(nuclei.layer.data_to_world(PLACES[1]), nuclei.image.data_to_world(PLACES[1]))


def test_nuclei_get_ids_that_stay(nuclei: NucleiLayer) -> None:
    assert nuclei.table.nuclei.ids.tolist() == [1, 2, 3, 4]
    nuclei.layer.remove([1])
    nuclei.table.begin_run()
    nuclei.add_found(found([[550, 850]]))
    assert nuclei.table.nuclei.ids.tolist() == [1, 3, 4, 5]


def test_a_second_run_adds_what_is_new_and_nothing_twice(nuclei: NucleiLayer) -> None:
    nuclei.table.begin_run()
    assert nuclei.add_found(found([[101, 102], [550, 850]])) == 1
    assert len(nuclei.layer.data) == len(nuclei.table) == 5


def test_nuclei_of_one_run_may_lie_near_each_other_across_tiles(nuclei: NucleiLayer) -> None:
    assert nuclei.add_found(found([[104, 100]])) == 1


def test_colours_follow_the_class(nuclei: NucleiLayer) -> None:
    expected = [SCHEME.classes[k].rgb for k in nuclei.table.nuclei.label]
    np.testing.assert_allclose(nuclei.layer.face_color[:, :3] * 255, expected, atol=1)


@pytest.mark.parametrize("by", list(ColourBy))
def test_every_way_of_colouring_gives_every_nucleus_an_opaque_colour(nuclei: NucleiLayer, by: ColourBy) -> None:
    nuclei.colour_by = by
    assert nuclei.layer.face_color.shape == (4, 4)
    assert (nuclei.layer.face_color[:, 3] == 1).all()


def test_a_sure_and_an_unsure_nucleus_differ_by_confidence_and_by_uncertainty(nuclei: NucleiLayer) -> None:
    for by in (ColourBy.CONFIDENCE, ColourBy.UNCERTAINTY):
        nuclei.colour_by = by
        unsure, sure = nuclei.layer.face_color[2], nuclei.layer.face_color[3]
        assert sure[2] - sure[0] > 0.3, "sure is blue"
        assert unsure[0] >= unsure[2], "unsure is not"


def test_hidden_classes_are_hidden_and_still_counted(nuclei: NucleiLayer) -> None:
    nuclei.hidden = frozenset({0})
    assert nuclei.layer.shown.tolist() == [False, True, True, False]
    assert nuclei.shown_count() == 2
    assert nuclei.table.nuclei.counts()["lymphocyte"] == 2


def test_the_confidence_slider_never_hides_what_a_person_said(nuclei: NucleiLayer, qtbot: QtBot) -> None:
    nuclei.layer.add([[500, 100]])
    settled(nuclei, qtbot)
    nuclei.least_confidence = 0.7
    assert nuclei.layer.shown.tolist() == [True, False, False, True, True]


def test_nuclei_that_come_while_a_class_is_hidden_are_hidden_too(nuclei: NucleiLayer) -> None:
    nuclei.hidden = frozenset({0})
    nuclei.add_found(found([[550, 850]]))
    assert not nuclei.layer.shown[-1]


def test_hovering_tells_class_probability_and_who_said_it(nuclei: NucleiLayer) -> None:
    text = nuclei.layer._get_tooltip_text(nuclei.image.data_to_world(PLACES[0]), dims_displayed=[0, 1], world=True)
    assert text.splitlines()[:3] == ["class: lymphocyte", "probability: 0.9", "said by: the model"]


def test_an_added_point_is_a_person_s_nucleus_without_a_class(nuclei: NucleiLayer, qtbot: QtBot) -> None:
    nuclei.layer.add([[500, 100]])
    settled(nuclei, qtbot)
    table = nuclei.table.nuclei
    assert table.yx[-1].tolist() == [500, 100]
    assert table.origin[-1] == Origin.ADDED
    assert table.label[-1] == UNLABELLED
    assert nuclei.layer.features["class"].iloc[-1] == "no class yet"
    assert nuclei.layer.features["said by"].iloc[-1] == "a person, adding"


def test_an_added_nucleus_is_not_found_again_even_in_the_same_run(nuclei: NucleiLayer) -> None:
    nuclei.layer.add([[500, 100]])
    assert nuclei.add_found(found([[503, 101]])) == 0


def test_a_deleted_nucleus_does_not_come_back(nuclei: NucleiLayer) -> None:
    nuclei.layer.selected_data = {0, 2}
    nuclei.layer.remove_selected()
    assert nuclei.table.nuclei.ids.tolist() == [2, 4]
    nuclei.table.begin_run()
    assert nuclei.add_found(found()) == 0


def test_a_moved_nucleus_stays_where_it_was_put(nuclei: NucleiLayer, qtbot: QtBot) -> None:
    nuclei.layer._move([1], np.array([220.0, 340.0]))
    nuclei.layer._move([1], np.array([240.0, 360.0]))
    settled(nuclei, qtbot)
    table = nuclei.table.nuclei
    place = table.yx[1].tolist()
    assert place == nuclei.layer.data[1].tolist() != PLACES[1]
    assert table.origin[1] == Origin.CORRECTED
    assert table.label[1] == 1
    nuclei.table.begin_run()
    assert nuclei.add_found(found([PLACES[1], place])) == 0


def test_pasted_points_are_new_nuclei_with_ids_of_their_own(nuclei: NucleiLayer, qtbot: QtBot) -> None:
    nuclei.layer.selected_data = {0}
    nuclei.layer._copy_data()
    nuclei.layer._paste_data()
    nuclei.layer.events.data(action="added", value=nuclei.layer.data, data_indices=(-1,), vertex_indices=((),))
    settled(nuclei, qtbot)
    assert nuclei.table.nuclei.ids.tolist() == [1, 2, 3, 4, 5]
    assert nuclei.table.nuclei.origin[-1] == Origin.ADDED


def test_a_person_s_selection_survives_nuclei_that_arrive(nuclei: NucleiLayer) -> None:
    nuclei.layer.selected_data = {1, 3}
    nuclei.add_found(found([[550, 850]]))
    assert set(nuclei.layer.selected_data) == {1, 3}


def test_an_emptied_layer_is_an_emptied_table(nuclei: NucleiLayer) -> None:
    nuclei.layer.data = np.zeros((0, 2))
    assert len(nuclei.table) == 0
    nuclei.table.begin_run()
    assert nuclei.add_found(found()) == 0


def test_people_s_nuclei_have_another_rim(nuclei: NucleiLayer, qtbot: QtBot) -> None:
    nuclei.layer.add([[500, 100]])
    settled(nuclei, qtbot)
    assert not np.allclose(nuclei.layer.border_color[-1], nuclei.layer.border_color[0])
