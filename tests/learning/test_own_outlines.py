"""Outlines learned from a slide's own points, without a window: what is read, what is learned, what would change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
import shapely
from tests.toy_outlines import disc_places, discs, small_network

from nucloop.classes import ClassScheme
from nucloop.errors import DataError, WeightsError
from nucloop.learning.outlines import learned as own_outlines
from nucloop.learning.outlines.learned import OutlineNetwork, learn_outlines, outlines_at
from nucloop.learning.outlines.point_fields import MOST_FIELDS, point_fields
from nucloop.learning.outlines.proposal import OutlineChange, OutlineProposal, OutlineStep
from nucloop.models.donuseg import DonusegConfig
from nucloop.models.files.cards import find_weights, load_encoder
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.session import Session, SlideIdentity
from nucloop.session.outlining import draw_outline
from nucloop.slides import slide_from_array
from nucloop.training.donuseg import DonusegTask, begun_with
from nucloop.training.recipe import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.slides import Slide

SCHEME = ClassScheme.named("nucleus")
STEPS = 60
BOX = np.array([[-3, -3], [-3, 3], [3, 3], [3, -3]], float)
WEIGHTS = {"outlines": {"name": "mine", "sha256": "1" * 64}}


def spots(side: int) -> tuple[Slide, Nuclei]:
    """Dark discs of 3 µm radius, and a nucleus on each."""
    nuclei = Nuclei.from_points(SCHEME, disc_places(side), label=0).numbered()
    return slide_from_array(discs(side), mpp=0.5, name="spots"), nuclei


@pytest.fixture(scope="module")
def learned() -> tuple[list[Any], Slide, Nuclei]:
    """All that learning says on the way, with the slide and its nuclei."""
    slide, nuclei = spots(240)
    with small_network(STEPS):
        return list(learn_outlines(slide, nuclei)), slide, nuclei


@pytest.mark.slow
def test_points_alone_teach_how_far_nuclei_reach(learned: tuple[list[Any], Slide, Nuclei]) -> None:
    said, slide, nuclei = learned
    *steps, network = said
    assert all(isinstance(step, OutlineStep) for step in steps)
    assert [step.done for step in steps if step.text == "Learning"][:STEPS] == list(range(1, STEPS + 1))
    assert steps[-1].seconds_left == 0
    found = list(outlines_at(slide, network, nuclei))
    rings = [ring for part in found for ring in part.nuclei.outlines]
    there = [shapely.Polygon(ring).area for ring in rings if ring is not None]
    assert len(there) > 0.9 * len(nuclei)
    assert np.median(there) == pytest.approx(np.pi * 36, rel=0.35)


@pytest.mark.slow
def test_what_is_kept_is_the_network_that_its_card_names_and_can_be_chosen_again(
    learned: tuple[list[Any], Slide, Nuclei], tmp_path: Path
) -> None:
    network, slide, nuclei = learned[0][-1], *learned[1:]
    card = network.keep(tmp_path / "mine.safetensors")
    assert card.sha256 == network.card.sha256
    assert card.name == "mine"
    assert card.recipe["start"]["name"] == "small"
    again = OutlineNetwork.open(tmp_path / "mine.safetensors")
    first, second = ([part.nuclei.outlines for part in outlines_at(slide, n, nuclei)] for n in (network, again))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.corners, other.corners)


def test_it_begins_with_what_the_encoder_that_ships_knows() -> None:
    encoder = load_encoder(own_outlines.START)[0]
    net = begun_with(encoder, load_recipe(own_outlines.RECIPE, DonusegTask.recipe_kind).model)
    known = encoder.backbone.net.state_dict()
    for name, value in net.backbone.net.state_dict().items():
        assert (value == known[name]).all()
    with pytest.raises(WeightsError, match="has another encoder than test_efficientnet"):
        begun_with(encoder, DonusegConfig(backbone="test_efficientnet"))


def test_tiles_make_no_difference_and_the_nearest_come_first(learned: tuple[list[Any], Slide, Nuclei]) -> None:
    network, (slide, nuclei) = learned[0][-1], spots(300)
    whole = rings_of(outlines_at(slide, network, nuclei))
    with patch.object(own_outlines, "SIDE", 96):
        parts = list(outlines_at(slide, network, nuclei, (250.0, 250.0)))
    assert len(parts) == 9
    assert np.abs(parts[0].nuclei.yx - 250).max() < 96
    assert [part.done for part in parts][-1] == parts[0].total == len(nuclei)
    cut = rings_of(parts)
    assert sum(ring is not None for ring in whole.values()) > 100
    assert whole.keys() == cut.keys()
    for number, ring in whole.items():
        assert (ring is None) == (cut[number] is None)
        if ring is not None:
            np.testing.assert_allclose(ring, cut[number], atol=0.05)


def rings_of(parts: Any) -> dict[int, Any]:
    return {
        number: ring
        for part in parts
        for number, ring in zip(part.nuclei.ids.tolist(), part.nuclei.outlines, strict=True)
    }


def test_few_squares_are_read_whatever_the_slide_and_none_reaches_far_beyond_its_points() -> None:
    slide, nuclei = spots(300)
    (field,) = point_fields(slide, nuclei.yx[(nuclei.yx < 130).all(1)], 0.5)
    np.testing.assert_array_equal(field.read(), slide.read_working(4, 4, 113, 113, 0.5))
    assert len(field.yx) == 25
    wide = slide_from_array(np.full((3072, 4096, 3), 220, np.uint8), mpp=0.5, name="wide")
    many = np.random.default_rng(0).random((4000, 2)) * (3072, 4096)
    fields = list(point_fields(wide, many, 0.5))
    assert len(fields) == MOST_FIELDS
    again = [field.yx for field in point_fields(wide, many, 0.5)]
    assert all(np.array_equal(field.yx, yx) for field, yx in zip(fields, again, strict=True))


def test_too_few_nuclei_are_refused_with_what_to_do() -> None:
    slide, nuclei = spots(120)
    with pytest.raises(DataError, match="at least 30 nuclei side by side, and here are 25"):
        list(learn_outlines(slide, nuclei))


def test_a_file_of_another_network_is_refused() -> None:
    with pytest.raises(WeightsError, match="does not outline given points"):
        OutlineNetwork.open(find_weights("denuc-mobilenet"))


@pytest.fixture
def session() -> Session:
    """Four nuclei side by side: the first two have outlines."""
    slide = SlideIdentity.of(slide_from_array(np.zeros((100, 100, 3), np.uint8), mpp=0.5, name="small"))
    session = Session.in_memory(slide, SCHEME, author="Ann")
    places = np.array([[20.0, 20], [20, 50], [50, 20], [50, 50]])
    rings = [BOX + places[0], BOX + places[1], None, None]
    session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 3.0).add(
        Nuclei.from_points(SCHEME, places, label=0, score=np.full(4, 0.9), outlines=Outlines.of(rings))
    )
    return session


def proposed(session: Session, missing: int | None = None) -> OutlineProposal:
    """Twice as large boxes for all, in two parts of mixed order."""
    nuclei = session.nuclei()
    rings = [None if number == missing else 2 * BOX + yx for number, yx in zip(nuclei.ids, nuclei.yx, strict=True)]
    table = replace(nuclei, outlines=Outlines.of(rings))
    proposal = OutlineProposal([table.take(np.array([2, 1]))], WEIGHTS)
    proposal.add(table.take(np.array([3, 0])))
    return proposal


def areas(session: Session) -> list[float]:
    outlines = session.nuclei(outlines=True).outlines
    return [0.0 if ring is None else shapely.Polygon(ring).area for ring in outlines or ()]


def test_nothing_is_written_before_it_is_applied_and_then_it_is_one_step(session: Session) -> None:
    proposal, before = proposed(session, missing=3), areas(session)
    assert before == [36, 36, 0, 0]
    assert proposal.change(session) == OutlineChange(first=1, other=2, drawn=0, unseen=1)
    looked = proposal.over(session, session.nuclei(outlines=True))
    assert [0.0 if ring is None else shapely.Polygon(ring).area for ring in looked.outlines] == [144, 144, 0, 144]
    assert areas(session) == before

    change = proposal.apply(session)
    assert change.outlined.tolist() == [1, 2, 4]
    assert areas(session) == [144, 144, 0, 144]
    assert session.history(1)[0].details == {"weights": WEIGHTS, "did": "learned outlines"}
    session.undo()
    assert areas(session) == before
    session.redo()
    assert areas(session) == [144, 144, 0, 144]
    session.move([4], [[60.0, 60.0]])
    assert shapely.Polygon(session.nuclei([4], outlines=True).outlines[0]).centroid.coords[0] == (60, 60)


def test_a_persons_outline_stays_and_so_does_what_was_moved_or_deleted_meanwhile(session: Session) -> None:
    draw_outline(session, 1, 3 * BOX + (20, 20))
    proposal = proposed(session)
    draw_outline(session, 3, 3 * BOX + (50, 20))
    session.move([2], [[22.0, 52.0]])
    session.delete([4])
    before = areas(session)
    assert proposal.change(session).drawn == 2
    looked = proposal.over(session, session.nuclei(outlines=True))
    assert [shapely.Polygon(ring).area for ring in looked.outlines] == before
    proposal.apply(session)
    assert areas(session) == before
    assert session.drawn_by([1, 2, 3]) == ["Ann", "", "Ann"]


def test_outlines_of_a_nucleus_that_was_moved_before_are_where_they_were_found(session: Session) -> None:
    session.move([3], [[70.0, 70.0]])
    proposed(session).apply(session)
    ring = session.nuclei([3], outlines=True).outlines[0]
    np.testing.assert_allclose(ring, 2 * BOX + (70, 70), atol=1e-3)
