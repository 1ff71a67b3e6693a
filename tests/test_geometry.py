"""Which points lie in a drawn region: one rule, held against shapely's own."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nucloop.errors import RegionError
from nucloop.geometry import FARTHEST, MOST_CORNERS, Region, checked_ring, first_of, in_any, to_count

SQUARE = np.array([[0.0, 0], [0, 10], [10, 10], [10, 0]])
HOLE = np.array([[3.0, 3], [3, 7], [7, 7], [7, 3]])
BOW_TIE = np.array([[0.0, 0], [10, 10], [0, 10], [10, 0]])
ANGLE = np.arange(5) * (4 * np.pi / 5)
PENTAGRAM = np.stack([100 + 20 * np.cos(ANGLE), 100 + 20 * np.sin(ANGLE)], 1)
GRID = np.stack(np.meshgrid(np.arange(-2.0, 13), np.arange(-2.0, 13), indexing="ij"), -1).reshape(-1, 2)

rings = st.integers(3, 12).flatmap(lambda n: arrays(np.float64, (n, 2), elements=st.floats(-50, 50, width=32)))
whole_rings = st.integers(3, 9).flatmap(lambda n: arrays(np.int64, (n, 2), elements=st.integers(0, 12)))
points = st.integers(0, 1 << 32).map(lambda seed: np.random.default_rng(seed).uniform(-60, 60, (500, 2)))


def by_shapely(ring: np.ndarray, yx: np.ndarray) -> np.ndarray:
    """What shapely's `make_valid` encloses; lines that it leaves enclose nothing."""
    made = shapely.get_parts(shapely.get_parts(shapely.make_valid(shapely.Polygon(np.asarray(ring)[:, ::-1]))))
    areas = [part for part in made if part.geom_type == "Polygon"]
    return shapely.intersects_xy(shapely.MultiPolygon(areas), yx[:, 1], yx[:, 0])


@settings(max_examples=300, deadline=None)
@given(ring=rings, yx=points)
def test_of_any_outline_the_points_are_inside_that_shapely_says(ring: np.ndarray, yx: np.ndarray) -> None:
    yx = np.concatenate([yx, ring])

    np.testing.assert_array_equal(Region(ring).contains(yx), by_shapely(ring, yx))


@settings(max_examples=300, deadline=None)
@given(ring=whole_rings)
def test_of_outlines_whose_corners_and_edges_meet_too(ring: np.ndarray) -> None:
    np.testing.assert_array_equal(Region(ring).contains(GRID), by_shapely(ring, GRID))


def test_the_border_of_a_region_and_of_its_hole_belong_to_it() -> None:
    region = Region(SQUARE, (HOLE,))

    assert Region(SQUARE).contains(GRID).sum() == 11 * 11
    assert region.contains(GRID).sum() == 11 * 11 - 3 * 3
    assert region.contains([[0, 0], [0, 5], [3, 5], [7, 7], [5, 5], [3.001, 5], [-0.001, 5]]).tolist() == [
        True, True, True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("far", [0, 70_000, 3_000_000])
def test_a_border_is_the_same_for_places_in_single_and_in_double_precision(far: int) -> None:
    grid = GRID + far
    region = Region(SQUARE + far, (HOLE + far,))

    np.testing.assert_array_equal(region.contains(grid.astype(np.float32)), region.contains(grid))


def test_both_halves_of_a_bow_tie_belong_and_of_a_pentagram_its_points_only() -> None:
    assert Region(BOW_TIE).contains([[5, 2], [5, 8], [2, 5], [8, 5], [5, 5]]).tolist() == [
        True,
        True,
        False,
        False,
        True,
    ]
    tips = 100 + (PENTAGRAM - 100) * 0.9
    assert Region(PENTAGRAM).contains(tips).all()
    assert not Region(PENTAGRAM).contains([[100, 100]]).any()


def test_a_hole_takes_away_and_never_adds_wherever_it_lies() -> None:
    sticking_out = HOLE + np.array([0, 5])
    region = Region(SQUARE, (HOLE, HOLE + 1, sticking_out, HOLE + 50))

    assert not region.contains([[5, 5], [5, 6], [5, 9], [5, 11], [55, 55]]).any()
    assert region.contains([[1, 1], [9, 9]]).all()
    assert region.area == pytest.approx(100 - shapely.union_all(
        [shapely.box(3, 3, 7, 7), shapely.box(4, 4, 8, 8), shapely.box(8, 3, 10, 7)]
    ).area)  # fmt: skip


def test_an_area_of_several_pieces_is_one_region_with_an_island_in_its_hole() -> None:
    region = Region.of_pieces([[SQUARE, HOLE], [SQUARE / 5 + 4], [SQUARE + 100]], "tumour")

    assert region.contains([[1, 1], [3.5, 3.5], [5, 5], [105, 105], [50, 50]]).tolist() == [
        True, False, True, True, False,
    ]  # fmt: skip
    assert region.name == "tumour"
    assert [len(piece) for piece in region.pieces] == [2, 1, 1]
    np.testing.assert_array_equal(region.bounds, [[0, 0], [110, 110]])
    assert region.area == 100 - 16 + 4 + 100


def test_pieces_that_overlap_add_up() -> None:
    region = Region.of_pieces([[SQUARE], [SQUARE + 5]])

    assert region.contains([[7, 7], [1, 1], [14, 14]]).all()
    assert region.area == 175


def test_what_has_no_area_holds_nothing() -> None:
    line = Region(np.array([[0.0, 0], [5, 5], [10, 10]]))

    assert line.area == Region(np.zeros((3, 2))).area == 0
    assert not line.contains(GRID).any()
    assert not Region(SQUARE, (SQUARE,)).contains([[5, 5]]).any()
    # out and back again on one line, as a hand does
    assert not Region(np.array([[0.0, 0], [0, 10], [10, 10], [10, 30], [10, 0]])).contains([[10, 20]]).any()


def test_regions_are_asked_together_and_the_first_that_holds_a_point_is_named() -> None:
    regions = [Region(SQUARE), SQUARE + 5, Region(SQUARE + 100)]
    yx = [[7, 7], [14, 14], [105, 105], [50, 50]]

    assert first_of(yx, regions).tolist() == [0, 1, 2, -1]
    assert in_any(yx, regions).tolist() == [True, True, True, False]
    assert not in_any(yx, []).any()
    assert in_any(np.zeros((0, 2)), regions).tolist() == []


@pytest.mark.parametrize("ring", [SQUARE, BOW_TIE, SQUARE - 3, SQUARE + 100])
def test_a_mask_is_true_where_the_region_contains_the_place(ring: np.ndarray) -> None:
    region, y, x = Region(ring, (HOLE,)), np.arange(0, 9, 0.5), np.arange(-3, 12, 0.25)
    places = np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)

    np.testing.assert_array_equal(region.mask(y, x).ravel(), region.contains(places))
    np.testing.assert_array_equal(region.mask(y[:1], x).ravel(), region.contains(places[: len(x)]))


