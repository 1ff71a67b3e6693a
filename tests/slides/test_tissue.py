from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from nucloop.slides import Box, slide_from_array
from nucloop.slides.tissue import Ground, focus_of, map_tissue, sample_places

GLASS, PINK, DENSE, INK = (243, 242, 244), (205, 140, 185), (60, 20, 80), (20, 110, 60)


def field() -> np.ndarray:
    """Glass of 2 x 2 mm at 2 µm per pixel, with tissue, a fold, a stroke of green ink and a speck of dust."""
    pixels = np.full((500, 500, 3), GLASS, np.uint8)
    pixels[100:300, 100:300] = PINK
    pixels[150:170, 110:290] = DENSE
    pixels[400:420, 50:450] = INK
    pixels[350:352, 350:352] = (100, 100, 100)
    return pixels.repeat(2, 0).repeat(2, 1)


def test_tissue_folds_and_ink_are_told_apart_and_dust_is_none_of_them() -> None:
    found = map_tissue(slide_from_array(field(), mpp=2.0))

    # the map's pixels are 7 µm, and tissue ends a pixel too late
    assert found.tissue_mm2 == pytest.approx(0.64, rel=0.1)
    assert found.area_mm2(Ground.FOLD) == pytest.approx(0.0576, rel=0.15)
    assert found.area_mm2(Ground.PEN) == pytest.approx(0.128, rel=0.15)
    dust = int(702 / found.step)
    assert found.ground[dust, dust] == Ground.GLASS


def test_a_tile_is_empty_only_where_there_is_not_even_dust() -> None:
    found = map_tissue(slide_from_array(field(), mpp=2.0))

    assert found.is_empty(Box(0, 640, 160, 200))
    assert not found.is_empty(Box(680, 680, 80, 80))
    assert not found.is_empty(Box(180, 180, 60, 60))


def test_one_pale_nucleus_on_glass_is_enough_not_to_be_empty() -> None:
    pixels = np.full((2000, 2000, 3), GLASS, np.uint8)
    y, x = np.ogrid[:2000, :2000]
    pixels[(y - 900) ** 2 + (x - 1203) ** 2 < 8**2] = (190, 175, 205)

    found = map_tissue(slide_from_array(pixels, mpp=0.5))

    assert not found.is_empty(Box(880, 1180, 40, 40))
    assert found.is_empty(Box(0, 0, 700, 700))


def test_a_slide_of_glass_alone_has_no_tissue_and_is_empty() -> None:
    slide = slide_from_array(np.full((300, 300, 3), 240, np.uint8), mpp=1.0)
    found = map_tissue(slide)

    assert found.tissue_mm2 == 0
    assert found.is_empty(slide.box)
    assert sample_places(slide, found) == []


def test_blurred_tissue_has_less_fine_detail_than_sharp() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (256, 256))
    coarse, fine = ndimage.gaussian_filter(noise, 10), ndimage.gaussian_filter(noise, 0.8)
    grey = 128 + 30 * coarse / coarse.std() + 10 * fine / fine.std()
    sharp = np.stack([grey.clip(0, 255)] * 3, 2).astype(np.uint8)
    blurred = ndimage.gaussian_filter(sharp.astype(float), (3, 3, 0)).astype(np.uint8)

    assert focus_of(sharp) > 0.09
    assert focus_of(blurred) < 0.045
