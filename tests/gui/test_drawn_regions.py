"""Regions with holes and of several pieces in napari's layer of shapes, which knows neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from nucloop.geometry import Region
from nucloop.gui.canvas.drawn_regions import add_regions, draw_regions, drawn_regions, regions_layer, regions_of

if TYPE_CHECKING:
    from napari.layers import Image, Shapes

SQUARE = np.array([[10.0, 10], [10, 90], [90, 90], [90, 10]])
HOLE = SQUARE / 2 + 25 + 1 / 3
RING = Region(SQUARE, (HOLE,), "without necrosis")
PIECES = Region.of_pieces([[SQUARE, HOLE], [SQUARE / 8 + 45], [SQUARE / 2 + 200, SQUARE / 4 + 210]], "tumour")
PLAIN = Region(SQUARE + 100)


class Slide:
    """An image on which regions are drawn."""

    def __init__(self, **options: object) -> None:
        self.viewer = ViewerModel()
        self.image: Image = self.viewer.add_image(np.zeros((400, 400), np.uint8), **options)

    def show(self, *regions: Region) -> Shapes:
        add_regions(self.viewer, self.image, regions)
        layer = regions_layer(self.viewer)
        assert layer is not None
        return layer

    @property
    def regions(self) -> list[Region]:
        return regions_of(self.viewer, self.image)


@pytest.fixture
def slide() -> Slide:
    return Slide(scale=(0.2527, 0.2527))


def moved(layer: Shapes, row: int, shift: tuple[float, float]) -> None:
    data = list(layer.data)
    data[row] = data[row] + np.array(shift, np.float32)
    layer.data = data


@pytest.mark.parametrize(
    "options",
    [{}, {"scale": (0.2527, 0.2527)}, {"scale": (0.5, 0.5), "translate": (3000.7, 12.3)}, {"rotate": 30.0}],
)
def test_regions_come_back_to_the_last_digit_with_holes_pieces_and_names(options: dict[str, object]) -> None:
    slide = Slide(**options)
    far = [region.moved((1e5 / 3, 1e5 / 7)) for region in (RING, PIECES)]

    slide.show(PLAIN, RING)
    slide.show(PIECES, *far)

    assert slide.regions == [PLAIN, RING, PIECES, *far]


def test_holes_are_shaded_and_regions_are_not(slide: Slide) -> None:
    layer = slide.show(PLAIN, RING)

    assert layer.face_color[:, 3].tolist() == [0, 0, pytest.approx(0.5, abs=0.01)]


def test_a_layer_of_somebody_elses_shapes_takes_regions_with_holes(slide: Slide) -> None:
    slide.viewer.add_shapes([SQUARE + 300], shape_type="polygon", name="Regions", scale=slide.image.scale)

    slide.show(RING)

    assert [len(region.holes) for region in slide.regions] == [0, 1]


def test_a_hole_that_was_moved_is_cut_out_where_it_is_now(slide: Slide) -> None:
    layer = slide.show(PLAIN, RING)

    moved(layer, 2, (0, 30))

    [plain, ring] = slide.regions
    assert plain == PLAIN
    np.testing.assert_allclose(ring.holes[0], HOLE + np.array([0, 30]), atol=1e-4)
    assert ring.contains([[50, 40], [50, 85], [50, 95]]).tolist() == [True, False, False]


def test_other_shapes_can_be_deleted_and_drawn(slide: Slide) -> None:
    layer = slide.show(PLAIN, RING, PIECES)

    layer.remove([0])
    draw_regions(slide.viewer, slide.image, "polygon")
    layer.add_polygons([SQUARE + 250])

    assert slide.regions[:2] == [RING, PIECES]
    np.testing.assert_array_equal(slide.regions[2].outline, SQUARE + 250)
    assert slide.regions[2].holes == ()


def test_what_is_drawn_after_a_hole_was_selected_is_a_region(slide: Slide) -> None:
    layer = slide.show(RING)
    layer.mode = "select"
    layer.selected_data = {1}

    draw_regions(slide.viewer, slide.image, "rectangle")
    layer.add_rectangles([[200, 200], [300, 300]])

    assert [len(region.holes) for region in slide.regions] == [1, 0]


def test_a_hole_goes_with_its_outline_and_an_outline_stays_without_its_hole(slide: Slide) -> None:
    layer = slide.show(PIECES, RING)

    layer.selected_data = {0}
    layer.remove_selected()
    [pieces, ring] = slide.regions
    assert [len(piece) for piece in pieces.pieces] == [1, 2]
    assert layer.nshapes == 5
    assert ring == RING

    layer.remove([layer.nshapes - 1])
    assert slide.regions[1] == Region(SQUARE, name="without necrosis")

    layer.remove([0, 1, 2, 3])
    assert slide.regions == []
    assert layer.nshapes == 0


def test_a_copy_of_a_region_belongs_to_it_and_has_its_hole(slide: Slide) -> None:
    layer = slide.show(RING)
    layer.selected_data = {0, 1}

    layer._copy_data()
    layer._paste_data()
    data = list(layer.data)
    layer.data = [*data[:2], data[2] + 100, data[3] + 100]

    [region] = slide.regions
    assert region.contains([[15, 15], [50, 50], [115, 115], [150, 150]]).tolist() == [True, False, True, False]


def test_an_empty_layer_after_all_has_no_region(slide: Slide) -> None:
    layer = slide.show(RING)

    layer.data = []

    assert slide.regions == []
    with pytest.raises(Exception, match="No region is drawn yet"):
        drawn_regions(slide.viewer, slide.image)