def test_a_region_that_is_moved_or_enlarged_takes_all_its_rings_along() -> None:
    region = Region.of_pieces([[SQUARE, HOLE], [SQUARE + 20]], "a")

    assert region.moved((1, 2)).moved((-1, -2)) == region
    assert region.moved((1, 2)) != region
    twice = region.scaled(2)
    np.testing.assert_array_equal(twice.holes[0], (HOLE + 0.5) * 2 - 0.5)
    assert twice.area == 4 * region.area
    assert twice.scaled(0.5) == region
    assert len({region, Region.of_pieces([[SQUARE, HOLE], [SQUARE + 20]], "a"), twice}) == 2


@settings(max_examples=100, deadline=None)
@given(ring=rings, yx=points)
def test_the_same_area_without_crossing_outlines_holds_the_same_points(ring: np.ndarray, yx: np.ndarray) -> None:
    region = Region(ring, name="a")

    sound = region.valid()

    np.testing.assert_array_equal(sound.contains(yx), region.contains(yx))
    assert sound.name == "a"
    assert not sound.area or sound.shape.is_valid


def test_a_sound_region_stays_corner_by_corner() -> None:
    region = Region.of_pieces([[SQUARE, HOLE], [SQUARE + 20]], "a")

    assert region.valid() == region
    assert Region(SQUARE).valid() == Region(SQUARE)
    assert len(list(Region(BOW_TIE).valid().pieces)) == 2


def test_a_closed_ring_is_opened_and_what_is_no_area_on_a_slide_is_refused() -> None:
    assert checked_ring([*SQUARE, SQUARE[0]]).shape == (4, 2)
    for wrong in (
        [[0, 0], [1, 1]],
        [[0, 0], [1, np.nan], [2, 0]],
        [[0, 0], [1, FARTHEST], [2, 0]],
    ):
        with pytest.raises(ValueError, match="fewer than three corners, or one that is nowhere near a slide"):
            checked_ring(wrong)
        with pytest.raises(RegionError, match="at least three corners with finite coordinates"):
            Region(np.array(wrong))
    with pytest.raises(ValueError, match="more than 1,000,000 corners"):
        checked_ring(np.broadcast_to(np.arange(2.0), (MOST_CORNERS + 1, 2)) + np.arange(MOST_CORNERS + 1.0)[:, None])
    with pytest.raises(RegionError, match="three corners"):
        Region(np.array([1, 2, 3]))


SQUARE = np.array([[0, 0], [0, 10], [10, 10], [10, 0]], float)


def test_what_is_ignored_is_cut_out_of_every_region_and_counts_nowhere() -> None:
    tumour = Region(SQUARE, name="a", kind="tumour")
    pen = Region(SQUARE + np.array([0, 5]), kind="Ignore*")
    whole = Region(SQUARE + np.array([2, 7]), kind="stroma")
    apart = Region(SQUARE + 100, name="far")
    left = to_count([tumour, pen, whole, apart])
    assert [(one.name, one.kind) for one in left] == [("a", "tumour"), ("", "stroma"), ("far", "")]
    assert left[0].area == pytest.approx(50)
    assert left[0].contains([(5, 2), (5, 8)]).tolist() == [True, False]
    assert left[2] is apart, "what is not touched stays to the last digit"
    assert to_count([Region(SQUARE + 1, kind="stroma"), Region(SQUARE * 3 - 5, kind="ignore")]) == []


def test_a_region_keeps_name_and_kind_wherever_it_goes() -> None:
    region = Region(SQUARE, name="a", kind="tumour")
    for moved in (region.moved((3, 4)), region.scaled(0.5), region.valid()):
        assert (moved.name, moved.kind) == ("a", "tumour")
    assert region != Region(SQUARE, name="a", kind="stroma")
