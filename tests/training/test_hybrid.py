"""One proposal or several for each nucleus: the quick exact rule against the dense one, the batched one beside it."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from nucloop.training.bidding import auction_each
from nucloop.training.crops import padded
from nucloop.training.hybrid import assign_each, matching_cost

SIDE, STRIDE = 96, 4


@dataclasses.dataclass
class Scene:
    """Proposals on a grid that have moved towards nuclei as far as the network is trained."""

    points: np.ndarray
    probability: np.ndarray
    targets: np.ndarray
    label: np.ndarray

    @property
    def cost(self) -> np.ndarray:
        return matching_cost(self.points, self.probability, self.targets, self.label)


def scene(seed: int, *, trained: bool, count: int = 40, side: int = SIDE, apart: float = 0.0) -> Scene:
    rng = np.random.default_rng(seed)
    steps = np.arange(side // STRIDE) * STRIDE + (STRIDE - 1) / 2
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    targets = np.zeros((0, 2))
    while len(targets) < count:
        place = rng.uniform(0, side - 1, 2)
        if not len(targets) or np.hypot(*(targets - place).T).min() >= apart:
            targets = np.vstack([targets, place])
    distance = np.linalg.norm(grid[:, None] - targets, axis=2)
    near, nearest = distance.min(1) < 9, targets[distance.argmin(1)]
    if trained:
        grid = np.where(near[:, None], nearest + 0.3 * (grid - nearest) + rng.normal(0, 1, grid.shape), grid)
    nucleus = np.where(near & trained, rng.beta(2, 1, len(grid)), rng.beta(2, 8, len(grid)))
    share = rng.dirichlet([0.5] * 3, len(grid)) * nucleus[:, None]
    probability = np.column_stack([share, nucleus])
    label = rng.integers(-1, 3, count)
    return Scene(*(a.astype(np.float32) for a in (grid, probability, targets)), label)


def total(cost: np.ndarray, owner: np.ndarray) -> float:
    return float(cost[owner[owner >= 0], np.flatnonzero(owner >= 0)].sum(dtype=float))


@pytest.mark.parametrize("each", [1, 2, 6])
@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_short_lists_and_groups_cost_what_the_whole_matrix_costs(seed, trained, each):
    cost = scene(seed, trained=trained).cost
    rows, columns = linear_sum_assignment(np.repeat(cost, each, 0))
    owner = assign_each(cost, each)
    assert total(cost, owner) == pytest.approx(cost[rows // each, columns].sum(dtype=float), abs=1e-4)
    assert (np.bincount(owner[owner >= 0], minlength=len(cost)) == each).all()


def test_it_stays_exact_where_all_nuclei_want_the_same_few_proposals():
    rng = np.random.default_rng(0)
    cost = rng.uniform(0, 1, (30, 200)).astype(np.float32)
    cost[:, :20] -= 5
    rows, columns = linear_sum_assignment(np.repeat(cost, 4, 0))
    assert total(cost, assign_each(cost, 4)) == pytest.approx(cost[rows // 4, columns].sum(dtype=float), abs=1e-4)


@pytest.mark.parametrize(("nuclei", "proposals", "given"), [(0, 9, 0), (4, 9, 8), (9, 4, 4), (3, 0, 0)])
def test_where_proposals_are_few_nuclei_get_as_many_as_there_are(nuclei, proposals, given):
    cost = np.random.default_rng(1).uniform(0, 1, (nuclei, proposals)).astype(np.float32)
    owner = assign_each(cost, 6)
    assert (owner >= 0).sum() == given
    assert owner.shape == (proposals,)


def test_a_nucleus_is_costed_by_its_own_class_and_one_without_by_any():
    points = np.array([[0, 0]], np.float32)
    probability = np.array([[0.2, 0.5, 0.7]], np.float32)
    cost = matching_cost(points, probability, np.array([[3, 4]] * 3, np.float32), np.array([0, 1, -1]))
    np.testing.assert_allclose(cost[:, 0], 0.05 * 5 - np.array([0.2, 0.5, 0.7]), rtol=1e-6)


def test_a_whole_batch_is_matched_as_the_exact_rule_matches_each_image():
    scenes = [scene(seed, trained=seed % 2 == 0, count=20 + 5 * seed, apart=6) for seed in range(6)]
    cells = SIDE // STRIDE
    points = torch.from_numpy(np.stack([one.points for one in scenes])).view(-1, cells, cells, 2)
    shown = torch.from_numpy(np.stack([one.probability for one in scenes])).view(-1, cells, cells, 4)
    targets = padded([one.targets for one in scenes])
    label = torch.full(targets.shape[:2], -1)
    for row, one in zip(label, scenes, strict=True):
        row[: len(one.label)] = torch.from_numpy(one.label)
    for each in (1, 2, 4):
        owner = auction_each(points, shown, targets, label, STRIDE, each).numpy()
        same = given = 0
        for one, mine in zip(scenes, owner, strict=True):
            exact = assign_each(one.cost, each)
            same, given = same + ((exact == mine) & (exact >= 0)).sum(), given + (exact >= 0).sum()
            assert total(one.cost, mine) <= total(one.cost, exact) + 5e-3 * each * len(one.label)
            assert (mine >= 0).sum() == (exact >= 0).sum()
        assert same / given > 0.97


def test_of_a_padded_row_no_proposal_is_owned():
    targets = padded([np.zeros((0, 2), np.float32), np.array([[10, 10]], np.float32)])
    grid = torch.zeros(2, 6, 6, 2)
    owner = auction_each(grid, torch.rand(2, 6, 6, 2), targets, torch.full(targets.shape[:2], -1), 4, 2)
    assert (owner >= 0).sum(1).tolist() == [0, 2]
