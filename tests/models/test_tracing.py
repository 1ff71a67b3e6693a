"""Outlines traced for all nuclei of a label image at once, against the pixels themselves and other programs."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import find_contours

from nucloop.models.tracing import outlines_of


def blobs(seed: int, size: int = 48, share: float = 0.4) -> tuple[np.ndarray, np.ndarray, float]:
    """A smooth surface (H, W), its parts above a level as labels, and the level."""
    surface = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 2.0)
    level = float(np.quantile(surface, 1 - share))
    labels, _ = ndimage.label(ndimage.binary_fill_holes(surface > level))
    return surface, labels.astype(np.int32), level


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.7))
def test_an_outline_holds_the_centres_of_its_pixels_and_no_others(seed, share):
    _, labels, _ = blobs(seed, share=share)
    outlines = outlines_of(labels, int(labels.max()))
    for k, ring in enumerate(outlines):
        np.testing.assert_array_equal(polygon2mask(labels.shape, ring), labels == k + 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_neighbours_of_any_shape_are_told_apart_to_the_pixel(seed):
    rng = np.random.default_rng(seed)
    # Voronoi cells that touch everywhere, on a ragged ground
    seeds = np.zeros((40, 40), np.int32)
    seeds[tuple(rng.integers(0, 40, (2, 12)))] = np.arange(1, 13)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    labels = np.where(rng.random((40, 40)) < 0.9, seeds[tuple(nearest)], 0).astype(np.int32)
    outlines = outlines_of(labels, 12)
    for k, ring in enumerate(outlines):
        parts, count = ndimage.label(labels == k + 1)
        if not count:
            assert ring is None
            continue
        filled = [ndimage.binary_fill_holes(parts == part, np.ones((3, 3))) for part in range(1, count + 1)]
        assert polygon2mask(labels.shape, ring).sum() == max(part.sum() for part in filled)


def test_a_label_without_pixels_has_no_outline_and_of_several_pieces_the_largest_counts():
    labels = np.zeros((12, 12), np.int32)
    labels[1:3, 1:3] = labels[6:11, 6:11] = 2
    labels[8, 8] = 0
    outlines = outlines_of(labels, 3)
    assert outlines[0] is None
    assert outlines[2] is None
    assert shapely.Polygon(outlines[1]).contains(shapely.Point(8, 8))
    assert not shapely.Polygon(outlines[1]).contains(shapely.Point(1, 1))


def test_an_outline_crosses_a_slope_where_other_programs_say():
    y, x = np.mgrid[:40, :40]
    surface = np.clip(10.3 - np.hypot(y - 19.4, x - 20.2), -1, 1)
    (ring,) = outlines_of((surface > 0).astype(np.int32), 1, surface, 0.0)
    (contour,) = find_contours(surface, 0.0)
    mine, theirs = shapely.Polygon(ring), shapely.Polygon(contour)
    assert mine.symmetric_difference(theirs).area < 1e-3 * theirs.area
    assert mine.area == pytest.approx(np.pi * 10.3**2, rel=0.01)


@pytest.mark.parametrize("tolerance", [0.1, 0.3])
def test_corners_that_are_left_out_lie_within_the_tolerance_and_most_are(tolerance):
    surface, labels, level = blobs(3, 200)
    count = int(labels.max())
    whole, thin = (outlines_of(labels, count, surface, level, t) for t in (0.0, tolerance))
    assert len(thin.corners) < 0.7 * len(whole.corners)
    for one, other in zip(whole, thin, strict=True):
        a, b = shapely.Polygon(one), shapely.Polygon(other)
        assert b.is_valid
        # two rounds, each of which may go so far
        assert a.boundary.hausdorff_distance(b.boundary) <= 2 * tolerance + 1e-6


def test_an_empty_picture_has_no_outlines():
    assert len(outlines_of(np.zeros((5, 5), np.int32), 0)) == 0
    assert not outlines_of(np.zeros((5, 5), np.int32), 2).there.any()
