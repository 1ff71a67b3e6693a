"""The index of a slide by the classes of its nuclei, or by the optical density of DAB in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.errors import DataError
from nucloop.ki67.counting import Ki67, Ki67Config, Ki67Mapping, measure_ki67, names_other_tissue
from nucloop.ki67.dab_threshold import DabThreshold, choose_threshold
from nucloop.nuclei import UNLABELLED, Nuclei

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from nucloop.geometry import Region

__all__ = ["POSITIVE_AND_NEGATIVE", "Ki67Result", "Ki67Settings", "counted_by_dab", "measure"]

POSITIVE_AND_NEGATIVE = ClassScheme(
    "positive or negative", (NucleusClass("positive", "#8b4513"), NucleusClass("negative", "#4477aa"))
)
_BOTH = Ki67Mapping(frozenset({"positive"}), frozenset({"negative"}))


@dataclass(frozen=True, kw_only=True)
class Ki67Settings:
    """What counts, and as what."""

    by_dab: bool = False
    """Whether DAB decides, or the class of each nucleus."""
    positive: frozenset[str] = frozenset()
    """Classes that are positive; without DAB."""
    negative: frozenset[str] = frozenset()
    """Classes that are negative; without DAB. Nuclei of other classes, and unlabelled ones, are not counted."""
    left_out: frozenset[str] = frozenset()
    """Classes that are not counted with DAB; all others are, and unlabelled nuclei too."""
    threshold: float | None = None
    """Optical density from which a nucleus is positive; None lets the program choose."""
    half_width: float = 0.05
    """Wanted precision: half of the 95% interval."""

    @classmethod
    def guess(cls, scheme: ClassScheme) -> Ki67Settings:
        """Read the classes' names; where they do not say what is positive, DAB decides about all but other tissue."""
        other = frozenset(name for name in scheme.names if names_other_tissue(name))
        left_out = other if len(other) < len(scheme) else frozenset()
        try:
            mapping = Ki67Mapping.guess(scheme)
        except DataError:
            return cls(by_dab=True, left_out=left_out)
        return cls(positive=mapping.positive, negative=mapping.negative, left_out=left_out)

    @property
    def ready(self) -> bool:
        """Whether the index can be told: with classes, some must be positive and some negative."""
        return self.by_dab or bool(self.positive and self.negative)

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        if self.by_dab:
            own: dict[str, Any] = {"left_out": sorted(self.left_out), "threshold": self.threshold}
        else:
            own = {"positive": sorted(self.positive), "negative": sorted(self.negative)}
        return {"by": "DAB" if self.by_dab else "classes", **own, "half_width": self.half_width}


@dataclass(frozen=True)
class Ki67Result:
    """An index and how it came about.

    Parameters
    ----------
    ki67 : Ki67
        The figures.
    settings : Ki67Settings
        What counted, and as what.
    states : Nuclei
        The nuclei that count, as positive (0) or negative (1); those that do not are unlabelled.
    threshold : DabThreshold or None
        With the histogram it was found on; None without DAB.
    """

    ki67: Ki67
    settings: Ki67Settings
    states: Nuclei
    threshold: DabThreshold | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types: what ``nucloop ki67 --json`` writes."""
        threshold = self.threshold
        return {
            **self.ki67.to_dict(),
            "settings": self.settings.to_dict(),
            "threshold": None
            if threshold is None
            else {"value": threshold.value, "method": threshold.method, "separation": threshold.separation},
        }


def measure(
    nuclei: Nuclei,
    settings: Ki67Settings,
    mpp: float,
    regions: Mapping[str, Region] | None = None,
    density: NDArray[np.float64] | None = None,
) -> Ki67Result:
    """Measure the index.

    Parameters
    ----------
    nuclei : Nuclei
        Level-0 pixels of one slide.
    settings : Ki67Settings
    mpp : float
        Level-0 µm per pixel.
    regions : dict of Region, optional
        By name, level-0 pixels; by default all nuclei are one region, "slide".
    density : (N,) array, optional
        Optical density of DAB of each nucleus, NaN where it was not measured; needed when DAB decides.

    Raises
    ------
    DataError
        If the settings do not say what is positive and what negative, or nothing is there to count.
    """
    threshold = None
    if settings.by_dab:
        if density is None or len(density) != len(nuclei):
            raise ValueError("with DAB each nucleus needs a density")
        threshold, label = _by_density(nuclei, settings, density)
    else:
        if not settings.ready:
            raise DataError(
                "Say which classes are positive and which negative, or let DAB decide. "
                f"The classes are {', '.join(nuclei.scheme.names)}."
            )
        mapping = Ki67Mapping(settings.positive, settings.negative)
        label = np.array([1, 0, UNLABELLED], np.int16)[mapping.states(nuclei)]
    unknown = np.full((len(nuclei), 2), np.nan, np.float32)
    states = replace(nuclei, scheme=POSITIVE_AND_NEGATIVE, label=label.astype(np.int16), probability=unknown)
    config = Ki67Config(half_width=settings.half_width)
    return Ki67Result(measure_ki67(states, _BOTH, mpp, regions, config), settings, states, threshold)


def counted_by_dab(nuclei: Nuclei, left_out: frozenset[str]) -> NDArray[np.bool_]:
    """Which nuclei count when DAB decides, (N,)."""
    return ~np.isin(nuclei.label, [k for k, name in enumerate(nuclei.scheme.names) if name in left_out])


def _by_density(
    nuclei: Nuclei, settings: Ki67Settings, density: NDArray[np.float64]
) -> tuple[DabThreshold, NDArray[np.int16]]:
    counted = counted_by_dab(nuclei, settings.left_out) & np.isfinite(density)
    threshold = choose_threshold(density[counted])
    if settings.threshold is not None:
        threshold = threshold.moved(settings.threshold)
    label = np.full(len(nuclei), UNLABELLED, np.int16)
    label[counted] = np.where(threshold.positive(density[counted]), 0, 1)
    return threshold, label
