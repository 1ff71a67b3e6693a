import numpy as np
import pytest

from nucloop.errors import RegionError
from nucloop.slides import Box
from nucloop.slides.tiling import TiledRegion, plan_tiles

WHOLE = Box(0, 0, 10_000, 10_000)


def tiles_of(box: Box, bounds: Box = WHOLE, side: int = 1024):
    return plan_tiles(TiledRegion([box], bounds), 1.0, side, 16)


@pytest.mark.parametrize(
    ("box", "longest"),
    [(Box(0, 0, 1024, 1024), 1024), (Box(37, 501, 1100, 900), 1100 + 32), (Box(5, 5, 3000, 700), 1024 + 16)],
)
def test_tiles_cover_a_region_once_and_none_is_larger_than_asked(box, longest):
    tiles = tiles_of(box)
    owned = np.zeros((4000, 4000), int)
    for tile in tiles:
        owned[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
        assert max(tile.height, tile.width) <= longest
        assert tile.top % 16 == tile.left % 16 == 0
    assert owned.max() == 1
    assert (owned[box.y : box.y + box.height, box.x : box.x + box.width] == 1).all()


def test_a_view_off_the_grid_is_not_cut_into_slivers():
    tiles = tiles_of(Box(1000, 1000, 1200, 1200))
    assert min(min(tile.height, tile.width) for tile in tiles) >= 300


def test_a_view_of_one_tile_is_one_tile_wherever_it_lies():
    assert len(tiles_of(Box(1003, 1007, 1024, 1024))) == len(tiles_of(Box(1024, 1024, 1024, 1024))) == 2


def test_tiles_of_a_slide_have_one_size_but_for_the_edges_so_that_a_gpu_can_batch_them():
    tiles = tiles_of(Box(0, 0, 10_000, 10_000))
    shapes = [(tile.height, tile.width) for tile in tiles[2:]]
    assert max(shapes.count(shape) for shape in set(shapes)) > 0.7 * len(shapes)


def test_a_view_somewhat_longer_than_a_tile_pays_for_one_halo_between_two_parts():
    assert len(tiles_of(Box(1003, 1007, 1200, 900))) == 2
    assert len(tiles_of(Box(1003, 1007, 1300, 900))) == 3


def test_the_first_tile_is_cut_in_two_and_its_smaller_part_comes_first_so_that_a_person_sees_something_early():
    first, second, third, *_ = tiles_of(Box(0, 0, 4096, 4096))
    whole = third.height * third.width
    assert first.height * first.width == 3 * whole // 8
    assert second.height * second.width == 5 * whole // 8


def test_a_small_field_is_one_tile():
    assert len(tiles_of(Box(0, 0, 500, 600))) == 1


def test_a_region_without_area_is_not_said_to_lie_outside():
    with pytest.raises(RegionError, match="has no area"):
        TiledRegion([np.array([[10, 10], [20, 20], [30, 30]])], Box(0, 0, 100, 100))
    with pytest.raises(RegionError, match="lies outside the slide"):
        TiledRegion([Box(200, 200, 10, 10)], Box(0, 0, 100, 100))
