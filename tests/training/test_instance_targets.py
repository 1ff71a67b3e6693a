"""What networks that separate nuclei learn from, against the same rules nucleus by nucleus and formula by formula."""

import numpy as np
import pytest
import torch

from nucloop.training.crops import padded
from nucloop.training.instance_targets import (
    asymmetric_loss,
    distance_loss,
    distances,
    focal_loss,
    nearest,
    whole,
)


@pytest.fixture
def ids() -> torch.Tensor:
    """Two crops: three nuclei, one of them cut by the edge, one of odd shape; and nothing known."""
    labels = np.full((2, 24, 30), -1, np.int64)
    labels[0] = 0
    labels[0, 2:9, 3:12] = 5
    labels[0, 4:6, 10:12] = 0
    labels[0, 2:9, 12:15] = 2
    labels[0, 15:24, 20:26] = 7
    return torch.from_numpy(labels)


def one_by_one(ids: np.ndarray) -> np.ndarray:
    """HoVer-Net's distances of one crop, nucleus by nucleus."""
    maps = np.zeros((2, *ids.shape))
    for number in np.unique(ids[ids > 0]):
        places = np.argwhere(ids == number)
        away = places - places.mean(0)
        for axis in range(2):
            along = away[:, axis]
            along[along < 0] /= -along.min()
            along[along > 0] /= along.max()
            maps[axis][tuple(places.T)] = along
    return maps


def test_distances_made_for_a_whole_batch_are_those_of_each_nucleus(ids):
    both = distances(ids)
    np.testing.assert_allclose(both[0].numpy(), one_by_one(ids[0].numpy()), atol=1e-5)
    assert (both[1] == 0).all()


def test_nuclei_that_an_edge_cuts_teach_no_distances(ids):
    kept = whole(ids)
    assert set(ids[kept].tolist()) == {2, 5}
    assert not kept[1].any()


def test_the_asymmetric_loss_is_the_papers_formula():
    logits, truth = torch.tensor([[[1.2, -0.7, 2.0]]]), torch.tensor([[[1.0, 0.0, 0.0]]])
    p = logits.sigmoid()[0, 0]
    expected = -((1 - p[0]) ** 0.5 * p[0].log() + p[1] ** 4 * (1 - p[1]).log()) / 2
    loss = asymmetric_loss(logits, truth, torch.tensor([[[True, True, False]]]), 0.5, 4.0)
    torch.testing.assert_close(loss, expected)


def test_the_focal_loss_is_the_papers_formula():
    logits = torch.tensor([[[[1.0]], [[0.2]], [[-1.0]]]])
    p = logits.softmax(1)[0, 1, 0, 0]
    truth = torch.tensor([[[1]]])
    torch.testing.assert_close(focal_loss(logits, truth, truth > 0), -0.25 * (1 - p) ** 2 * p.log())


@pytest.mark.parametrize("value", [60.0, -60.0])
def test_sure_answers_leave_finite_slopes(value):
    logits = torch.full((1, 1, 2), value, requires_grad=True)
    known = torch.ones(1, 1, 2, dtype=torch.bool)
    asymmetric_loss(logits, torch.tensor([[[1.0, 0.0]]]), known, 0.5, 4.0).backward()
    assert logits.grad.isfinite().all()


def test_distances_count_where_they_are_known_and_their_rise_inside_nuclei_only(ids):
    truth, inside, known = distances(ids), whole(ids), ids >= 0
    assert distance_loss(truth, truth, inside, known) == 0
    shifted = truth + 0.5
    # the same everywhere: only the squared error itself, inside the picture
    middle = torch.zeros_like(inside)
    middle[0, 4:7, 5:9] = True
    torch.testing.assert_close(distance_loss(shifted, truth, middle, known), torch.tensor(0.25))
    wrong = truth.clone()
    wrong[1] = 9.0
    assert distance_loss(wrong, truth, inside, known) == 0


def test_a_batch_in_which_nothing_is_known_has_no_loss():
    ids = torch.full((1, 8, 8), -1)
    zeros = torch.zeros(1, 2, 8, 8)
    assert asymmetric_loss(zeros[:, 0], zeros[:, 0], ids >= 0) == 0
    assert distance_loss(zeros + 1, zeros, whole(ids), ids >= 0) == 0


def test_the_nearest_point_of_each_pixel_is_found_on_a_coarser_map():
    points = np.array([[1.0, 2.0], [12.0, 9.0]], np.float32)
    away, row = nearest(padded([points, np.zeros((0, 2), np.float32)]), 8, 6, 2)
    y, x = np.mgrid[:8, :6] * 2 + 0.5
    expected = np.stack([np.hypot(y - a, x - b) for a, b in points])
    np.testing.assert_allclose(away[0], expected.min(0), rtol=1e-5)
    np.testing.assert_array_equal(row[0], expected.argmin(0))
    assert (away[1] > 1000).all()


def test_distances_learn_on_the_device_that_the_crops_lie_on(ids):
    # no number may be asked for on the way: that would make a GPU wait
    with torch.device("meta"):
        assert distances(ids.to("meta")).shape == (2, 2, 24, 30)
        assert whole(ids.to("meta")).shape == ids.shape


def test_slopes_flow_through_all_losses(ids):
    maps = torch.zeros(2, 3, 24, 30, requires_grad=True)
    loss = asymmetric_loss(maps[:, 0], (ids > 0).float(), ids >= 0)
    loss = loss + distance_loss(maps[:, 1:], distances(ids), whole(ids), ids >= 0)
    loss.backward()
    assert (maps.grad[0].abs().sum((1, 2)) > 0).all()
    assert (maps.grad[1] == 0).all()
