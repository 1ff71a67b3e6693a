import numpy as np
import pytest

from nucloop.errors import RegionError
from nucloop.geometry import Region
from nucloop.ki67.counting_grid import CountingGrid

FIELD = Region(np.array([[10, 20], [10, 50], [30, 50], [30, 20]], float))


def test_squares_go_to_and_fro_so_that_the_next_is_always_beside_the_last() -> None:
    grid = CountingGrid(FIELD, 10)

    assert grid.places.tolist() == [[0, 0], [0, 1], [0, 2], [1, 2], [1, 1], [1, 0]]
    assert grid.squares[3].tolist() == [[20, 40], [20, 50], [30, 50], [30, 40]]


def test_each_nucleus_of_the_area_lies_in_exactly_one_square_also_on_lines_and_borders() -> None:
    grid = CountingGrid(FIELD, 10)
    yx = np.stack(np.meshgrid(np.arange(0, 40, 2.5), np.arange(10, 60, 2.5), indexing="ij"), -1).reshape(-1, 2)

    square = grid.square_of(yx)

    np.testing.assert_array_equal(square >= 0, FIELD.contains(yx))
    assert grid.square_of([[20, 30], [30, 50], [9.9, 30]]).tolist() == [4, 3, -1]


def test_squares_beside_the_area_are_left_out_and_nuclei_beside_it_do_not_count() -> None:
    triangle = Region(np.array([[0, 0], [0, 40], [40, 0]], float))
    grid = CountingGrid(triangle, 10)

    assert len(grid) == 10
    assert grid.square_of([[15, 15], [19, 25]]).tolist() == [grid.places.tolist().index([1, 1]), -1]


def test_too_many_squares_are_refused_in_words() -> None:
    with pytest.raises(RegionError, match="larger"):
        CountingGrid(FIELD, 0.1)
