"""Objects on several planes of a stack or points in time: nuclei are read from one, and it is said which."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nucloop.formats.document import Document
    from nucloop.geometry import Region

__all__ = ["FIRST", "Planes"]

FIRST = (0, 0)
"""The plane (z, t) of what does not say any."""
_MOST_LISTED = 8


class Planes:
    """The planes of objects as they are met."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {FIRST: 0}
        self._nuclei, self._areas = array("q"), array("q")
        self._before = [0, 0]
        """Nuclei and areas before any that is not on the first plane: of most files all."""

    def note(self, plane: tuple[int, int], nuclei: int = 0, areas: int = 0) -> None:
        """Say on which plane (z, t) the next nuclei and areas are."""
        if plane == FIRST and len(self._numbers) == 1:
            self._before[0] += nuclei
            self._before[1] += areas
            return
        if len(self._numbers) == 1:
            self._nuclei, self._areas = (array("q", bytes(8 * count)) for count in self._before)
        number = self._numbers.setdefault(plane, len(self._numbers))
        self._nuclei.extend([number] * nuclei)
        self._areas.extend([number] * areas)

    def one_of(self, document: Document) -> Document:
        """Return what is on the plane with the most nuclei, or areas where there are no nuclei, and say so."""
        nuclei = np.array(self._nuclei, np.int64)
        chosen, remark = self._chosen()
        if not remark:
            return document
        regions = tuple(self._on(chosen, document.regions))
        return replace(document.take(nuclei == chosen), regions=regions, remarks=(remark, *document.remarks))

    def fullest(self, regions: Sequence[Region]) -> tuple[list[Region], str]:
        """Return the areas that are on the plane with the most, and a sentence if there are others."""
        chosen, remark = self._chosen()
        return (self._on(chosen, regions) if remark else list(regions)), remark

    def _on(self, plane: int, regions: Sequence[Region]) -> list[Region]:
        return [region for region, number in zip(regions, self._areas, strict=True) if number == plane]

    def _chosen(self) -> tuple[int, str]:
        """Return the number of the fullest plane, and what to say of the others; nothing where there are none."""
        if len(self._numbers) == 1:
            return 0, ""
        nuclei, areas = np.array(self._nuclei, np.int64), np.array(self._areas, np.int64)
        if len(np.unique(np.concatenate([nuclei, areas]))) < 2:
            return 0, ""
        count = len(self._numbers)
        on_each = np.bincount(nuclei, minlength=count), np.bincount(areas, minlength=count)
        chosen = int(np.argmax(on_each[0] if len(nuclei) else on_each[1]))
        return chosen, self._told(chosen, *on_each)

    def _told(self, chosen: int, nuclei: NDArray[np.int64], areas: NDArray[np.int64]) -> str:
        names = {number: _name(plane, self._numbers) for plane, number in self._numbers.items()}
        used = [k for k in names if nuclei[k] or areas[k]]
        held = [
            f"{names[k]}: "
            + ", ".join(f"{n[k]:,} {word}" for n, word in ((nuclei, "nuclei"), (areas, "areas")) if n[k])
            for k in used[:_MOST_LISTED]
        ]
        more = f"; and {len(used) - _MOST_LISTED:,} more" if len(used) > _MOST_LISTED else ""
        return (
            f"The objects lie on {len(used):,} planes ({'; '.join(held)}{more}). A slide is flat: those on "
            f"{names[chosen]} were read. Export the others by themselves."
        )


def _name(plane: tuple[int, int], planes: dict[tuple[int, int], int]) -> str:
    z, t = plane
    if len({other for _, other in planes}) == 1:
        return f"z {z}"
    return f"t {t}" if len({other for other, _ in planes}) == 1 else f"z {z}, t {t}"
