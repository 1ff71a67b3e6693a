"""What a network that separates nuclei shall say of each pixel, made from whose each pixel is, on the device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["asymmetric_loss", "distance_loss", "distances", "focal_loss", "nearest", "whole"]

MOST_NUCLEI = 8192
"""Numbers that the nuclei of a crop may have; pixels of higher ones teach no distances."""


def _numbers(ids: Tensor) -> Tensor:
    """Numbers (N, h * w) to scatter by; what is not a nucleus, or has too high a number, is 0."""
    flat = ids.flatten(1)
    return torch.where((flat > 0) & (flat < MOST_NUCLEI), flat, 0)


def distances(ids: Tensor) -> Tensor:
    """Return HoVer-Net's distances (N, 2, h, w) from the middle of each pixel's nucleus, down and across.

    They run from -1 at one end of a nucleus over 0 in its middle to 1 at the other end; on the ground they are 0.

    Parameters
    ----------
    ids : (N, h, w) int64
        Whose each pixel is, as `nucloop.training.crops.Crops.instances` says.
    """
    count, height, width = ids.shape
    number = _numbers(ids)
    grid = torch.meshgrid(*(torch.arange(n, device=ids.device).float() for n in (height, width)), indexing="ij")
    empty = torch.zeros(count, MOST_NUCLEI, device=ids.device)
    size = empty.scatter_add(1, number, torch.ones_like(number, dtype=torch.float32)).clamp_(min=1)
    both = []
    for axis in grid:
        place = axis.reshape(1, -1).expand(count, -1)
        away = place - (empty.scatter_add(1, number, place) / size).gather(1, number)
        first = empty.scatter_reduce(1, number, away, "amin").gather(1, number)
        last = empty.scatter_reduce(1, number, away, "amax").gather(1, number)
        both.append(torch.where(away < 0, -away / first.clamp(max=-0.5), away / last.clamp(min=0.5)))
    inside = (number > 0)[:, None]
    return (torch.stack(both, 1) * inside).view(count, 2, height, width)


def whole(ids: Tensor) -> Tensor:
    """Which pixels (N, h, w) belong to a nucleus that no edge of the crop cuts: the middle of others is elsewhere."""
    number = _numbers(ids)
    grid = number.view_as(ids)
    edge = torch.cat([grid[:, 0], grid[:, -1], grid[:, :, 0], grid[:, :, -1]], 1)
    cut = torch.zeros(len(ids), MOST_NUCLEI, dtype=torch.bool, device=ids.device).scatter(1, edge, True)
    return ((number > 0) & ~cut.gather(1, number)).view_as(ids)


def asymmetric_loss(
    logits: Tensor, truth: Tensor, known: Tensor, positive: float = 1.0, negative: float = 4.0
) -> Tensor:
    """Mean asymmetric loss of pixels (N, h, w) that are `known`: easy ground counts for next to nothing.

    The paper clips probabilities to 0.05 to 0.95, where they then learn nothing more; here they are kept from 0 and 1.
    """
    log_p, log_q = F.logsigmoid(logits), F.logsigmoid(-logits)
    loss = -(truth * (positive * log_q).exp() * log_p + (1 - truth) * (negative * log_p).exp() * log_q)
    return (loss * known).sum() / known.sum().clamp(min=1)


def distance_loss(predicted: Tensor, truth: Tensor, inside: Tensor, known: Tensor) -> Tensor:
    """Squared error of distances (N, 2, h, w), and of how they rise inside nuclei (5 x 5 Sobel).

    Parameters
    ----------
    inside, known : (N, h, w) bool
        Pixels of nuclei whose middle is known; pixels that teach anything.
    """
    weight = known[:, None].float()
    error = ((predicted - truth) ** 2 * weight).sum() / (2 * weight.sum()).clamp(min=1)
    focus = inside[:, None].float()
    rise = ((_rise(predicted - truth)) ** 2 * focus).sum() / (2 * focus.sum()).clamp(min=1)
    return error + rise


def _rise(maps: Tensor) -> Tensor:
    """How fast distances down rise downwards, and those across rise across."""
    step = torch.arange(-2.0, 3.0, device=maps.device)
    rows, columns = torch.meshgrid(step, step, indexing="ij")
    square = (rows**2 + columns**2).clamp(min=1)
    kernel = torch.stack([rows / square, columns / square])[:, None]
    return F.conv2d(maps, kernel, padding=2, groups=2)


def focal_loss(logits: Tensor, truth: Tensor, known: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Mean focal loss of pixels that are `known`, from logits (N, C, h, w) and classes (N, h, w)."""
    log_p = F.log_softmax(logits, 1).gather(1, truth[:, None])[:, 0]
    loss = -alpha * (1 - log_p.exp()) ** gamma * log_p
    return (loss * known).sum() / known.sum().clamp(min=1)


def nearest(yx: Tensor, height: int, width: int, stride: int) -> tuple[Tensor, Tensor]:
    """Return how far the nearest point of each pixel's crop is, and its row: (N, h, w) each.

    Parameters
    ----------
    yx : (N, K, 2)
        Points in pixels of the crop, padded with `nucloop.training.crops.ABSENT`.
    height, width, stride : int
        Of the map, and how many pixels of the crop are one of it.
    """
    places = [torch.arange(n, device=yx.device) * stride + (stride - 1) / 2 for n in (height, width)]
    grid = torch.stack(torch.meshgrid(*places, indexing="ij"), -1).reshape(1, -1, 2)
    # two large numbers would be subtracted from each other otherwise
    away = torch.cdist(grid.expand(len(yx), -1, -1).float(), yx.float(), compute_mode="donot_use_mm_for_euclid_dist")
    far, row = away.min(2)
    return far.view(-1, height, width), row.view(-1, height, width)
