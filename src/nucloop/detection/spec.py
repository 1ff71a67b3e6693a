"""What a pipeline is made from and how it walks a slide, in plain values: for a window, a command, a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nucloop.configuration import read_strictly

if TYPE_CHECKING:
    from nucloop.models.files.card import Card

__all__ = [
    "CONTRAST",
    "DEFAULT_ENCODER",
    "DEFAULT_HEAD",
    "DEFAULT_SHAPE",
    "InferenceConfig",
    "PipelineSpec",
    "chosen_models",
]

CONTRAST = 0.035
"""Least contrast of a nucleus: bare glass has up to 0.03, the faintest of 39,000 annotated nuclei 0.04."""
DEFAULT_ENCODER, DEFAULT_HEAD = "embedded", "brca-m2c"
"""What classifies where nobody says otherwise."""
DEFAULT_SHAPE = "shape-mobilenet"
"""What gives outlines where nobody says otherwise."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class InferenceConfig:
    """How a pipeline walks a slide."""

    tile: int = 1024
    """Side of what a tile owns, working pixels."""
    batch: int = 8
    """Tiles at a time on a GPU; a CPU takes one."""
    suppression_um: float | None = None
    """Of two detections nearer than this the better one stays, µm; 0 keeps both. None takes what the detector needs:
    3.5 (DeNuC: 3), or nothing where it has learned to find each nucleus once."""
    rotations: int = 2
    """Turns in which the encoder sees a tile, 1, 2 or 4; its features are averaged. Detection sees one."""
    threshold: float | None = None
    """Score from which a point counts; None takes the detector's own."""
    contrast: float = CONTRAST
    """Optical density by which a nucleus must be darker than its surroundings; 0 keeps points on bare glass as well."""

    def __post_init__(self) -> None:
        if self.tile < 64 or self.tile % 64 or self.batch < 1:
            raise ValueError(f"tile {self.tile} must be a multiple of 64, and batch {self.batch} at least 1")
        if self.rotations not in (1, 2, 4):
            raise ValueError(f"rotations must be 1, 2 or 4, got {self.rotations}")
        if self.suppression_um is not None and not 0 <= self.suppression_um <= 100:
            raise ValueError(f"suppression {self.suppression_um} µm must lie between 0 and 100")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(f"threshold {self.threshold} must lie between 0 and 1")
        if not 0 <= self.contrast <= 1:
            raise ValueError(f"contrast {self.contrast} must lie between 0 and 1")


@dataclass(frozen=True)
class PipelineSpec:
    """Models by name, a device and how to walk: `Pipeline.open` makes a pipeline of it, in this process or another.

    Parameters
    ----------
    detector : str
        Shipped name, or path of a .safetensors file with its card.
    encoder, head : str, optional
        Shipped name or path; an encoder also by any name that `nucloop.models.files.zoo.open_encoder` takes. Where
        neither is given, a detector that names classes itself is taken at its word, and another one gets those that
        ship.
    device : str
        auto, cpu, cuda, cuda:1, mps.
    config : InferenceConfig
        How to walk a slide.
    outlines : bool
        Whether nuclei get outlines: a detector's own where it knows them, else those of the shape network that ships.
    shape : str, optional
        The network whose outlines all nuclei get: shipped name or path.
    """

    detector: str = "denuc-mobilenet"
    encoder: str | None = None
    head: str | None = None
    device: str = "auto"
    config: InferenceConfig = field(default_factory=InferenceConfig)
    outlines: bool = False
    shape: str | None = None


def chosen_models(spec: PipelineSpec, detector: Card) -> dict[str, str]:
    """Return the names of a specification's models by kind; `detector` is the card of its detector."""
    names = {"detector": spec.detector}
    if detector.classes is None or spec.encoder is not None or spec.head is not None:
        names |= {"encoder": spec.encoder or DEFAULT_ENCODER, "head": spec.head or DEFAULT_HEAD}
    if spec.outlines or spec.shape:
        names["shape"] = spec.shape or DEFAULT_SHAPE
    return names
