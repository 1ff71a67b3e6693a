"""A training task: what is particular to one kind of network; the command, the crops and the loop are everybody's."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from nucloop.errors import WeightsError
from nucloop.models.families import FAMILIES
from nucloop.models.library_networks import MOST_PARAMETERS, bounded
from nucloop.training.augment import augment_pixels
from nucloop.training.crops import Crops
from nucloop.training.loop import TrainingProgress, prepare, run_loop
from nucloop.training.recipe import Recipe
from nucloop.training.sampling import CropSampler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from nucloop.classes import ClassScheme
    from nucloop.models.backbone import Backbone
    from nucloop.models.files.cards import Card
    from nucloop.training.fields import Field
    from nucloop.training.product import Origins

__all__ = ["Batch", "TrainingTask", "draw_batch", "task_of", "train"]

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)
Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class Batch:
    """What a training step sees, on the device."""

    crops: Crops
    """Images, augmented, and the nuclei in them."""
    rng: np.random.Generator
    """To draw on with."""

    @property
    def rgb(self) -> Tensor:
        """The images, (N, 3, S, S), 0 to 255."""
        return self.crops.rgb

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.rgb.device


class TrainingTask(ABC, Generic[AnyRecipe, Model]):
    """One kind of network to train.

    Parameters
    ----------
    recipe : Recipe
        Of the task's kind.
    scheme : ClassScheme, optional
        The classes to learn; needed where `learns_classes`, and taken where `may_learn_classes`.
    """

    recipe_kind: ClassVar[type[Recipe]]
    default_recipe: ClassVar[str]
    learns_classes: ClassVar[bool] = False
    may_learn_classes: ClassVar[bool] = False
    """Whether it can learn classes too, where a scheme is given."""
    needs_instances: ClassVar[bool] = False
    """Whether it learns from whose each pixel is (`Crops.instances`); fields without a mask then say nothing there."""
    products: ClassVar[tuple[str, ...]] = ("detector",)
    """What it leaves behind, each in a file of its own; the first is the main one."""

    def __init__(self, recipe: AnyRecipe, scheme: ClassScheme | None = None) -> None:
        self.recipe, self.scheme = recipe, scheme

    @property
    def classes(self) -> ClassScheme:
        """The classes to learn.

        Raises
        ------
        ValueError
            If the task was given none.
        """
        if self.scheme is None:
            raise ValueError(f"recipe {self.recipe.name} learns classes and needs a scheme")
        return self.scheme

    @abstractmethod
    def model(self) -> Model:
        """Build the network, untrained."""

    @abstractmethod
    def backbone(self, model: Model) -> Backbone:
        """Return the part of it that may begin pretrained and learns more slowly."""

    @abstractmethod
    def loss(self, model: Model, batch: Batch) -> Tensor:
        """Make the targets of a batch, run the model, and return the loss."""

    @abstractmethod
    def save(self, model: Model, files: Mapping[str, Path], origins: Origins) -> Card:
        """Write the products with their cards; return the card of the main one."""


def task_of(family: str) -> type[TrainingTask[Any, Any]]:
    """Return the training task of a family of detectors."""
    module, _, name = FAMILIES[family].task.partition(":")
    found: type[TrainingTask[Any, Any]] = getattr(importlib.import_module(module), name)
    return found


def draw_batch(sampler: CropSampler, recipe: Recipe, step: int) -> Batch:
    """Draw a step's crops from its number alone: a resumed run sees what an unbroken one would."""
    rng = np.random.default_rng([recipe.loop.seed, step])
    crops = sampler.draw(recipe.loop.batch, rng)
    rgb = augment_pixels(crops, recipe.augment, recipe.model.mpp, rng)
    return Batch(replace(crops, rgb=rgb.contiguous(memory_format=torch.channels_last)), rng)


def train(
    task: TrainingTask[Any, Model],
    fields: Sequence[Field],
    *,
    initial: Path | None = None,
    start: nn.Module | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> Iterator[tuple[TrainingProgress, Model]]:
    """Yield progress and the model after every step; the last one holds the averaged weights.

    Parameters
    ----------
    fields : sequence of Field
        Of any number of data sets and resolutions (joint training), each drawn by its weight. Where the task learns
        classes, labels are rows of its scheme; -1 marks nuclei without a class, which teach where nuclei are, and which
        classes they may have if the field says so.
    initial : Path, optional
        Pretrained backbone, safetensors in its library's layout.
    start : Module, optional
        A trained model of the recipe's shape, to go on from.
    checkpoint : Path, optional
        Written as training goes on, and resumed from.

    Raises
    ------
    WeightsError
        If `start` has another shape than the recipe's model.
    """
    recipe = task.recipe
    torch.manual_seed(recipe.loop.seed)
    with bounded(MOST_PARAMETERS):
        model = task.model()
    backbone = task.backbone(model)
    prepare(model, backbone, initial, recipe.frozen_stride, device)
    if start is not None:
        if getattr(start, "config", None) != recipe.model:
            raise WeightsError(
                f"The network to start from has another shape than recipe {recipe.name} asks for. "
                "Choose one that was trained with the same model entry."
            )
        model.load_state_dict(start.state_dict())
    sampler = CropSampler(fields, recipe.model.mpp, recipe.crop, recipe.augment, device, instances=task.needs_instances)
    steps = run_loop(
        model,
        backbone,
        lambda step: draw_batch(sampler, recipe, step),
        task.loss,
        recipe.loop,
        checkpoint=checkpoint,
        device=device,
    )
    for progress in steps:
        yield progress, model
