"""Outlines learned from a slide's own points: a network for that tissue, and what it says of the points, tile by tile.

For tissue where the outlines that ship fail. Elsewhere they are the better ones: they were learned from masks.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nucloop.detection.cores import available_cores
from nucloop.detection.engines import available_devices
from nucloop.detection.stage import Stage, read_window
from nucloop.errors import DataError, WeightsError
from nucloop.learning.outlines.point_fields import point_fields
from nucloop.learning.outlines.proposal import FoundOutlines, OutlineStep
from nucloop.models import boxed
from nucloop.models.donuseg import DonusegNet
from nucloop.models.families import alignment
from nucloop.models.files.cards import Card, load_detector, load_encoder, module_sha256, save_module
from nucloop.slides.tiling import Tile, points_by_tile
from nucloop.training.donuseg import DonusegTask, begun_with
from nucloop.training.product import Origins, family_card, halo_tries
from nucloop.training.recipe import load_recipe
from nucloop.training.task import train

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei
    from nucloop.outlines import Outlines
    from nucloop.slides import Slide

__all__ = ["LEAST_POINTS", "OutlineNetwork", "learn_outlines", "outlines_at"]

LEAST_POINTS = 30
"""Fewer nuclei do not say how nuclei look here."""
RECIPE = "donuseg-slide"
START = "embedded"
"""The network whose encoder knows nuclei already."""
HALO = {"core": 64, "widest": 240}
"""How its halo is measured, pixels: in steps that are over within a second."""
SIDE = 512
"""Side of a tile in which outlines are found together, working pixels: a step that is over within a second."""


@dataclass(frozen=True)
class OutlineNetwork:
    """A network that outlines the nuclei at points, and its card."""

    net: DonusegNet
    card: Card

    @classmethod
    def open(cls, path: Path) -> OutlineNetwork:
        """Open a file that `keep` or ``nucloop train donuseg`` wrote.

        Raises
        ------
        WeightsError
            If it is missing, damaged, or holds another network.
        """
        net, card = load_detector(str(path))
        if not isinstance(net, DonusegNet):
            raise WeightsError(
                f"{path.name} holds a {card.architecture}, which does not outline given points. "
                "Choose a network that was learned from points."
            )
        return cls(net, card)

    def keep(self, path: Path) -> Card:
        """Write it to a file, which is a detector like any other as well.

        Raises
        ------
        WeightsError
            If it cannot be written.
        """
        return save_module(path, self.net, replace(self.card, name=path.stem))


def learn_outlines(
    slide: Slide, nuclei: Nuclei, *, minutes: float | None = None, steps: int | None = None, recipe: str = RECIPE
) -> Iterator[OutlineStep | OutlineNetwork]:
    """Learn from where nuclei are how far they reach; yield how far that is, and the network last.

    Parameters
    ----------
    slide : Slide
        With a known resolution.
    nuclei : Nuclei
        In level-0 pixels; what lies away from them is taken for ground.
    minutes, steps : float, int, optional
        How long to learn, by the clock or by steps; the recipe's steps unless given.

    Raises
    ------
    DataError
        If the nuclei are too few.
    SlideError
        If the slide does not say its resolution, or is damaged.
    """
    plan = load_recipe(recipe, DonusegTask.recipe_kind, minutes=minutes, steps=steps)
    fields = []
    for field in point_fields(slide, nuclei.yx, plan.model.mpp):
        fields.append(field)
        yield OutlineStep("Reading the slide")
    known = sum(len(field.yx) for field in fields)
    if known < LEAST_POINTS:
        raise DataError(
            f"Outlines are learned from at least {LEAST_POINTS} nuclei side by side, and here are {known}. "
            "Detect nuclei there first, or add them."
        )
    encoder, start = load_encoder(START)
    task, device = DonusegTask(plan), available_devices()[0]
    with _a_core_left():
        began = time.monotonic()
        for done, learning in train(task, fields, start=begun_with(encoder, plan.model), device=device):
            model = learning
            spent = time.monotonic() - began
            left = spent / done.step * (done.steps - done.step) if done.step > 1 else None
            yield OutlineStep("Learning", done.step, done.steps, left)
        halo = None
        for tried in halo_tries(model, alignment(plan.model), **HALO):
            halo = tried
            yield OutlineStep("Learning", done.steps, done.steps, 0)
    data = [{"name": "points of one slide", "images": len(fields), "nuclei": known}]
    origins = Origins(data=data, start=start, steps=done.step, device=device)
    assert halo is not None
    card = family_card("outlines", plan, origins, family="donuseg", threshold=plan.threshold, halo=halo)
    yield OutlineNetwork(model.eval(), replace(card, sha256=module_sha256(model)))


def outlines_at(
    slide: Slide, network: OutlineNetwork, nuclei: Nuclei, centre: tuple[float, float] | None = None
) -> Iterator[FoundOutlines]:
    """Find the outlines of nuclei, tile by tile, nearest to `centre` first; tiles make no difference to them.

    Parameters
    ----------
    slide : Slide
        With a known resolution.
    nuclei : Nuclei
        In level-0 pixels: all that there are, since each keeps its neighbours from taking its pixels.
    centre : (y, x), optional
        Level-0 pixels.

    Raises
    ------
    SlideError
        If the slide does not say its resolution, or is damaged.
    """
    config = network.net.config
    # nothing is kept of a network that may be thrown away in a minute
    stage = Stage(network.net, replace(network.card, sha256=""), "auto", 1)
    there = np.flatnonzero(slide.box.contains(nuclei.yx))
    scale = slide.require_mpp() / config.mpp
    points = (nuclei.yx[there].astype(np.float64) + 0.5) * scale - 0.5
    tiles = points_by_tile(points, SIDE)
    if centre is not None:
        target = (np.asarray(centre) + 0.5) * scale - SIDE / 2
        tiles.sort(key=lambda tile: float(np.hypot(*(tile[0] - target))))
    done = 0
    for corner, rows in tiles:
        tile = Tile(int(corner[0]), int(corner[1]), SIDE, SIDE)
        rings = _in_tile(slide, stage, tile, points, rows).scaled(1 / scale)
        end = np.array([slide.box.height, slide.box.width]) - 0.5
        rings = replace(rings, corners=rings.corners.clip(-0.5, end).astype(np.float32))
        done += len(rows)
        yield FoundOutlines(replace(nuclei.take(there[rows]), outlines=rings), done, len(points))


def _in_tile(slide: Slide, stage: Stage, tile: Tile, points: NDArray[np.float64], rows: NDArray[np.int64]) -> Outlines:
    """Outlines of the points in some rows, all in one tile, on the working grid."""
    config: Any = stage.shape
    window = stage.window(slide, tile, stage.mpp, boxed.reach(config))
    output = stage(read_window(slide, window, stage.mpp)[None])[0]
    local = points - window.origin
    near = np.flatnonzero(((local >= -0.5) & (local < np.array(window.shape) - 0.5)).all(1))
    rings = boxed.outlined(output, config, local[near]).take(np.searchsorted(near, rows))
    return replace(rings, corners=(rings.corners + window.origin).astype(np.float32))


@contextmanager
def _a_core_left() -> Iterator[None]:
    """Keep torch off one core: where all are busy its threads mostly wait for each other, and the window for them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(min(available_cores() - 1, threads), 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
