"""Foundation models of pathology that are known by name: what each is, and how it sees a picture (zoo.yaml)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import TypeAdapter

from nucloop.configuration import read_settings, read_strictly
from nucloop.models.windowed import WindowConfig

__all__ = ["DEFAULT_MPP", "FoundationModel", "foundation_models"]

DEFAULT_MPP = 0.5


@read_strictly
@dataclass(frozen=True, kw_only=True)
class FoundationModel:
    """One entry of the zoo."""

    name: str
    """What a person types."""
    title: str
    """What it is, who made it."""
    repo: str
    """On the Hugging Face Hub."""
    library: Literal["timm", "transformers"]
    """Which library knows the architecture."""
    architecture: str
    """The library's name for it."""
    options: dict[str, Any] = field(default_factory=dict)
    """Passed to timm."""
    mean: tuple[float, float, float]
    """Normalisation, 0 to 1."""
    std: tuple[float, float, float]
    patch: int
    """Pixels per token."""
    registers: int = 0
    """Register tokens, which are no patches."""
    window: int = 224
    """Side of the input it was trained on, pixels."""
    mpp: float = DEFAULT_MPP
    """Working resolution, µm per pixel."""
    features: int
    """Length of a token."""
    licence: str = "see its page"
    gated: bool = False
    """Whether the hub asks people to accept terms first."""

    @property
    def windows(self) -> WindowConfig:
        """How it sees a picture."""
        margin = min(2, (self.window // self.patch - 1) // 2)
        return WindowConfig(patch=self.patch, window=self.window, margin=margin, mean=self.mean, std=self.std)


@cache
def foundation_models() -> dict[str, FoundationModel]:
    """Every foundation model that is known by name."""
    file = resources.files("nucloop.models.files").joinpath("zoo.yaml")
    entries = TypeAdapter(list[FoundationModel]).validate_python(read_settings(file))
    return {entry.name: entry for entry in entries}
