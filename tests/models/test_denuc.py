import numpy as np
import pytest
import torch

from nucloop.detection.points import suppress_non_maxima
from nucloop.models.denuc import DenucConfig, DenucDetector, propose, reference_points
from nucloop.training.crops import padded
from nucloop.training.denuc import DenucLoss
from nucloop.training.matching import assign


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("shufflenet_v2_x0_5", 0.3),
        ("shufflenet_v2_x1_0", 1.0),
        ("shufflenet_v2_x1_5", 2.7),
        ("shufflenet_v2_x2_0", 4.3),
    ],
)
def test_the_published_sizes_are_about_right(name, millions):
    detector = DenucDetector(DenucConfig(backbone=name))
    count = sum(p.numel() for p in detector.parameters()) / 1e6
    assert count < 1.35 * millions
    assert detector(torch.zeros(1, 3, 64, 96)).shape == (1, 3, 8, 12)


def test_any_timm_backbone_with_feature_maps_makes_a_detector():
    detector = DenucDetector(DenucConfig(backbone="resnet18", strides=(8, 16, 32), channels=32))
    assert detector(torch.zeros(2, 3, 64, 64)).shape == (2, 3, 8, 8)


def test_a_stride_the_backbone_does_not_offer_is_refused():
    with pytest.raises(ValueError, match="strides"):
        DenucDetector(DenucConfig(strides=(4, 8)))


def test_offsets_count_from_the_centre_of_each_cell():
    output = np.full((3, 2, 2), -10.0, np.float32)
    output[0, 1, 0] = 10
    output[1:, 1, 0] = [1.5, -0.5]
    found = propose(output, DenucConfig(strides=(8,)), 0.5)
    assert found.yx.tolist() == [[8 + 3.5 + 1.5, 3.5 - 0.5]]
    assert found.score[0] > 0.99


def test_of_two_cells_the_surer_one_is_given_the_nucleus_even_if_it_lies_a_little_farther():
    grid = reference_points(1, 2, 8)
    cells, rows = assign(grid, np.array([0.1, 0.9], np.float32), np.array([[3.5, 6.0]], np.float32))
    assert cells.tolist() == [1]
    assert rows.tolist() == [0]


def test_every_reference_nucleus_gets_a_cell_of_its_own():
    rng = np.random.default_rng(0)
    grid = reference_points(8, 8, 8)
    targets = rng.uniform(0, 63, (20, 2)).astype(np.float32)
    cells, rows = assign(grid, rng.uniform(0, 1, 64).astype(np.float32), targets)
    assert sorted(rows) == list(range(20))
    assert len(set(cells.tolist())) == 20


def test_the_loss_falls_when_a_nucleus_is_found_and_placed():
    criterion = DenucLoss(stride=8, mpp=0.5)
    target = padded([np.array([[3.5, 3.5]], np.float32)])
    missed = torch.full((1, 3, 2, 2), -3.0)
    missed[:, 1:] = 0
    found = missed.clone()
    found[0, 0, 0, 0] = 3
    off = found.clone()
    off[0, 1, 0, 0] = 3
    assert criterion(found, target) < criterion(off, target) < criterion(missed, target)


def test_a_field_without_nuclei_has_a_loss_that_can_be_learnt_from():
    output = torch.zeros(1, 3, 4, 4, requires_grad=True)
    DenucLoss(stride=8, mpp=0.5)(output, padded([np.zeros((0, 2), np.float32)])).backward()
    assert output.grad is not None
    assert output.grad[:, 0].abs().sum() > 0


def test_suppression_keeps_the_best_of_a_cluster_and_what_stands_alone():
    points = np.array([[0, 0], [0, 8], [0, 16], [50, 50]], np.float32)
    kept = suppress_non_maxima(points, np.array([0.9, 0.8, 0.7, 0.1], np.float32), 12)
    # the third falls to the middle one, which itself falls to the first
    assert kept.tolist() == [0, 3]


def test_suppression_does_not_depend_on_the_order_of_points():
    rng = np.random.default_rng(1)
    points, scores = rng.uniform(0, 100, (200, 2)).astype(np.float32), rng.uniform(0, 1, 200).astype(np.float32)
    order = rng.permutation(200)
    kept = {tuple(p) for p in points[suppress_non_maxima(points, scores, 6)]}
    again = {tuple(p) for p in points[order][suppress_non_maxima(points[order], scores[order], 6)]}
    assert kept == again
