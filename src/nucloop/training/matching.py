"""Matching predictions with reference nuclei while a detector learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["assign", "auction"]

DISTANCE = 0.1
"""Cost of a pixel."""
AROUND = 3
"""Cells on each side of a nucleus's own that may win it: a farther one costs more than any probability can repay."""
NEAREST = 100
"""Cells around a nucleus that the exact rule looks at: a trained detector's all point to it from ten pixels off."""
NOTHING = -1e9
"""What a cell beyond the image is worth."""
OFFERS = 12
"""Cells that a nucleus bids for: those that it wants most."""
ROUNDS = 48
"""Of bidding; nearly all nuclei have their cell after a few."""
DEAREST = 10.0
"""By how much a bid is at most raised, where a nucleus has no second cell."""
RAISE = 5e-3
"""By how much a bid is at least raised: what a match may cost more than the best one, for each nucleus."""


def assign(
    points: NDArray[np.float32], probability: NDArray[np.float32], targets: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Give each reference nucleus one cell: least total of 0.1 x distance (px) - probability (Hungarian).

    This is the exact rule, for one image; `auction` follows it closely for a whole batch.

    Parameters
    ----------
    points : (N, 2) array
        Predicted centres, pixels.
    probability : (N,) array
        Predicted nucleus probability.
    targets : (M, 2) array
        Reference centres, pixels.

    Returns
    -------
    (2, min(M, K)) array
        Rows of `points` and of `targets`.
    """
    if not len(targets):
        return np.zeros((2, 0), np.intp)
    # only cells near some nucleus can win: a far one costs more than any probability can repay
    _, places = cKDTree(points).query(targets, k=min(NEAREST, len(points)))
    near = np.unique(places)
    distance = np.linalg.norm(points[near][:, None] - targets[None], axis=-1)
    rows, columns = linear_sum_assignment(DISTANCE * distance - probability[near][:, None])
    return np.stack([near[rows], columns])


@torch.no_grad()
def auction(points: Tensor, probability: Tensor, targets: Tensor, stride: int) -> Tensor:
    """Give the nuclei of a batch one cell each, by an auction (Bertsekas, 1979) among the cells around them.

    A nucleus bids for the cell that it wants most at today's prices, by as much more as the next best is worth less to
    it. The highest bidder has the cell, and whoever had it before bids again.

    Parameters
    ----------
    points : (N, h, w, 2) tensor
        Predicted centres, pixels, of each cell.
    probability : (N, h, w) tensor
        Predicted nucleus probability.
    targets : (N, K, 2) tensor
        Reference centres, pixels; padded with negative numbers.
    stride : int
        Pixels per cell.

    Returns
    -------
    (N, K) int64 tensor
        Number of each nucleus's cell, row by row; -1 where there is no nucleus, or too many for the cells.
    """
    images, height, width = probability.shape
    cells, worth = _offers(points, probability, targets, stride)
    # in floating point, which every device scatters
    row = torch.arange(targets.shape[1], device=targets.device, dtype=torch.float32).expand(images, -1)
    # one cell beyond all stands for none
    prices = worth.new_zeros(images, height * width + 1)
    none = torch.full_like(cells[..., 0], -1)
    owned, waiting = none, targets[..., 0] >= 0
    for _ in range(ROUNDS):
        if targets.device.type == "cpu" and not waiting.any():
            break
        value, place = (worth - prices.gather(1, cells.flatten(1)).view_as(worth)).topk(2, -1)
        wanted = cells.gather(2, place[..., :1])[..., 0]
        bidding = waiting & (value[..., 0] > NOTHING / 2)
        bid = prices.gather(1, wanted) + (value[..., 0] - value[..., 1]).clamp(max=DEAREST) + RAISE
        bid = torch.where(bidding, bid, 0)
        highest = torch.zeros_like(prices).scatter_reduce(1, wanted, bid, "amax")
        best = bidding & (bid == highest.gather(1, wanted))
        # of equal bids the last row's counts
        buyer = torch.full_like(prices, -1).scatter_reduce(1, wanted, torch.where(best, row, -1), "amax")
        won = best & (buyer.gather(1, wanted) == row)
        outbid = (owned >= 0) & (buyer.gather(1, owned.clamp(min=0)) >= 0)
        owned = torch.where(won, wanted, torch.where(outbid, none, owned))
        waiting = (waiting | outbid) & ~won
        prices = torch.where(buyer >= 0, highest, prices)
    return owned


def _offers(points: Tensor, probability: Tensor, targets: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Cells that each nucleus may have, best first, and what they are worth to it: (N, K, J) each."""
    height, width = probability.shape[1:]
    around = torch.arange(-AROUND, AROUND + 1, device=targets.device)
    own = ((targets + 0.5) / stride).floor().long()
    y, x = own[..., 0, None] + around, own[..., 1, None] + around
    cells = (y[..., :, None] * width + x[..., None, :]).flatten(2)
    inside = (((y >= 0) & (y < height))[..., :, None] & ((x >= 0) & (x < width))[..., None, :]).flatten(2)
    cells = torch.where(inside, cells, 0)
    there = cells.flatten(1)
    centre = points.flatten(1, 2).gather(1, there[..., None].expand(-1, -1, 2)).view(*cells.shape, 2)
    distance = (centre - targets[:, :, None]).square_().sum(-1).sqrt_()
    worth = probability.flatten(1).gather(1, there).view_as(distance) - DISTANCE * distance
    best, place = torch.where(inside, worth, NOTHING).topk(OFFERS, -1)
    return torch.where(best > NOTHING / 2, cells.gather(2, place), height * width), best
