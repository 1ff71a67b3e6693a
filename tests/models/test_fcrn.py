import numpy as np
import torch

from nucloop.models.fcrn import FcrnConfig, FcrnDetector, propose

SMALL = FcrnConfig(backbone="mobilenetv2_100", strides=(2, 4, 8), channels=8, classes=2)


def hill(centre: tuple[float, float], height: float, cells: int = 24) -> np.ndarray:
    """A map (cells, cells) with one round hill, as logits; a cell is two pixels."""
    y, x = np.mgrid[:cells, :cells] * 2 + 0.5
    value = height * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 40)
    return np.log((value + 1e-6) / (1 - value + 1e-6)).astype(np.float32)


def test_there_is_a_map_for_each_class_at_the_finest_stride():
    net = FcrnDetector(SMALL).eval()
    with torch.inference_mode():
        assert net(torch.rand(1, 3, 64, 48) * 255).shape == (1, 2, 32, 24)


def test_a_peak_is_found_between_cells_and_named_by_its_highest_map():
    found = propose(np.stack([hill((20.3, 25.8), 0.3), hill((20.3, 25.8), 0.9)]), SMALL, 0.5)
    np.testing.assert_allclose(found.yx, [[20.3, 25.8]], atol=0.1)
    assert found.score[0] > 0.85
    np.testing.assert_allclose(found.probability, [[0.25, 0.75]], atol=0.01)


def test_two_hills_on_one_map_and_one_on_another_are_three_nuclei():
    two = np.maximum(hill((10, 10), 0.9), hill((10, 34), 0.7))
    found = propose(np.stack([two, hill((36, 20), 0.6)]), SMALL, 0.5)
    order = np.argsort(-found.score)
    np.testing.assert_allclose(found.yx[order], [[10, 10], [10, 34], [36, 20]], atol=0.3)
    assert found.probability is not None
    assert found.probability[order].argmax(1).tolist() == [0, 0, 1]


def test_what_is_lower_than_asked_is_none():
    assert not len(propose(np.stack([hill((10, 10), 0.4)] * 2), SMALL, 0.5))


def test_a_peak_at_the_edge_stays_inside():
    found = propose(np.stack([hill((0.0, 20.0), 0.9)] * 2), SMALL, 0.5)
    assert len(found) == 1
    assert -0.6 <= found.yx[0, 0] <= 1.5
