"""Recipes: everything that decides a training run, in one YAML file that is checked when it is read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from nucloop.configuration import SettingsError, first_fault, read_settings, read_strictly
from nucloop.errors import DataError
from nucloop.models.denuc import DenucConfig
from nucloop.models.encoder import EncoderConfig
from nucloop.training.augment import AugmentConfig
from nucloop.training.loop import LoopConfig

__all__ = [
    "DetectorRecipe",
    "EncoderRecipe",
    "EndToEndRecipe",
    "PointRecipe",
    "Recipe",
    "load_recipe",
    "recipe_names",
]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What every recipe decides."""

    name: str
    model: Any
    """Configuration of the network to train; each kind of recipe names its own."""
    loop: LoopConfig = field(default_factory=LoopConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    crop: int = 256
    """Side of a training crop, working pixels."""
    frozen_stride: int = 0
    """Backbone stages up to this stride keep their initial weights; 0 trains all."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class DetectorRecipe(Recipe):
    """A DeNuC detector's model, data handling and schedule."""

    model: DenucConfig
    threshold: float = 0.35
    """Score from which a point counts, written to the card."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class PointRecipe(Recipe):
    """At which points of a crop classes are learned."""

    jitter_um: float = 0.4
    """Standard deviation by which reference points are moved, µm: detections are not exact either."""
    smoothing: float = 0.1
    """Label smoothing."""
    background: float = 0.3
    """Background points drawn for each nucleus."""
    background_weight: float = 0.5
    """Their weight in the loss: some of them are nuclei that nobody marked."""
    background_um: float = 4.0
    """Least distance of a background point to a marked nucleus, µm."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class EncoderRecipe(PointRecipe):
    """An encoder's model, data handling and schedule; it is trained together with a linear head."""

    model: EncoderConfig


@read_strictly
@dataclass(frozen=True, kw_only=True)
class EndToEndRecipe(DetectorRecipe, PointRecipe):
    """One network that detects and classifies, for comparison with two that were trained apart."""


Kind = TypeVar("Kind", bound=Recipe)


def recipe_names() -> list[str]:
    """Names of the recipes that ship."""
    return sorted(
        item.name[:-5] for item in resources.files("nucloop.recipes").iterdir() if item.name.endswith(".yaml")
    )


def load_recipe(name: str, kind: type[Kind], **changes: Any) -> Kind:
    """Read a shipped recipe by name or a user's by path; `changes` replace entries of its ``loop``.

    Raises
    ------
    DataError
        Naming the entry that is unknown or wrong.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else None
    try:
        source = path if path is not None else resources.files("nucloop.recipes").joinpath(f"{name}.yaml")
        data = read_settings(source)
        data["loop"] = {**data.get("loop", {}), **{k: v for k, v in changes.items() if v is not None}}
        return TypeAdapter(kind).validate_python(data)
    except FileNotFoundError as error:
        raise DataError(
            f"There is no recipe {name!r}. Shipped: {', '.join(recipe_names())}; or give a YAML file."
        ) from error
    except ValidationError as error:
        raise DataError(f"Recipe {name}: {first_fault(error)}. Correct that entry.") from error
    except (OSError, SettingsError, TypeError, AttributeError) as error:
        raise DataError(f"Recipe {name} cannot be read: {error}. It must be a YAML file of entries.") from error


def recipe_record(recipe: Recipe) -> dict[str, Any]:
    """Plain types, for a weights card."""
    return asdict(recipe)
