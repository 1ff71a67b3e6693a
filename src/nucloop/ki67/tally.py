"""What was counted of the nuclei of each class, what was not, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.geometry import Region
    from nucloop.ki67.measurement import Ki67Result

__all__ = ["Tally", "tally"]


@dataclass(frozen=True)
class Tally:
    """How many nuclei of each class were counted, and how many were not.

    Parameters
    ----------
    counted, left_out : dict of int
        By the name of the class, within the regions; "without class" is one.
    outside : int
        Nuclei outside all regions.
    """

    counted: dict[str, int]
    left_out: dict[str, int]
    outside: int

    def sentences(self) -> list[str]:
        """Say what was counted, and what was not.

        >>> Tally({"tumour": 1200, "without class": 3}, {"stromal": 40}, 0).sentences()
        ['Counted: 1,200 tumour, 3 without class.', 'Not counted: 40 stromal.']
        """
        lines = [f"Counted: {_listed(self.counted) or 'nothing'}."]
        missing = [_listed(self.left_out)] if self.left_out else []
        if self.outside:
            missing.append(f"{self.outside:,} outside the regions")
        return [*lines, f"Not counted: {'; '.join(missing) or 'nothing'}."]


def tally(result: Ki67Result, regions: Mapping[str, Region] | None = None) -> Tally | None:
    """Count the nuclei of a result by class; None where their classes are not known.

    Parameters
    ----------
    result : Ki67Result
    regions : dict of Region, optional
        Those within which was counted; by default all nuclei were.
    """
    if result.given is None:
        return None
    scheme, label = result.given
    within = np.ones(len(label), bool)
    if regions:
        within = np.logical_or.reduce([region.contains(result.states.yx) for region in regions.values()])
    counted = result.states.label >= 0
    names = [*scheme.names, "without class"]

    def by_class(rows: np.ndarray) -> dict[str, int]:
        numbers = np.bincount(np.where(label[rows] < 0, len(scheme), label[rows]), minlength=len(names))
        return {name: int(n) for name, n in zip(names, numbers, strict=True) if n}

    return Tally(by_class(within & counted), by_class(within & ~counted), int((~within).sum()))


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in numbers.items())
