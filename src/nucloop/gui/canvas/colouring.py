"""Colours of nuclei: by class, confidence, uncertainty, or who said it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from nucloop.ki67.measurement import POSITIVE_AND_NEGATIVE
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.nuclei import Nuclei

__all__ = [
    "NO_CLASS_COLOUR",
    "ORIGIN_COLOURS",
    "ORIGIN_NAMES",
    "RAMP",
    "STATE_COLOURS",
    "ColourBy",
    "class_palette",
    "fill_colours",
    "rim_colours",
]

NO_CLASS_COLOUR = "#bdbdbd"
RAMP = ("#e69f00", "#f7f7f7", "#0072b2")
"""From "look here" over "so so" to "sure": people with any common colour blindness can tell the ends apart."""
ORIGIN_NAMES = {
    Origin.PREDICTED: "the model",
    Origin.CONFIRMED: "a person, confirming",
    Origin.CORRECTED: "a person, correcting",
    Origin.ADDED: "a person, adding",
    Origin.IMPORTED: "a file",
}
ORIGIN_COLOURS = {
    Origin.PREDICTED: "#d9d9d9",
    Origin.CONFIRMED: "#009e73",
    Origin.CORRECTED: "#d55e00",
    Origin.ADDED: "#f0e442",
    Origin.IMPORTED: "#56b4e9",
}
STATE_COLOURS = {
    **{one.color: one.name for one in POSITIVE_AND_NEGATIVE.classes},
    NO_CLASS_COLOUR: "not counted",
}
_MODEL_RIM = (0.05, 0.05, 0.08, 0.7)
_HUMAN_RIM = (1.0, 1.0, 1.0, 1.0)


class ColourBy(Enum):
    """What the colour of a nucleus says; the value is what a person reads."""

    CLASS = "Class"
    CONFIDENCE = "Confidence"
    UNCERTAINTY = "Uncertainty"
    ORIGIN = "Who said it"
    STATE = "Positive by DAB"
    """Offered while somebody counts by it."""


def fill_colours(nuclei: Nuclei, by: ColourBy) -> NDArray[np.float32]:
    """Return one colour per nucleus, (N, 4) RGBA from 0 to 1."""
    if by is ColourBy.CLASS:
        return class_palette(nuclei.scheme)[nuclei.label]
    if by is ColourBy.ORIGIN:
        return _palette([ORIGIN_COLOURS[o] for o in Origin])[nuclei.origin]
    sureness = nuclei.confidence if by is ColourBy.CONFIDENCE else 1 - nuclei.uncertainty
    return _along_ramp(sureness)


def rim_colours(nuclei: Nuclei) -> NDArray[np.float32]:
    """Return the thin rim, (N, 4) RGBA: white where a person has spoken, dark elsewhere."""
    return np.array([_MODEL_RIM, _HUMAN_RIM], np.float32)[nuclei.human.astype(int)]


def class_palette(scheme: ClassScheme) -> NDArray[np.float32]:
    """Return one row per class, and last the colour of UNLABELLED (-1), (C + 1, 4) RGBA from 0 to 1."""
    return _palette([*scheme.colors, NO_CLASS_COLOUR])


def _palette(colours: list[str] | tuple[str, ...]) -> NDArray[np.float32]:
    rgb = [[int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)] for c in colours]
    return np.hstack([rgb, np.ones((len(rgb), 1))]).astype(np.float32)


def _along_ramp(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolate the ramp at values from 0 to 1; NaN gets the colour of no class."""
    stops = _palette(RAMP)
    known = np.isfinite(value)
    at = np.where(known, value, 0)
    columns = [np.interp(at, np.linspace(0, 1, len(stops)), stops[:, k]) for k in range(4)]
    colours = np.stack(columns, 1).astype(np.float32)
    colours[~known] = _palette([NO_CLASS_COLOUR])[0]
    return colours
