"""DoNuSeg's shapes, and its maps turned into nuclei: pixels go to detections, within their boxes."""

import numpy as np
import pytest
import shapely
import torch

from nucloop.models.boxed import propose, reach
from nucloop.models.donuseg import DonusegConfig, DonusegNet

CONFIG = DonusegConfig(backbone="test_efficientnet", channels=16, mpp=0.5, largest_um=8.0)
"""An answer of 1 µm per pixel, detections of 2 µm."""


def said(centres: np.ndarray, radius: float, size: int = 96, half: float = 4.0) -> np.ndarray:
    """What a network says of round nuclei (places and radius in pixels of the answer): (7, size, size)."""
    y, x = np.mgrid[:size, :size]
    away = np.min([np.hypot(y - cy, x - cx) for cy, cx in centres], 0)
    output = np.zeros((7, size, size), np.float32)
    output[0] = (radius - away) * 2
    cells = np.full((size // 2, size // 2), 40.0)
    cy, cx = np.mgrid[: size // 2, : size // 2] * 2 + 0.5
    offset = np.zeros((2, size // 2, size // 2))
    for centre in centres:
        near = np.hypot(cy - centre[0], cx - centre[1])
        closer = near < cells
        cells = np.where(closer, near, cells)
        offset[0][closer], offset[1][closer] = (centre[0] - cy)[closer], (centre[1] - cx)[closer]
    detection = np.stack([4 - 2 * cells, 4 - cells, *(np.full_like(cells, half) for _ in range(4))])
    # sides in cells of two pixels: longer downwards where the nucleus lies below
    detection[2:4] -= offset / 2
    detection[4:6] += offset / 2
    output[1:] = detection.repeat(2, 1).repeat(2, 2)
    return output


GRID = np.array([(y, x) for y in range(8, 90, 9) for x in range(8, 90, 9)], float) + 0.3


def test_it_takes_windows_of_any_size():
    net = DonusegNet(CONFIG).eval()
    for height, width in ((64, 96), (160, 160)):
        assert net(torch.zeros(1, 3, height, width)).shape == (1, 7, height // 2, width // 2)


def test_training_sees_what_detection_will():
    net = DonusegNet(CONFIG).eval()
    rgb = 255 * torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output, seen = net(rgb), net.seen(rgb)
    torch.testing.assert_close(output[:, :1], seen.segmentation)
    torch.testing.assert_close(output[:, 1:, ::2, ::2], seen.detection)
    assert seen.activations.shape == (2, 4, 32, 32)
    assert net.projected(seen).shape[2:] == (32, 32)


@pytest.mark.parametrize("changes", [{"strides": (4,)}, {"strides": (2, 8)}, {"cut": 0.0}, {"channels": 0}])
def test_a_shape_that_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match=r"stride|cut|channels"):
        DonusegConfig(**changes)


def test_every_nucleus_comes_back_at_its_place_and_size_in_working_pixels():
    found = propose(said(GRID, 3.5), CONFIG, 0.4)
    assert len(found) == len(GRID)
    # two working pixels are one of the answer
    away = np.hypot(*(found.yx[:, None] - (2 * GRID + 0.5)).transpose(2, 0, 1)).min(1)
    assert away.max() < 1
    areas = [shapely.Polygon(ring).area for ring in found.outlines]
    np.testing.assert_allclose(areas, 4 * np.pi * 3.5**2, rtol=0.06)


def test_what_touches_is_divided_between_the_detections():
    pair = np.array([(40.0, 40.0), (40.0, 46.0)])
    found = propose(said(pair, 4.0), CONFIG, 0.4)
    assert len(found) == 2
    one, two = (shapely.Polygon(ring) for ring in found.outlines)
    assert one.intersection(two).area < 1
    assert one.area == pytest.approx(two.area, rel=0.15)


def test_a_nucleus_ends_at_its_box_and_pixels_without_a_detection_are_none():
    output = said(np.array([(40.0, 40.0)]), 3.5)
    output[0, 30:50, 30:80] = 5.0
    output[0, 70:80, 70:80] = 5.0
    (ring,) = propose(output, DonusegConfig(**{**vars(CONFIG), "largest_um": 30.0, "box": 1.0}), 0.4).outlines
    # a box of 4 cells of 2 pixels on each side, 2 working pixels each
    assert np.ptp(ring[:, 1]) == pytest.approx(2 * 4 * 2 * 2, abs=2.1)


@pytest.mark.parametrize("shift", [(0, 0), (8, 4)])
def test_a_nucleus_is_the_same_in_every_window_that_reaches_far_enough_around_it(shift):
    rng = np.random.default_rng(2)
    centres = rng.uniform(0, 128, (110, 2))
    maps, margin, side = said(centres, 3.5, 128), reach(CONFIG) // 2, 64
    top, left = (margin + one for one in shift)
    whole = propose(maps, CONFIG, 0.4)
    part = propose(maps[:, top - margin : top + side + margin, left - margin : left + side + margin], CONFIG, 0.4)
    part = part.moved((2 * (top - margin), 2 * (left - margin)))
    corner = 2 * np.array((top, left))

    def owned(found):
        rows = np.flatnonzero(((found.yx >= corner) & (found.yx < corner + 2 * side)).all(1))
        return found.take(rows[np.lexsort(found.yx[rows].T)])

    one, two = owned(whole), owned(part)
    assert len(one) > 15
    np.testing.assert_allclose(one.yx, two.yx, atol=1e-6)
    np.testing.assert_allclose(one.outlines.corners, two.outlines.corners, atol=1e-4)
