"""Lengths by the names that programs give them, and which of them a microscope's pixel can have."""

from __future__ import annotations

from nucloop.slides.slide import PLAUSIBLE_MPP

__all__ = ["microns_of", "plausible"]

_INCH = 25_400.0
_PREFIXES = {
    "y": 1e-18, "z": 1e-15, "a": 1e-12, "f": 1e-9, "p": 1e-6, "n": 1e-3, "µ": 1.0, "u": 1.0, "m": 1e3, "c": 1e4,
    "d": 1e5, "": 1e6, "da": 1e7, "h": 1e8, "k": 1e9,
}  # fmt: skip
_WORDS = {
    "yocto": 1e-18, "zepto": 1e-15, "atto": 1e-12, "femto": 1e-9, "pico": 1e-6, "nano": 1e-3, "micro": 1.0,
    "milli": 1e3, "centi": 1e4, "deci": 1e5, "": 1e6, "deca": 1e7, "hecto": 1e8, "kilo": 1e9,
}  # fmt: skip
_MICRONS = {
    **{f"{prefix}m": microns for prefix, microns in _PREFIXES.items()},
    **{f"{word}{metre}": microns for word, microns in _WORDS.items() for metre in ("meter", "metre")},
    **dict.fromkeys(("micron", "micrometer", "micrometre"), 1.0),
    **dict.fromkeys(("å", "angstrom", "ångström"), 1e-4),
    **dict.fromkeys(("in", "inch", "inche", '"'), _INCH),
    **dict.fromkeys(("thou", "mil"), _INCH / 1000),
    **dict.fromkeys(("li", "line"), _INCH / 12),
    **dict.fromkeys(("pt", "point"), _INCH / 72),
    **dict.fromkeys(("ft", "foot", "feet"), _INCH * 12),
    **dict.fromkeys(("yd", "yard"), _INCH * 36),
}


def microns_of(unit: str) -> float | None:
    """Return how many µm a unit of length has, by the names of OME, OME-Zarr and ImageJ; None for what is no length.

    Parameters
    ----------
    unit : str
        Such as "µm", "micrometer", "microns", "mm" or "inch"; case does not count.
    """
    # ImageJ writes the sign as an escape; of the two signs in Unicode both are in use
    name = unit.replace("\\u00B5", "µ").strip().lower().replace("\N{GREEK SMALL LETTER MU}", "µ").rstrip(".")
    found = _MICRONS.get(name)
    return _MICRONS.get(name.removesuffix("s")) if found is None else found


def plausible(y: float | None, x: float | None) -> float | None:
    """One µm per pixel from two, None unless both are those of square pixels of a microscope."""
    if y is None or x is None:
        return None
    low, high = PLAUSIBLE_MPP
    if not (low <= y <= high and low <= x <= high) or abs(y - x) > 0.03 * max(x, y):
        return None
    return (y + x) / 2
