"""Outlines that a person draws: kept with their author, undone, on disk; nuclei that are split and merged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from tests.session.conftest import SCHEME, WEIGHTS, found

from nucloop.errors import SessionError
from nucloop.nuclei import Nuclei, Origin
from nucloop.outlines import Outlines
from nucloop.session import EditKind, Session
from nucloop.session.outlining import add_outlined, cut_along, draw_around, draw_outline, merge, split

if TYPE_CHECKING:
    from tests.session.conftest import Opens

MPP = 0.5
BOX = np.array([[-10, -10], [-10, 10], [10, 10], [10, -10]], float)


def box(y: float, x: float, scale: float = 1) -> np.ndarray:
    return BOX * scale + np.array([y, x])


def boxes(session: Session, *yx: tuple[float, float]) -> list[int]:
    """Nuclei that a model found, a box of 20 pixels around each."""
    table = replace(found(*yx), outlines=Outlines.of([BOX + place for place in yx]))
    return list(session.begin_run(WEIGHTS, 2.0).add(table).tolist())


def ring(session: Session, identity: int) -> np.ndarray | None:
    outlines = session.nuclei([identity], outlines=True).outlines
    return None if outlines is None else outlines[0]


def area(session: Session, identity: int) -> float:
    return float(shapely.Polygon(ring(session, identity)).area)


def everything(session: Session) -> list[object]:
    """What can be seen of all nuclei."""
    table = session.nuclei(outlines=True)
    rings = [None if one is None else np.round(one, 3).tolist() for one in table.outlines or [None] * len(table)]
    columns = (table.ids, table.yx, table.label, table.origin)
    return [*(column.tolist() for column in columns), rings, session.drawn_by(table.ids)]


def test_a_drawn_outline_is_its_authors_and_is_on_disk(opened: Opens) -> None:
    session = opened()
    session.author = "Dr A"
    (one,) = boxes(session, (50, 50))

    change = draw_outline(session, one, BOX * 1.5 + 52)

    assert change.kind is EditKind.OUTLINE
    assert change.outlined.tolist() == [one]
    assert not len(change.relabelled)
    assert area(session, one) == pytest.approx(900)
    assert session.positions([one]).tolist() == [[50, 50]]
    assert session.drawn_by([one]) == ["Dr A"]
    seen = everything(session)
    session = opened()
    assert everything(session) == seen
    session.undo()
    assert area(session, one) == pytest.approx(400)
    assert session.drawn_by([one]) == [""]
    session.redo()
    assert everything(session) == seen


def test_a_nucleus_whose_point_lies_outside_what_was_drawn_moves_into_its_middle(session: Session) -> None:
    (one,) = boxes(session, (50, 50))
    draw_outline(session, one, box(50, 75))
    assert session.positions([one]).tolist() == [[50, 75]]
    assert shapely.Polygon(ring(session, one)).centroid.coords[0] == pytest.approx((50, 75))


def test_a_drawn_outline_moves_with_its_nucleus_and_is_drawn_again_where_it_is(session: Session) -> None:
    (one,) = boxes(session, (50, 50))
    session.move([one], [[80, 90]])
    draw_outline(session, one, box(80, 90, 0.5))
    session.move([one], [[80, 100]])
    np.testing.assert_allclose(ring(session, one), box(80, 100, 0.5))


def test_no_import_and_no_model_run_replaces_a_drawn_outline(session: Session) -> None:
    (one,) = boxes(session, (50, 50))
    draw_outline(session, one, BOX * 1.2 + 50)
    table = Nuclei.from_points(
        SCHEME, [[50, 50]], label=1, origin=Origin.IMPORTED, outlines=Outlines.of([BOX * 2 + 50])
    )
    session.import_nuclei(table, radius_px=5, force=True)
    boxes(session, (50, 50))
    assert len(session) == 1
    assert area(session, one) == pytest.approx(576)


def test_a_ring_that_crosses_itself_keeps_its_largest_part_and_one_around_nothing_is_refused(session: Session) -> None:
    (one,) = boxes(session, (50, 50))
    # the hand went on past where it began
    draw_outline(session, one, np.vstack([BOX, [[-10, -12], [-14, -12], [-14, -6]]]) + 50)
    assert 350 < area(session, one) < 450
    before = session.ledger.history.last
    for nothing in ([[1, 1]], [[50, 50], [51, 51], [52, 52]], np.full((4, 2), np.nan)):
        with pytest.raises(SessionError, match="encloses nothing"):
            draw_outline(session, one, nothing)
    assert session.ledger.history.last == before


def test_a_nucleus_can_be_added_by_its_outline(opened: Opens) -> None:
    session = opened()
    session.author = "Dr A"
    change = add_outlined(session, BOX + 30, 1)
    assert change.added.tolist() == [1]
    assert session.positions([1]).tolist() == [[30, 30]]
    assert session.labels([1]).tolist() == [1]
    assert session.nuclei([1]).origin.tolist() == [Origin.ADDED]
    assert session.locked([1]).all()
    assert session.labels_of("Dr A", [1]).tolist() == [1]
    seen = everything(session)
    assert everything(opened()) == seen


def test_a_split_nucleus_is_two_with_its_class_and_all_of_its_ground(opened: Opens) -> None:
    session = opened()
    (one,) = boxes(session, (50, 50))
    session.set_class([one], 1, force=True)
    session.move([one], [[150, 150]])
    before = everything(session)

    change = split(session, one, [[135, 155], [165, 155]])

    (two,) = change.added.tolist()
    assert change.kind is EditKind.SPLIT
    assert change.moved.tolist() == []
    assert (area(session, one), area(session, two)) == pytest.approx((300, 100))
    assert session.positions([two]).tolist() == [[150, 157.5]]
    assert session.labels([one, two]).tolist() == [1, 1]
    assert session.nuclei([two]).origin.tolist() == [Origin.ADDED]
    both = shapely.union_all([shapely.Polygon(ring(session, k)) for k in (one, two)])
    assert both.area == pytest.approx(400)
    after = everything(session)
    assert everything(opened()) == after
    session = opened()
    session.undo()
    assert everything(session) == before
    session.redo()
    assert everything(session) == after


def test_the_point_of_what_stays_moves_when_the_other_part_has_taken_its_place(session: Session) -> None:
    (one,) = boxes(session, (50, 50))
    change = split(session, one, [[49, 30], [49, 70]])
    (two,) = change.added.tolist()
    assert session.positions([one]).tolist() == [[50, 50]]
    split(session, one, [[51.5, 30], [51.5, 70]])
    assert session.positions([one])[0, 0] == pytest.approx(55.75)
    assert len(session) == 3
    # a model does not find the whole again where it was
    run = session.begin_run(WEIGHTS, 3.0)
    assert run.add(found((50, 50))).tolist() == [0]
    assert two in session.ids()


def test_a_line_that_ends_within_the_nucleus_is_taken_to_its_border(session: Session) -> None:
    (one,) = boxes(session, (50, 50))
    split(session, one, [[45, 52], [47, 52], [55, 52]])
    assert len(session) == 2
    assert area(session, one) == pytest.approx(240)


def test_a_shaky_line_still_makes_two(session: Session) -> None:
    (one,) = boxes(session, (50, 50))
    change = split(session, one, [[30, 50], [45, 61], [50, 50], [55, 61], [70, 50]])
    assert len(change.added) == 1
    total = area(session, one) + area(session, int(change.added[0]))
    assert total == pytest.approx(400, rel=0.02)


def test_a_line_past_the_nucleus_and_one_without_an_outline_are_refused(session: Session) -> None:
    (one,) = boxes(session, (50, 50))
    bare = int(session.add([[100, 100]]).added[0])
    with pytest.raises(SessionError, match="does not cut"):
        split(session, one, [[30, 80], [70, 80]])
    with pytest.raises(SessionError, match="no outline"):
        split(session, bare, [[90, 100], [110, 100]])
    assert len(session) == 2


def test_merged_nuclei_are_one_with_the_ground_of_both(opened: Opens) -> None:
    session = opened()
    one, two = boxes(session, (50, 50), (50, 65))
    before = everything(session)

    change = merge(session, [two, one])

    assert change.removed.tolist() == [two]
    assert change.outlined.tolist() == [one]
    assert area(session, one) == pytest.approx(20 * 35)
    after = everything(session)
    session = opened()
    assert everything(session) == after
    session.undo()
    assert everything(session) == before
    session.redo()
    # it stays gone
    assert session.begin_run(WEIGHTS, 3.0).add(found((50, 65))).tolist() == [0]


def test_of_merged_nuclei_the_one_that_a_person_spoke_about_stays(session: Session) -> None:
    one, two = boxes(session, (50, 50), (50, 65))
    session.set_class([two], 2, force=True)
    merge(session, [one, two])
    assert session.ids().tolist() == [two]
    assert session.labels([two]).tolist() == [2]


def test_nuclei_a_little_apart_are_joined_and_far_apart_refused(session: Session) -> None:
    one, two, three = boxes(session, (50, 50), (50, 73), (50, 150))
    with pytest.raises(SessionError, match="too far apart"):
        merge(session, [one, three])
    with pytest.raises(SessionError, match="Select two"):
        merge(session, [one])
    merge(session, [one, two])
    assert area(session, one) == pytest.approx(20 * 43)


def test_points_without_outlines_merge_half_way(session: Session) -> None:
    ids = session.add([[10, 10], [10, 20]]).added
    merge(session, ids)
    assert session.positions(session.ids()).tolist() == [[10, 15]]


def draw(session: Session, outline: np.ndarray, selected: list[int] | None = None) -> list[int]:
    """Draw around something; return ids that are new."""
    chosen = np.array(selected or [], np.int64)
    return draw_around(session, outline, MPP, selected=chosen, visible=lambda ids: ids, label=2).added.tolist()


def test_a_ring_means_what_lies_in_it_or_what_it_overlaps_and_else_a_new_nucleus(session: Session) -> None:
    one, two = boxes(session, (50, 50), (50, 80))
    assert draw(session, box(50, 50, 0.6)) == []
    assert area(session, one) == pytest.approx(144)
    # beside the point, on the same nucleus
    assert draw(session, box(50, 90.5)) == []
    assert session.positions([two]).tolist() == [[50, 90.5]]
    assert draw(session, box(150, 150)) == [3]
    assert session.labels([3]).tolist() == [2]


def test_of_several_in_a_ring_the_selected_one_is_meant(session: Session) -> None:
    one, two = boxes(session, (50, 50), (50, 65))
    around = box(50, 57, 2)
    with pytest.raises(SessionError, match="2 nuclei lie in this outline"):
        draw(session, around)
    assert draw(session, around, [two]) == []
    assert area(session, two) == pytest.approx(1600)
    assert area(session, one) == pytest.approx(400)
    # what is selected elsewhere is not meant
    draw(session, box(300, 300), [one])
    assert area(session, one) == pytest.approx(400)


def test_a_line_means_the_nucleus_that_it_crosses_most_unless_another_is_selected(session: Session) -> None:
    one, two = boxes(session, (50, 50), (50, 75))
    line = [[50, 52], [50, 90]]

    def cut(*selected: int) -> int:
        change = cut_along(session, line, MPP, selected=np.array(selected, np.int64), visible=lambda ids: ids)
        touched = int(change.outlined[0])
        session.undo()
        return touched

    assert cut() == two
    assert cut(one) == one
    with pytest.raises(SessionError, match="crosses no outline"):
        cut_along(session, [[300, 300], [310, 310]], MPP, selected=np.zeros(0, np.int64), visible=lambda ids: ids)


def test_hidden_nuclei_cannot_be_meant(session: Session) -> None:
    boxes(session, (50, 50))
    nobody = np.zeros(0, np.int64)
    change = draw_around(session, BOX + 50, MPP, selected=nobody, visible=lambda ids: ids[:0])
    assert len(change.added) == 1
