"""What QuPath calls the figures of nuclei, so that its own charts and filters find them."""

from __future__ import annotations

__all__ = ["QUPATH_NAMES", "qupath_name"]

_SHAPES = {
    "area_um2": "Nucleus: Area µm^2",
    "perimeter_um": "Nucleus: Length µm",
    "circularity": "Nucleus: Circularity",
    "solidity": "Nucleus: Solidity",
    "eccentricity": "Nucleus: Eccentricity",
    "major_axis_um": "Nucleus: Major axis µm",
    "minor_axis_um": "Nucleus: Minor axis µm",
    "feret_max_um": "Nucleus: Max diameter µm",
    "feret_min_um": "Nucleus: Min diameter µm",
}
_PARTS = {"nucleus": "Nucleus", "ring": "Cytoplasm"}
_STAINS = {"haematoxylin": "Hematoxylin", "eosin": "Eosin", "dab": "DAB"}
_WHAT = {"mean": "Mean", "sd": "Std.Dev."}

QUPATH_NAMES = _SHAPES | {
    f"{part}_{stain}_{what}": f"{theirs}: {place}: {figure}"
    for part, place in _PARTS.items()
    for stain, theirs in _STAINS.items()
    for what, figure in _WHAT.items()
}
"""QuPath's names by those of `nucloop.measurements`."""


def qupath_name(name: str) -> str:
    """Return what QuPath calls a figure; one that it does not have keeps its name."""
    return QUPATH_NAMES.get(name, name)
