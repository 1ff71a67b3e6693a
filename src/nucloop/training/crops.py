"""A batch of training images and the nuclei in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ABSENT", "Crops", "padded", "table_width"]

ABSENT = -1e4
"""Where a padded table of points has none."""


@dataclass(frozen=True)
class Crops:
    """Training images and the nuclei in them, padded to the longest list.

    Parameters
    ----------
    rgb : (N, 3, S, S) float32
        0 to 255.
    yx : (N, K, 2) float32
        Centres in pixels; `ABSENT` where a crop has fewer than K nuclei.
    label : (N, K) int64
        Classes; -1 where there is none.
    zoom : (N,) float64 array
        How much larger than life things are.
    ihc : (N,) bool array
        Which crops shall be re-stained as immunohistochemistry.
    exhaustive : (N,) bool array
        False where only some nuclei are marked: what lies away from marks is then not background.
    choices : (N, K, C) bool, optional
        Classes that a nucleus without a label may have.
    instances : (N, S, S) int64, optional
        Whose each pixel is: k + 1 for row k of the tables, 0 for the ground, numbers above K for nuclei whose centre
        lies outside the crop, -1 where nobody knows: beyond the field, or in one without a mask.
    """

    rgb: Tensor
    yx: Tensor
    label: Tensor
    zoom: NDArray[np.float64]
    ihc: NDArray[np.bool_]
    exhaustive: NDArray[np.bool_]
    choices: Tensor | None = None
    instances: Tensor | None = None

    @classmethod
    def of(cls, rgb: Tensor, points: Sequence[NDArray[np.float32]] = (), *, ihc: bool = False) -> Crops:
        """Return images (N, 3, S, S) of life size with the nuclei of each, (K, 2), without classes."""
        count = len(rgb)
        yx = padded(points or [np.zeros((0, 2), np.float32)] * count).to(rgb.device)
        label = torch.full(yx.shape[:2], -1, device=rgb.device)
        return cls(rgb, yx, label, np.ones(count), np.full(count, ihc), np.ones(count, bool))

    @property
    def there(self) -> Tensor:
        """Which rows of the padded tables are nuclei, (N, K) bool."""
        return self.yx[..., 0] > ABSENT / 2


def padded(points: Sequence[NDArray[np.float32]]) -> Tensor:
    """Put lists of points (K, 2) of several images into one table (N, K, 2)."""
    table = torch.full((len(points), table_width(max((len(p) for p in points), default=0)), 2), ABSENT)
    for row, some in zip(table, points, strict=True):
        row[: len(some)] = torch.from_numpy(np.asarray(some, np.float32))
    return table


def table_width(count: int) -> int:
    """Return a width for tables: few different ones, so that a GPU meets the same shapes again."""
    return max(-(-count // 16), 1) * 16
