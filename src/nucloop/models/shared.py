"""A detector and a shape network that were trained on one backbone, run on it together: outlines then cost little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from nucloop.models.shape import PointShape

__all__ = ["SharedBackbone", "share_backbone"]


class SharedBackbone(nn.Module):
    """A detector with a shape network beside it.

    Parameters
    ----------
    detector : Module
        `nucloop.models.families.Trained`, with `backbone` and `from_maps`. Its backbone is not run.
    shape : PointShape
        With an equal backbone, which may give a finer map besides.
    """

    def __init__(self, detector: nn.Module, shape: PointShape) -> None:
        super().__init__()
        self.detector, self.shape = detector, shape
        known: Any = detector
        self.config, self.stride = known.config, known.stride

    def forward(self, rgb: Tensor) -> Tensor:
        """Map RGB (N, 3, H, W), 0 to 255, to the detector's output with the shape's maps behind it."""
        detector: Any = self.detector
        maps = self.shape.backbone(rgb)
        theirs = maps[-len(self.config.strides) :]
        return torch.cat([detector.from_maps(theirs), self.shape.from_maps(maps)], 1)


def share_backbone(detector: nn.Module, shape: PointShape) -> SharedBackbone | None:
    """Join two networks whose backbones are the same to the last bit; None where they are not."""
    known: Any = detector
    if not hasattr(known, "from_maps") or known.config.mpp != shape.config.mpp:
        return None
    if known.config.strides != shape.config.strides or known.backbone.name != shape.backbone.name:
        return None
    theirs, ours = known.backbone.state_dict(), shape.backbone.state_dict()
    if theirs.keys() != ours.keys() or not all(torch.equal(theirs[name], value) for name, value in ours.items()):
        return None
    return SharedBackbone(detector, shape)
