"""What a pipeline costs, whatever it finds: numbers to learn, and calculations for a square millimetre."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from torch import nn

    from nucloop.detection.pipeline import Pipeline

__all__ = ["gflop_per_mm2", "parameters"]

SIDE = 448
"""Of the picture that calculations are counted on, pixels: windows of transformers and all strides fit into it."""


def parameters(pipeline: Pipeline) -> int:
    """Numbers that were learned, of all networks together."""
    return sum(p.numel() for net, _, _ in pipeline.networks.values() for p in net.parameters())


def gflop_per_mm2(pipeline: Pipeline) -> float:
    """Thousand million additions and multiplications for a mm², without the halos of tiles."""
    return sum(_gflop(net) * turns * 1e6 / (SIDE * mpp) ** 2 for net, mpp, turns in pipeline.networks.values())


@torch.inference_mode()
def _gflop(net: nn.Module) -> float:
    where = next(net.parameters()).device
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, SIDE, SIDE, device=where))
    counted: float = counter.get_total_flops() / 1e9
    return counted
