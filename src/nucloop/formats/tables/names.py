"""What the columns of other programs' tables are called, and what they mean here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nucloop.formats.tables.columns import KNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["IMAGE", "KIND", "PLANE", "SHAPE", "Columns", "columns_of"]

KIND, IMAGE, SHAPE, PLANE = "_kind", "_image", "_shape", "_plane"
"""Columns that only say which rows are nuclei of one slide, or where they are as a shape."""

_CORNER = 0.5
_PIXELS: tuple[tuple[str, str, float], ...] = (
    # QuPath counts from the corner of the first pixel
    ("centroidypx", "centroidxpx", _CORNER),
    ("y", "x", 0.0),
    ("ypx", "xpx", 0.0),
    ("ypixel", "xpixel", 0.0),
    ("ypixels", "xpixels", 0.0),
    ("centroidy", "centroidx", 0.0),
    ("ycentroid", "xcentroid", 0.0),
    ("centery", "centerx", 0.0),
    ("centrey", "centrex", 0.0),
    ("locationcentery", "locationcenterx", 0.0),
    ("areashapecentery", "areashapecenterx", 0.0),
    ("axis1", "axis2", 0.0),
    ("axis0", "axis1", 0.0),
    ("centroid0", "centroid1", 0.0),
)
"""Names of y and x in pixels as `_plain` has them, and how far the file's origin is from ours."""
_MICRONS: tuple[tuple[str, str, float], ...] = (
    ("centroidyum", "centroidxum", _CORNER),
    ("yum", "xum", 0.0),
    ("ymicron", "xmicron", 0.0),
    ("ymicrons", "xmicrons", 0.0),
)
_OTHERS = {
    "class": ("class", "classification", "classname", "celltype", "cellclass", "type"),
    "score": ("score", "detectionprobability"),
    # QuPath 0.2 has the kind where others have a name
    KIND: ("objecttype", "name"),
    IMAGE: ("image",),
    SHAPE: ("geometry", "wkt", "polygon"),
    PLANE: ("z", "slice"),
}
_NO_LETTER = re.compile(r"[^a-z0-9]")
_IMAGEJ = {"area", "mean", "min", "max", "stddev", "mode", "perim", "intden"}


@dataclass(frozen=True)
class Columns:
    """Which column of a table is what."""

    found: Mapping[str, int] = field(default_factory=dict)
    """Number of the column by our own name for it."""
    corner: float = 0.0
    """From our origin to the file's, pixels."""
    remark: str = ""
    """What a person should know of how it was understood."""

    @property
    def say_where(self) -> bool:
        """Whether the table says where nuclei are."""
        return {"y", "x"} <= self.found.keys() or {"y_um", "x_um"} <= self.found.keys() or SHAPE in self.found


def columns_of(names: Sequence[str]) -> Columns:
    """Find out what columns are by their names; those that are unknown are left aside.

    Our own names go before others; of others letter case, blanks, signs and the way µ is written do not count.
    """
    own = {name: k for k, name in enumerate(names) if name in KNOWN or name.startswith("p_")}
    plain = {_plain(name): k for k, name in reversed(list(enumerate(names)))}
    others = {
        ours: next(plain[one] for one in known if one in plain)
        for ours, known in _OTHERS.items()
        if ours not in own and any(one in plain for one in known)
    }
    if {"y", "x"} <= own.keys() or {"y_um", "x_um"} <= own.keys():
        return Columns(others | own)
    for pairs, unit in ((_PIXELS, ""), (_MICRONS, "_um")):
        for y, x, corner in pairs:
            if y in plain and x in plain:
                found = others | own | {f"y{unit}": plain[y], f"x{unit}": plain[x]}
                if x == "axis2" and "axis0" in plain:
                    found[PLANE] = plain["axis0"]
                if _is_imagej(names, set(plain)):
                    said = "ImageJ writes X and Y in the unit of its image. They were taken as pixels."
                    return Columns(found, _CORNER, said)
                return Columns(found, corner)
    return Columns(others | own)


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKC", name).casefold().replace("\N{GREEK SMALL LETTER MU}", "u")
    return _NO_LETTER.sub("", letters)


def _is_imagej(names: Sequence[str], plain: set[str]) -> bool:
    """Tell ImageJ's results by the numbers without a name that they begin with, and by what they measure."""
    return bool(names) and not names[0].strip() and not _IMAGEJ.isdisjoint(plain)
