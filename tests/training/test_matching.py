"""The auction of a batch against the exact rule for one image."""

import numpy as np
import torch

from nucloop.models.denuc import reference_points
from nucloop.training.crops import padded
from nucloop.training.matching import assign, auction

STRIDE, CELLS = 8, 28


def drawn(seed: int, *, learned: bool) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Points, probabilities and nuclei of six images, as an untrained or a trained detector would give them."""
    rng = np.random.default_rng(seed)
    grid = reference_points(CELLS, CELLS, STRIDE)
    points, sure, targets = [], [], []
    for count in (0, 1, 12, 60, 150, 300):
        nuclei = rng.uniform(0, CELLS * STRIDE - 1, (count, 2)).astype(np.float32)
        offset = rng.normal(0, 3, grid.shape)
        if learned and count:
            away = nuclei[None] - grid[:, None]
            nearest = np.linalg.norm(away, axis=-1).argmin(1)
            offset = 0.8 * away[np.arange(len(grid)), nearest].clip(-10, 10) + rng.normal(0, 0.7, grid.shape)
        points.append(grid + offset)
        sure.append(rng.beta(0.5, 0.5 if learned else 3, len(grid)))
        targets.append(nuclei)
    return np.stack(points).astype(np.float32), np.stack(sure).astype(np.float32), targets


def test_the_auction_gives_nuclei_the_cells_that_the_hungarian_method_gives_them():
    same, nuclei, dearer = 0, 0, []
    for seed in range(8):
        points, sure, targets = drawn(seed, learned=seed % 2 == 0)
        shape = (len(targets), CELLS, CELLS)
        won = auction(
            torch.from_numpy(points).view(*shape, 2), torch.from_numpy(sure).view(shape), padded(targets), STRIDE
        )
        for image, some in enumerate(targets):
            cells, rows = assign(points[image], sure[image], some)
            mine = won[image, : len(some)].numpy()
            assert (won[image, len(some) :] == -1).all()
            assert (mine >= 0).all()
            assert len(set(mine.tolist())) == len(mine)
            same += int((mine[rows] == cells).sum())
            nuclei += len(some)
            costs = [
                (0.1 * np.linalg.norm(points[image][given] - some, axis=1) - sure[image][given]).sum()
                for given in (cells[np.argsort(rows)], mine)
            ]
            dearer.append((costs[1] - costs[0]) / max(len(some), 1))
    assert same / nuclei > 0.995
    assert max(dearer) < 5e-3
