"""Two readings of one slide compared: agreement, the Ki-67 index of each region, and where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import DataError
from nucloop.geometry import first_of
from nucloop.ki67.counting import Ki67Mapping, measure_ki67
from nucloop.metrics.agreement import Agreement, BlandAltman, Disagreement, agree, bland_altman, disagreements
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nucloop.geometry import Region

__all__ = ["Readings", "compare_readers"]


@dataclass(frozen=True)
class Readings:
    """What two readers make of one slide.

    Parameters
    ----------
    agreement : Agreement
        F1 both ways and kappa.
    index : BlandAltman or None
        Ki-67 index of each region by the first and the second; None where the classes do not say what is positive, or
        no region has an index by both.
    indices : tuple of (float, float)
        The indices themselves.
    places : tuple of Disagreement
        Where they differ.
    first, second : Nuclei
        What was compared.
    """

    agreement: Agreement
    index: BlandAltman | None
    indices: tuple[tuple[float, float], ...]
    places: tuple[Disagreement, ...]
    first: Nuclei
    second: Nuclei

    def to_dict(self) -> dict[str, Any]:
        """Plain types: what ``nucloop agree --json`` writes."""
        index = self.index
        kinds = [place.kind for place in self.places]
        return {
            **self.agreement.to_dict(),
            "ki67": None
            if index is None
            else {
                "indices": [list(pair) for pair in self.indices],
                "bias": index.bias,
                "limits_95": None if index.limits is None else list(index.limits),
            },
            "disagreements": {kind: kinds.count(kind) for kind in ("class", "first only", "second only")},
        }


def compare_readers(
    first: Nuclei,
    second: Nuclei,
    mpp: float,
    radius_um: float = 3.0,
    regions: Sequence[Region] = (),
) -> Readings:
    """Compare two readers of one slide.

    Parameters
    ----------
    first, second : Nuclei
        With an id each, level-0 pixels.
    mpp : float
        Level-0 µm per pixel.
    radius_um : float
        Two marks this near can be one nucleus, µm.
    regions : sequence of Region
        Level-0 pixels: only what lies inside counts, each on its own; without any, all is one region.
    """
    units = _units(first, regions), _units(second, regions)
    first, second = first.take(units[0] >= 0), second.take(units[1] >= 0)
    units = units[0][units[0] >= 0], units[1][units[1] >= 0]
    agreement = agree(first, second, mpp, radius_um, units=units)
    indices = _indices(first, second, mpp, units)
    index = bland_altman(*zip(*indices, strict=True)) if indices else None
    return Readings(agreement, index, indices, tuple(disagreements(first, second, mpp, radius_um)), first, second)


def _units(nuclei: Nuclei, regions: Sequence[Region]) -> NDArray[np.intp]:
    """First region that holds each nucleus, (N,); -1 for none."""
    return first_of(nuclei.yx, regions) if regions else np.zeros(len(nuclei), np.intp)


def _indices(
    first: Nuclei, second: Nuclei, mpp: float, units: tuple[NDArray[np.intp], NDArray[np.intp]]
) -> tuple[tuple[float, float], ...]:
    try:
        mappings = Ki67Mapping.guess(first.scheme), Ki67Mapping.guess(second.scheme)
    except DataError:
        return ()
    pairs = []
    for unit in range(max((int(u.max()) + 1 for u in units if len(u)), default=0)):
        values = [
            measure_ki67(nuclei.take(of == unit), mapping, mpp).slide.value
            for nuclei, of, mapping in zip((first, second), units, mappings, strict=True)
        ]
        if values[0] is not None and values[1] is not None:
            pairs.append((values[0], values[1]))
    return tuple(pairs)
