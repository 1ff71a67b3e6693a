"""Whether the model that gave nuclei their classes knows them on the stain they lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.slides.stain_kind import StainKind

if TYPE_CHECKING:
    from nucloop.formats.slide_info import Weights

__all__ = ["giver_of", "model_knows"]


def giver_of(weights: Weights | None) -> dict[str, str]:
    """Return what is known of the head that gave the classes, or of a detector that names them itself."""
    known = weights or {}
    giver: object = known.get("head") or known.get("detector")
    return {key: str(value) for key, value in giver.items()} if isinstance(giver, dict) else {}


def model_knows(weights: Weights | None, stain: StainKind = StainKind.H_DAB) -> bool:
    """Whether classes can be believed: the head's card names the stain, or people taught the head on this very slide.

    Nuclei that come without a word about the model are not believed.
    """
    giver = giver_of(weights)
    return "taught" in giver or stain in giver.get("stains", "").split(", ")
