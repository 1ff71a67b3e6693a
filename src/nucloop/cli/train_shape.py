"""``nucloop train shape``: outlines of nuclei, on data sets with masks."""

from typing import Annotated

import typer
from torch import nn

from nucloop.cli.train import (
    Board,
    Data,
    Device,
    Initial,
    Leave,
    Minutes,
    Out,
    RecipeName,
    Seed,
    Split,
    Steps,
    train_task,
)
from nucloop.models.files.cards import Card, find_weights, load_detector, load_shape, read_card
from nucloop.training.recipe import load_recipe
from nucloop.training.shape import ShapeTask, begun_with

__all__ = ["train_shape_command"]


def train_shape_command(
    data: Data,
    out: Out,
    recipe: RecipeName = ShapeTask.default_recipe,
    split: Split = None,
    leave: Leave = None,
    initial: Initial = None,
    start_from: Annotated[
        str | None,
        typer.Option(help="What to go on from: a shape network, or a detector with the same backbone; name or file."),
    ] = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Seed = None,
    device: Device = "cpu",
    board: Board = None,
) -> None:
    """Train a network that gives detected nuclei their outlines, on data sets with masks."""
    train_task(
        ShapeTask,
        {"shape": out},
        data,
        recipe=recipe,
        split=split,
        leave=leave,
        initial=initial,
        start=_shape(start_from, recipe) if start_from else None,
        steps=steps,
        minutes=minutes,
        seed=seed,
        device=device,
        board=board,
    )


def _shape(name: str, recipe: str) -> tuple[nn.Module, Card]:
    """Return a shape network to go on from, or one that begins with what a detector knows, and the card of either."""
    if read_card(find_weights(name)).kind != "detector":
        return load_shape(name)
    detector, card = load_detector(name)
    return begun_with(detector, load_recipe(recipe, ShapeTask.recipe_kind).model), card
