"""Pictures around the nuclei that people spoke about, for tuning an encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nucloop.detection.stage import Window, read_window
from nucloop.training.augment import AugmentConfig, augment_pixels
from nucloop.training.crops import Crops

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from nucloop.slides import Slide

__all__ = ["PointTile", "cut_tiles", "pictures", "varied"]

AUGMENT = AugmentConfig(scale=1.0, stain_amount=0.1, stain_colour=0.01, density=0.05, blur=0.1, noise=0.1)
"""Milder than in training an encoder: it is one slide's stain that it shall learn."""


@dataclass(frozen=True)
class PointTile:
    """A picture, and the nuclei in it whose class is known.

    Parameters
    ----------
    rgb : (S, S, 3) uint8
        At the encoder's resolution.
    yx : (K, 2) float32
        In pixels of the picture.
    label : (K,) int16
        Their classes.
    group : int
        Its place: pictures of one group are never divided between teaching and measuring.
    """

    rgb: NDArray[np.uint8]
    yx: NDArray[np.float32]
    label: NDArray[np.int16]
    group: int


def cut_tiles(
    slide: Slide,
    mpp: float,
    points: NDArray[np.floating],
    label: NDArray[np.int16],
    groups: NDArray[np.int64],
    side: int,
) -> list[PointTile]:
    """Return all that `pictures` yields."""
    return list(pictures(slide, mpp, points, label, groups, side))


def pictures(
    slide: Slide,
    mpp: float,
    points: NDArray[np.floating],
    label: NDArray[np.int16],
    groups: NDArray[np.int64],
    side: int,
) -> Iterator[PointTile]:
    """Cut square pictures so that each point lies in the middle half of one, with its surroundings.

    Parameters
    ----------
    points : (N, 2) array
        On the working grid at `mpp`.
    groups : (N,) array
        A picture holds points of one group only.
    side : int
        Of a picture, working pixels.
    """
    step = side // 2
    cells = np.concatenate([groups[:, None], np.floor(points / step).astype(np.int64)], axis=1)
    names, inverse = np.unique(cells, axis=0, return_inverse=True)
    for number, (group, row, column) in enumerate(names.tolist()):
        rows = np.flatnonzero(inverse.reshape(-1) == number)
        top, left = row * step - step // 2, column * step - step // 2
        rgb = _picture(slide, mpp, top, left, side)
        yield PointTile(rgb, (points[rows] - (top, left)).astype(np.float32), label[rows], int(group))


def _picture(slide: Slide, mpp: float, top: int, left: int, side: int) -> NDArray[np.uint8]:
    """Read a square; what lies beyond the slide is mid-grey, the networks' zero."""
    y, x = max(top, 0), max(left, 0)
    pixels = read_window(slide, Window(y, x, top + side - y, left + side - x), mpp)
    if (y, x) == (top, left):
        return pixels
    return np.pad(pixels, ((y - top, 0), (x - left, 0), (0, 0)), constant_values=128)


def varied(
    tiles: Sequence[PointTile], mpp: float, jitter_um: float, rng: np.random.Generator
) -> tuple[Tensor, list[NDArray[np.float32]], NDArray[np.int16]]:
    """Turn and mirror pictures, vary their stain a little and move their points a little.

    Returns
    -------
    (N, 3, S, S) tensor, N arrays (K, 2), (sum of K,) array
        RGB from 0 to 255, points and labels.
    """
    pictures, points = [], []
    for tile in tiles:
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        rgb, yx = _turned(tile.rgb, tile.yx, turns, mirror)
        moved = yx + rng.normal(0, jitter_um / mpp, yx.shape)
        pictures.append(np.ascontiguousarray(rgb))
        points.append(moved.astype(np.float32))
    stack = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    pixels = augment_pixels(Crops.of(stack), AUGMENT, mpp, rng)
    return pixels, points, np.concatenate([tile.label for tile in tiles])


def _turned(
    rgb: NDArray[np.uint8], yx: NDArray[np.float32], turns: int, mirror: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    last = rgb.shape[0] - 1
    for _ in range(turns):
        yx = np.stack([last - yx[:, 1], yx[:, 0]], axis=1)
    rgb = np.rot90(rgb, turns)
    if mirror:
        rgb, yx = rgb[:, ::-1], np.stack([yx[:, 0], last - yx[:, 1]], axis=1)
    return rgb, yx
