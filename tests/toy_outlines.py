"""A small network in place of the one that learns outlines, so that a test need not wait; and discs to learn from."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["disc_places", "discs", "small_network"]

APART = 24


def discs(side: int) -> NDArray[np.uint8]:
    """Dark discs of 6 pixels radius on pale ground, in rows 24 pixels apart, (side, side, 3)."""
    y, x = np.mgrid[:side, :side] % APART
    rng = np.random.default_rng(0)
    rgb = np.where((np.hypot(y - 12, x - 12) < 6)[..., None], [90, 60, 140], [235, 220, 230])
    return (rgb + rng.integers(-8, 8, rgb.shape)).clip(0, 255).astype(np.uint8)


def disc_places(side: int) -> NDArray[np.float64]:
    """Where their middles are, (N, 2)."""
    return np.stack(np.meshgrid(*[np.arange(12.0, side - 6, APART)] * 2, indexing="ij"), -1).reshape(-1, 2)


@contextmanager
def small_network(steps: int = 60) -> Iterator[None]:
    """Within it, outlines are learned by a small network in so many small steps, whatever the clock says."""
    from nucloop.learning.outlines import learned as own_outlines
    from nucloop.models.backbone import Backbone
    from nucloop.models.donuseg import DonusegConfig
    from nucloop.models.files.cards import Card
    from nucloop.training.recipe import load_recipe

    model = DonusegConfig(backbone="test_efficientnet", channels=16, mpp=0.5)
    start = (
        SimpleNamespace(backbone=Backbone("test_efficientnet", (8, 16))),
        Card(kind="encoder", name="small", architecture="test", mpp=0.5),
    )

    def short(name: str, kind: Any, **changes: Any) -> Any:
        recipe = load_recipe(name, kind, steps=steps, batch=4, lr=4e-3, backbone_lr=4e-3, average=0)
        return replace(recipe, model=model, crop=64)

    with patch.object(own_outlines, "load_recipe", short), patch.object(own_outlines, "load_encoder", lambda _: start):
        yield
