"""Features of nuclei that were imported, added or moved, or of all of them when the encoder changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from nucloop.detection.classifier import TURNS
from nucloop.detection.spec import InferenceConfig
from nucloop.detection.stage import Stage, read_window
from nucloop.models.encoder import sample_at
from nucloop.slides.tiling import Tile, points_by_tile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from nucloop.models.files.cards import Card
    from nucloop.slides import Slide

__all__ = ["FeaturePart", "encoder_stage", "features_at"]


@dataclass(frozen=True)
class FeaturePart:
    """Features of the nuclei in one tile."""

    rows: NDArray[np.int64]
    """Which points, by row."""
    features: NDArray[np.float32]
    """(K, F), to match."""
    done: int
    """Points finished, these included."""
    total: int
    """Those on the slide."""


def encoder_stage(net: nn.Module, card: Card, device: str = "auto") -> Stage:
    """Return an encoder ready to run, seeing what it sees in detection: a nucleus has the same features from either."""
    any_net: Any = net
    return Stage(any_net, card, device, 1, TURNS[InferenceConfig().rotations])


def features_at(slide: Slide, stage: Stage, yx: NDArray[np.floating], side: int = 1024) -> Iterator[FeaturePart]:
    """Compute the features at points; yield one part per tile that holds any, the fullest first.

    Points beside the slide show nothing, so they have no features: no part speaks of them.

    Parameters
    ----------
    slide : Slide
        With a known resolution.
    stage : Stage
        The encoder on its engine.
    yx : (N, 2) array
        Level-0 pixels.
    side : int
        Of a tile, pixels at the encoder's resolution.

    Raises
    ------
    SlideError
        If the slide does not say its resolution, or is damaged.
    """
    scale = slide.require_mpp() / stage.mpp
    there = np.flatnonzero(slide.box.contains(yx))
    points = (np.asarray(yx, np.float64)[there] + 0.5) * scale - 0.5
    done = 0
    for corner, rows in points_by_tile(points, side):
        features = _in_tile(slide, stage, points[rows], corner, side)
        done += len(rows)
        yield FeaturePart(there[rows], features, done, len(points))


def _in_tile(
    slide: Slide, stage: Stage, points: NDArray[np.float64], corner: NDArray[np.int64], side: int
) -> NDArray[np.float32]:
    # only what the points need: a handful of added nuclei must not cost a whole tile
    top, left = np.maximum(np.floor(points.min(0)).astype(int), corner)
    bottom, right = np.minimum(np.ceil(points.max(0)).astype(int) + 1, corner + side)
    tile = Tile(int(top), int(left), max(int(bottom - top), 1), max(int(right - left), 1))
    window = stage.window(slide, tile, stage.mpp)
    pixels = read_window(slide, window, stage.mpp)
    dense = torch.from_numpy(stage(pixels[None])[0])
    local = torch.from_numpy((points - window.origin).astype(np.float32))
    sampled: NDArray[np.float32] = sample_at(dense, local, stage.stride).numpy()
    return sampled
