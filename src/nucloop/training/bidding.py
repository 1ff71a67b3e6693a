"""Matching each nucleus of a batch with one or several proposals, all at once on the device, by an auction.

`nucloop.training.hybrid` has the exact rule for one image; this one follows it closely.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nucloop.training.hybrid import DISTANCE

__all__ = ["auction_each"]

AROUND = 4
"""Proposals on each side of a nucleus's own place that may be its."""
SPARE = 12
"""Proposals that a nucleus bids for, beside as many as it shall have."""
ROUNDS = 32
"""Of bidding."""
NOTHING = -1e9
"""What a proposal beyond the image is worth."""
DEAREST = 10.0
"""By how much a bid is at most raised, where there is nothing else to have."""
RAISE = 5e-3
"""By how much a bid is at least raised: what a match may cost more than the best one, for each nucleus."""


@torch.no_grad()
def auction_each(
    points: Tensor, probability: Tensor, targets: Tensor, label: Tensor, stride: int, each: int = 1
) -> Tensor:
    """Give every nucleus of a batch `each` proposals, no proposal to two.

    A nucleus bids for the proposals that it wants most at today's prices, as many as it lacks, and by as much more as
    the next best is worth less to it. The highest bidder has the proposal, and whoever had it before bids again.

    Parameters
    ----------
    points : (N, h, w, 2) tensor
        Predicted centres, pixels, by place on the grid.
    probability : (N, h, w, C) tensor
        Of each class; the last is that of any nucleus.
    targets : (N, K, 2) tensor
        Reference centres, pixels; padded with negative numbers.
    label : (N, K) int64 tensor
        Classes; -1 for a nucleus without one.
    stride : int
        Pixels from one proposal to the next.
    each : int
        Proposals for a nucleus.

    Returns
    -------
    (N, h * w) int64 tensor
        The nucleus that has each proposal; -1 for none.
    """
    images, height, width = points.shape[:3]
    cells, worth = _offers(points, probability, targets, label, stride, each + SPARE)
    shape, flat = cells.shape, cells.flatten(1)
    # in floating point, which every device scatters
    row = torch.arange(shape[1], device=targets.device, dtype=torch.float32)[None, :, None].expand(images, -1, -1)
    # one place beyond all stands for none
    prices = worth.new_zeros(images, height * width + 1)
    owner = torch.full_like(prices, -1)
    there = targets[..., 0] >= 0
    slot = torch.arange(each, device=targets.device)
    for _ in range(ROUNDS):
        own = owner.gather(1, flat).view(shape) == row
        lacking = torch.where(there, each - own.sum(-1), 0)
        if targets.device.type == "cpu" and not lacking.any():
            break
        net = torch.where(own, NOTHING, worth - prices.gather(1, flat).view(shape))
        value, place = net.topk(each + 1, -1)
        wanted = cells.gather(2, place[..., :each])
        next_best = value.gather(2, lacking[..., None])
        bidding = (slot < lacking[..., None]) & (value[..., :each] > NOTHING / 2)
        more = (value[..., :each] - next_best).clamp(max=DEAREST) + RAISE
        wanted, bidding = wanted.flatten(1), bidding.flatten(1)
        bid = torch.where(bidding, prices.gather(1, wanted) + more.flatten(1), 0)
        highest = torch.zeros_like(prices).scatter_reduce(1, wanted, bid, "amax")
        best = bidding & (bid == highest.gather(1, wanted))
        # of equal bids the last row's counts
        who = torch.where(best, row.expand(-1, -1, each).flatten(1), -1)
        buyer = torch.full_like(prices, -1).scatter_reduce(1, wanted, who, "amax")
        owner = torch.where(buyer >= 0, buyer, owner)
        prices = torch.where(buyer >= 0, highest, prices)
    return owner[:, :-1].long()


def _offers(
    points: Tensor, probability: Tensor, targets: Tensor, label: Tensor, stride: int, count: int
) -> tuple[Tensor, Tensor]:
    """Proposals that each nucleus may have, and what they are worth to it: (N, K, J) each."""
    height, width, classes = probability.shape[1:]
    around = torch.arange(-AROUND, AROUND + 1, device=targets.device)
    own = ((targets + 0.5) / stride).floor().long()
    y, x = own[..., 0, None] + around, own[..., 1, None] + around
    cells = (y[..., :, None] * width + x[..., None, :]).flatten(2)
    inside = (((y >= 0) & (y < height))[..., :, None] & ((x >= 0) & (x < width))[..., None, :]).flatten(2)
    cells = torch.where(inside, cells, 0)
    there = cells.flatten(1)
    centre = points.flatten(1, 2).gather(1, there[..., None].expand(-1, -1, 2)).view(*cells.shape, 2)
    distance = (centre - targets[:, :, None]).square_().sum(-1).sqrt_()
    column = torch.where(label < 0, classes - 1, label)[..., None]
    shown = probability.flatten(1).gather(1, (cells * classes + column).flatten(1)).view_as(distance)
    best, place = torch.where(inside, shown - DISTANCE * distance, NOTHING).topk(min(count, inside.shape[-1]), -1)
    return torch.where(best > NOTHING / 2, cells.gather(2, place), height * width), best
