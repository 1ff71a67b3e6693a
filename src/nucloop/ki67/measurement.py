"""The index of a slide by the classes of its nuclei, or by the optical density of DAB in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.errors import DataError
from nucloop.ki67.counting import Ki67, Ki67Config, Ki67Mapping, measure_ki67, names_other_tissue
from nucloop.ki67.dab_threshold import DabThreshold, choose_threshold
from nucloop.ki67.intensity import Intensity, default_grades, measure_intensity
from nucloop.ki67.uncertainty import ErrorConfig, threshold_variance, with_errors
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.slides.stain_kind import StainKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.geometry import Region

__all__ = ["POSITIVE_AND_NEGATIVE", "Ki67Result", "Ki67Settings", "counted_by_dab", "measure"]

POSITIVE_AND_NEGATIVE = ClassScheme(
    "positive or negative", (NucleusClass("positive", "#e6007e"), NucleusClass("negative", "#2540ff"))
)
"""In colours that no shipped scheme has, so that nobody takes them for classes."""
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
    doubted: frozenset[str] = frozenset()
    """Classes that are not counted with DAB where a person gave them; where a model did, it is not believed."""
    threshold: float | None = None
    """Optical density from which a nucleus is positive; None lets the program choose."""
    grades: tuple[float, float] | None = None
    """Optical densities from which a nucleus is 2+ and 3+; None sets them by where it is positive, which is 1+."""
    half_width: float = 0.05
    """Wanted precision: half of the 95% interval."""

    @classmethod
    def guess(cls, scheme: ClassScheme, stain: StainKind | None = None, *, believed: bool = False) -> Ki67Settings:
        """Read the classes' names; where they do not say what is positive, DAB decides about all but other tissue.

        Parameters
        ----------
        scheme : ClassScheme
        stain : StainKind, optional
            What the slide is stained with; without DAB on it DAB cannot decide.
        believed : bool
            Whether the model that gave the classes knows them on DAB (`model_knows`); else only where people gave a
            class of other tissue is a nucleus left out.
        """
        other = frozenset(name for name in scheme.names if names_other_tissue(name))
        other = other if len(other) < len(scheme) else frozenset()
        nobody: frozenset[str] = frozenset()
        left_out, doubted = (other, nobody) if believed else (nobody, other)
        try:
            mapping = Ki67Mapping.guess(scheme)
        except DataError:
            return cls(by_dab=stain is not StainKind.H_E, left_out=left_out, doubted=doubted)
        return cls(positive=mapping.positive, negative=mapping.negative, left_out=left_out, doubted=doubted)

    @property
    def ready(self) -> bool:
        """Whether the index can be told: with classes, some must be positive and some negative."""
        return self.by_dab or bool(self.positive and self.negative)

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        if self.by_dab:
            own: dict[str, Any] = {"left_out": sorted(self.left_out), "doubted": sorted(self.doubted)}
            own["threshold"] = self.threshold
            own["grades"] = None if self.grades is None else list(self.grades)
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
    intensity : Intensity or None
        H-score and Allred's; None without DAB.
    by_outline : int
        Nuclei of those that count whose density is that within their outline; in the others a square's.
    """

    ki67: Ki67
    settings: Ki67Settings
    states: Nuclei
    threshold: DabThreshold | None = None
    intensity: Intensity | None = None
    by_outline: int = 0
    given: tuple[ClassScheme, NDArray[np.int16]] | None = None
    """The classes that the nuclei have, and the label of each, (N,)."""

    def to_dict(self) -> dict[str, Any]:
        """Plain types: what ``nucloop ki67 --json`` writes."""
        threshold = self.threshold
        return {
            **self.ki67.to_dict(),
            "settings": self.settings.to_dict(),
            "intensity": None if self.intensity is None else self.intensity.to_dict(),
            "dab_by_outline": self.by_outline,
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
    by_outline: NDArray[np.bool_] | None = None,
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
    by_outline : (N,) bool, optional
        Which densities are those within outlines; none by default.

    Raises
    ------
    DataError
        If the settings do not say what is positive and what negative, or nothing is there to count.
    """
    threshold, variance, intensity, outlined = None, 0.0, None, 0
    if settings.by_dab:
        if density is None or len(density) != len(nuclei):
            raise ValueError("with DAB each nucleus needs a density")
        counted = counted_by_dab(nuclei, settings) & np.isfinite(density)
        threshold = _threshold(density[counted], settings)
        variance = threshold_variance(density[counted], threshold, ErrorConfig())
        intensity = _intensity(nuclei, np.where(counted, density, np.nan), threshold, settings, regions)
        outlined = 0 if by_outline is None else int((by_outline & counted).sum())
        label = np.full(len(nuclei), UNLABELLED, np.int16)
        label[counted] = np.where(threshold.positive(density[counted]), 0, 1)
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
    ki67 = measure_ki67(states, _BOTH, mpp, regions, Ki67Config(half_width=settings.half_width))
    if threshold is not None:
        ki67 = replace(ki67, with_errors=with_errors(ki67.slide, variance))
    given = nuclei.scheme, nuclei.label
    return Ki67Result(ki67, settings, states, threshold, intensity, outlined, given)


_PEOPLE = (Origin.CONFIRMED, Origin.CORRECTED, Origin.ADDED)
"""Who gave a class themselves; whoever imports nuclei may have them from a model."""


def counted_by_dab(nuclei: Nuclei, settings: Ki67Settings) -> NDArray[np.bool_]:
    """Which nuclei count when DAB decides, (N,)."""
    of_class = {name: nuclei.label == k for k, name in enumerate(nuclei.scheme.names)}
    by_people = np.isin(nuclei.origin, _PEOPLE)
    counted = np.ones(len(nuclei), bool)
    for name, rows in of_class.items():
        if name in settings.left_out:
            counted &= ~rows
        elif name in settings.doubted:
            counted &= ~(rows & by_people)
    return counted


def _intensity(
    nuclei: Nuclei,
    density: NDArray[np.float64],
    threshold: DabThreshold,
    settings: Ki67Settings,
    regions: Mapping[str, Region] | None,
) -> Intensity:
    second, third = settings.grades or default_grades(threshold.value)
    # a threshold of 1+ that was dragged past those above it takes them along
    second = max(second, threshold.value)
    whole = {"slide": np.ones(len(nuclei), bool)}
    within = {name: region.contains(nuclei.yx) for name, region in regions.items()} if regions else whole
    return measure_intensity(density, (threshold.value, second, max(second, third)), list(within.items()))


def _threshold(density: NDArray[np.float64], settings: Ki67Settings) -> DabThreshold:
    found = choose_threshold(density)
    return found if settings.threshold is None else found.moved(settings.threshold)
