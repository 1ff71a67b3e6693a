"""Outlines: a ragged table that goes where its nuclei go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucloop.classes import ClassScheme
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

TRIANGLE = np.array([[0, 0], [0, 4], [4, 0]], np.float32)
SQUARE = np.array([[0, 0], [0, 2], [2, 2], [2, 0]], np.float32)
SCHEME = ClassScheme.named("brca-m2c")


@st.composite
def rings(draw: st.DrawFn) -> list[np.ndarray | None]:
    counts = draw(st.lists(st.sampled_from([0, 3, 4, 7]), max_size=8))
    return [None if not n else np.arange(2.0 * n, dtype=np.float32).reshape(n, 2) + k for k, n in enumerate(counts)]


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other is None or np.array_equal(one, other)


@given(rings(), st.data())
def test_taking_rows_is_taking_rings(all_rings: list[np.ndarray | None], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(all_rings) - 1), max_size=10)) if all_rings else []
    taken = Outlines.of(all_rings).take(rows)
    assert all(same(ring, all_rings[row]) for ring, row in zip(taken, rows, strict=True))


@given(rings(), rings())
def test_stacking_keeps_every_ring(first: list[np.ndarray | None], second: list[np.ndarray | None]) -> None:
    stacked = Outlines.concatenate([Outlines.of(first), Outlines.of(second)])
    assert all(same(ring, one) for ring, one in zip(stacked, [*first, *second], strict=True))


def test_a_closed_ring_is_kept_open() -> None:
    np.testing.assert_array_equal(Outlines.of([np.vstack([SQUARE, SQUARE[:1]])])[0], SQUARE)


def test_scaling_keeps_the_edges_of_pixels_where_they_are() -> None:
    np.testing.assert_allclose(Outlines.of([SQUARE]).scaled(2)[0], SQUARE * 2 + 0.5)


def test_each_outline_moves_with_its_own_nucleus() -> None:
    moved = Outlines.of([TRIANGLE, None, SQUARE]).moved([[1, 2], [9, 9], [-1, 0]])
    np.testing.assert_array_equal(moved[0], TRIANGLE + np.float32([1, 2]))
    np.testing.assert_array_equal(moved[2], SQUARE - np.float32([1, 0]))


@pytest.mark.parametrize("ring", [SQUARE[:2], np.array([[0, 0], [np.nan, 1], [2, 2]])])
def test_what_is_no_outline_is_refused(ring: np.ndarray) -> None:
    with pytest.raises(ValueError, match="outline"):
        Outlines.of([ring])


def test_nuclei_keep_their_outlines_when_they_are_taken_and_stacked() -> None:
    table = Nuclei.from_points(SCHEME, [[1, 1], [5, 5]], outlines=Outlines.of([TRIANGLE, None]))
    plain = Nuclei.from_points(SCHEME, [[9, 9]])
    stacked = Nuclei.concatenate([plain, table], SCHEME).take([1, 0])
    assert stacked.outlines is not None
    np.testing.assert_array_equal(stacked.outlines[0], TRIANGLE)
    assert stacked.outlines[1] is None
    assert plain.take([0]).outlines is None
