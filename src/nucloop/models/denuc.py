"""DeNuC's point detector: a light backbone, a PAN neck, one score and one offset per cell.

Yang, Kuang and Fu, "DeNuC: Decoupling Nuclei Detection and Classification in Histopathology".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.models.backbone import Backbone
from nucloop.models.pan import PathAggregation

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DenucConfig", "DenucDetector", "DenucLoss", "assign", "decode", "suppress"]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class DenucConfig:
    """Shape of a DeNuC detector."""

    backbone: str = "shufflenet_v2_x0_5"
    """torchvision or timm name."""
    strides: tuple[int, ...] = (8, 16, 32)
    """Feature maps used, finest first; the finest is the spacing of the reference points."""
    channels: int = 96
    """Width of neck and head."""
    mpp: float = 0.25
    """Working resolution, µm per pixel."""
    options: dict[str, Any] = field(default_factory=dict)
    """Passed to timm."""

    def __post_init__(self) -> None:
        if not self.strides or any(b != 2 * a for a, b in zip(self.strides, self.strides[1:], strict=False)):
            raise ValueError(f"strides must double from one to the next, got {self.strides}")
        if not 0.05 <= self.mpp <= 4:
            raise ValueError(f"working resolution {self.mpp} µm/px is outside 0.05 to 4")
        if not 1 <= self.channels <= 4096:
            raise ValueError(f"{self.channels} channels are outside 1 to 4096")


class DenucDetector(nn.Module):
    """Scores and offsets on a regular grid of reference points, one at the centre of each cell."""

    def __init__(self, config: DenucConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = config.strides[0]
        self.backbone = Backbone(config.backbone, config.strides, config.options)
        self.neck = PathAggregation(self.backbone.channels, config.channels)
        width = config.channels
        self.head = nn.Sequential(
            *(
                layer
                for _ in range(2)
                for layer in (
                    nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                    nn.Conv2d(width, width, 1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                )
            ),
            nn.Conv2d(width, 3, 1),
        )
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 0.0)
        with torch.no_grad():
            last.bias[0] = -2.0

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, to (N, 3, H/stride, W/stride).

        Channel 0 is the nucleus logit, channels 1 and 2 the offset (y, x) from the cell's centre, in pixels.
        """
        out: Tensor = self.head(self.neck(self.backbone(rgb)))
        return out


REACH = 4
"""Largest offset of a detection from its cell's centre, in cells."""


def reference_points(height: int, width: int, stride: int) -> NDArray[np.float32]:
    """Centres of a grid's cells, (height * width, 2) as (y, x) with pixel centres at integers."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return (np.stack([y, x], -1).reshape(-1, 2) * stride + (stride - 1) / 2).astype(np.float32)


def assign(
    points: NDArray[np.float32], probability: NDArray[np.float32], targets: NDArray[np.float32]
) -> NDArray[np.intp]:
    """Give each reference nucleus one cell: least total of 0.1 x distance (px) - probability (Hungarian).

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
    near = np.unique(
        np.concatenate(cKDTree(points).query(targets, k=min(12, len(points)))[1].reshape(len(targets), -1))
    )
    distance = np.linalg.norm(points[near][:, None] - targets[None], axis=-1)
    rows, columns = linear_sum_assignment(0.1 * distance - probability[near][:, None])
    return np.stack([near[rows], columns])


class DenucLoss(nn.Module):
    """Cross-entropy with background weight 0.5, plus 5e-3 x mean squared offset error (DeNuC, section 2.2)."""

    def __init__(self, stride: int, background: float = 0.5, offset: float = 5e-3) -> None:
        super().__init__()
        self.stride, self.background, self.offset = stride, background, offset

    def forward(self, output: Tensor, targets: list[NDArray[np.float32]]) -> Tensor:
        """Mean loss of a batch (N, 3, h, w) against N arrays of reference centres (M, 2) in pixels."""
        n, _, height, width = output.shape
        grid = reference_points(height, width, self.stride)
        flat = output.permute(0, 2, 3, 1).reshape(n, -1, 3).float()
        probability = flat[..., 0].detach().sigmoid().cpu().numpy()
        offsets = flat[..., 1:].detach().cpu().numpy()
        truth = torch.zeros_like(flat[..., 0])
        errors = []
        for k, target in enumerate(targets):
            cells, rows = assign(grid + offsets[k], probability[k], target)
            truth[k, torch.from_numpy(cells).to(truth.device)] = 1
            wanted = torch.from_numpy(target[rows] - grid[cells]).to(flat)
            errors.append(((flat[k, cells, 1:] - wanted) ** 2).sum(-1))
        weight = torch.where(truth > 0, 1.0, self.background)
        score = F.binary_cross_entropy_with_logits(flat[..., 0], truth, weight=weight, reduction="sum") / weight.sum()
        squared = torch.cat(errors)
        return score + self.offset * (squared.mean() if len(squared) else squared.sum())


def decode(
    output: NDArray[np.float32], stride: int, threshold: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn one image's output (3, h, w) into points (K, 2) as (y, x) pixels and scores (K,) of at least `threshold`."""
    _, height, width = output.shape
    logit, offset = output[0].reshape(-1), output[1:].reshape(2, -1)
    # a cell speaks for its surroundings: an offset beyond them is an error, and would cross tiles
    sane = (np.abs(offset) <= REACH * stride).all(0)
    rows = np.flatnonzero((logit >= np.log(threshold / (1 - threshold))) & sane)
    points = reference_points(height, width, stride)[rows] + offset.T[rows]
    return points.astype(np.float32), (1 / (1 + np.exp(-logit[rows]))).astype(np.float32)


def suppress(points: NDArray[np.float32], scores: NDArray[np.float32], radius: float) -> NDArray[np.intp]:
    """Rows of points (N, 2) that have no better one within `radius`; of equal scores the upper left one is better.

    A point that is itself suppressed still suppresses others. The usual greedy rule would spare those, but then the
    fate of a nucleus could hang on a chain of others of any length, and on where a tile ends. The two rules give the
    same F1 (docs/models.md).
    """
    if len(points) < 2:
        return np.arange(len(points))
    pairs = cKDTree(points).query_pairs(radius, output_type="ndarray")
    rank = np.empty(len(points), np.intp)
    rank[np.lexsort((points[:, 1], points[:, 0], -scores))] = np.arange(len(points))
    gone = np.zeros(len(points), bool)
    gone[np.where(rank[pairs[:, 0]] > rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])] = True
    return np.flatnonzero(~gone)
