"""HistoNeXt's shapes and sizes, and its maps turned into nuclei."""

import numpy as np
import pytest
import shapely
import torch
from scipy import ndimage
from skimage.draw import polygon2mask

from nucloop.metrics.segmentation import aji
from nucloop.models.histonext import HistonextConfig, HistonextNet
from nucloop.models.hover import energy_of, propose, reach
from nucloop.training.instance_targets import distances

CONFIG = HistonextConfig(backbone="test_efficientnet", strides=(2, 4, 8, 16), growth=16, mpp=0.5, largest_um=10.0)


def discs(size: int = 128, seed: int = 0, apart: float = 9.0) -> np.ndarray:
    """Round nuclei of radius 4 to 6 pixels, many of which touch: labels (H, W)."""
    rng = np.random.default_rng(seed)
    labels, y, x = np.zeros((size, size), np.int32), *np.mgrid[:size, :size]
    centres: list[np.ndarray] = []
    for _ in range(2000):
        at = rng.uniform(0, size, 2)
        if all(np.hypot(*(at - other)) > apart for other in centres):
            centres.append(at)
            labels[(np.hypot(y - at[0], x - at[1]) < rng.uniform(4, 6)) & (labels == 0)] = len(centres)
    return labels


def ideal(labels: np.ndarray, classes: int = 0) -> np.ndarray:
    """What a perfect network says of labels: (C, h, w); every third nucleus is of the last class."""
    maps = distances(torch.from_numpy(labels.astype(np.int64))[None])[0].numpy()
    pixel = np.where(labels > 0, 4.0, -4.0)
    said = [pixel[None], maps]
    if classes:
        kind = np.where(labels > 0, np.where(labels % 3 == 0, classes, 1), 0)
        said.append(6.0 * (kind == np.arange(classes + 1)[:, None, None]))
    return np.concatenate(said).astype(np.float32)


@pytest.mark.parametrize(("name", "growth", "millions"), [("convnext_tiny", 384, 82.6), ("convnext_base", 512, 184.8)])
def test_the_published_sizes_are_about_right(name, growth, millions):
    with torch.device("meta"):
        net = HistonextNet(HistonextConfig(backbone=name, growth=growth, classes=5))
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, rel=0.06)


def test_it_takes_windows_of_any_size_and_answers_twice_as_finely_as_its_finest_map():
    net = HistonextNet(HistonextConfig(backbone="test_convnext", strides=(4, 8, 16, 32), growth=16, classes=2)).eval()
    assert net.stride == 2
    for height, width in ((64, 96), (288, 288)):
        assert net(torch.zeros(1, 3, height, width)).shape == (1, 3 + 3, height // 2, width // 2)


def test_the_class_of_a_pixel_does_not_depend_on_what_is_far_away():
    net = HistonextNet(
        HistonextConfig(backbone="test_efficientnet", strides=(2, 4, 8, 16), growth=16, classes=2)
    ).eval()
    image = 255 * torch.rand(1, 3, 64, 1024, generator=torch.Generator().manual_seed(0))
    other = image.clone()
    other[..., :64] = 0
    with torch.inference_mode():
        one, two = net(image), net(other)
    assert not torch.equal(one[..., :64], two[..., :64])
    torch.testing.assert_close(one[..., -64:], two[..., -64:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("changes", [{"strides": (2, 4, 8)}, {"strides": (1, 2, 4, 8)}, {"cut": 1.0}, {"growth": 1}])
def test_a_shape_that_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match=r"stride|cut|growth"):
        HistonextConfig(**changes)


def test_touching_nuclei_come_apart_where_the_distances_jump():
    labels = discs()
    found = propose(ideal(labels), CONFIG, 0.5)
    drawn = np.zeros_like(labels)
    for k, ring in enumerate(found.outlines):
        drawn[polygon2mask(labels.shape, ring)] = k + 1
    assert aji(drawn, labels) > 0.93
    # the mask alone does not tell them apart
    assert len(found) > 2 * ndimage.label(labels)[1]


def test_a_border_between_two_nuclei_has_the_energy_of_a_whole_jump():
    labels = np.zeros((20, 40), np.int32)
    labels[4:16, 4:20], labels[4:16, 20:36] = 1, 2
    energy = energy_of(ideal(labels)[1:3], 1.2)
    assert energy[10, 19:21].mean() > 0.8
    assert energy[10, 9:14].max() < 0


def test_each_nucleus_takes_the_class_that_most_of_it_has():
    config = HistonextConfig(
        backbone="test_efficientnet", strides=(2, 4, 8, 16), growth=16, classes=2, mpp=0.5, largest_um=10.0
    )
    labels = discs()
    found = propose(ideal(labels, 2), config, 0.5)
    owner = labels[tuple(found.yx.round().astype(int).T)]
    known = owner > 0
    assert known.mean() > 0.9
    np.testing.assert_array_equal(found.probability.argmax(1)[known], (owner % 3 == 0)[known])
    np.testing.assert_allclose(found.probability.sum(1), 1, rtol=1e-5)


def test_the_score_is_the_mean_probability_and_what_lies_below_the_threshold_is_left_out():
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15], labels[22:34, 22:34] = 1, 2
    maps = ideal(labels)
    maps[0][labels == 1] = np.log(0.7 / 0.3)
    maps[0][labels == 2] = np.log(0.9 / 0.1)
    np.testing.assert_allclose(propose(maps, CONFIG, 0.5).score, [0.7, 0.9], rtol=1e-5)
    np.testing.assert_allclose(propose(maps, CONFIG, 0.8).score, [0.9], rtol=1e-5)


def test_specks_and_what_reaches_too_far_are_no_nuclei():
    labels = np.zeros((80, 80), np.int32)
    labels[4:7, 4:7], labels[40:48, 4:76], labels[20:30, 20:30] = 1, 2, 3
    (ring,) = propose(ideal(labels), CONFIG, 0.5).outlines
    assert shapely.Polygon(ring).contains(shapely.Point(25, 25))


@pytest.mark.parametrize("shift", [(0, 0), (8, 24), (32, 16)])
def test_a_nucleus_is_the_same_in_every_window_that_reaches_far_enough_around_it(shift):
    maps, margin, side = ideal(discs(224, seed=4)), reach(CONFIG), 96
    top, left = (margin + one for one in shift)
    whole = propose(maps, CONFIG, 0.5)
    window = maps[:, top - margin : top + side + margin, left - margin : left + side + margin]
    part = propose(window, CONFIG, 0.5).moved((top - margin, left - margin))

    def owned(found):
        rows = np.flatnonzero(((found.yx >= (top, left)) & (found.yx < (top + side, left + side))).all(1))
        return found.take(rows[np.lexsort(found.yx[rows].T)])

    one, two = owned(whole), owned(part)
    assert len(one) > 40
    np.testing.assert_allclose(one.yx, two.yx, atol=1e-6)
    np.testing.assert_array_equal(one.outlines.ends, two.outlines.ends)
    np.testing.assert_allclose(one.outlines.corners, two.outlines.corners, atol=1e-4)
