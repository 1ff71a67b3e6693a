"""Ki-67: the index per region, per slide, on average and in the hot spot, and how far it can be trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from nucloop.errors import DataError
from nucloop.ki67.index import Cutoff, Index
from nucloop.metrics.intervals import BootstrapConfig, Interval, bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.geometry import Region
    from nucloop.nuclei import Nuclei

__all__ = [
    "CUTOFFS",
    "HotSpot",
    "Ki67",
    "Ki67Config",
    "Ki67Mapping",
    "Requirement",
    "hot_spot",
    "measure_ki67",
    "names_other_tissue",
]

LEAST_REGIONS = 5
"""Fewer drawn again and again with replacement say little about how regions differ, and too narrowly."""
CUTOFFS = (0.05, 0.20, 0.30)
"""Where indices are commonly divided: 5% and 30% (International Ki67 Working Group), 20% (breast, neuroendocrine)."""
_OTHER_TISSUE = re.compile(r"other|normal|lymph|immune|strom|benign|background", re.IGNORECASE)


def names_other_tissue(name: str) -> bool:
    """Whether a class is named as other tissue than tumour."""
    return _OTHER_TISSUE.search(name) is not None


@dataclass(frozen=True)
class Ki67Mapping:
    """What each class of a scheme means for the index.

    Parameters
    ----------
    positive, negative : frozenset of str
        Class names. Nuclei of any other class, and unlabelled ones, are not counted.
    """

    positive: frozenset[str]
    negative: frozenset[str]

    def __post_init__(self) -> None:
        if self.positive & self.negative:
            raise ValueError(f"{', '.join(sorted(self.positive & self.negative))} cannot be positive and negative")
        if not self.positive or not self.negative:
            raise ValueError("a Ki-67 index needs a positive and a negative class")

    @classmethod
    def guess(cls, scheme: ClassScheme) -> Ki67Mapping:
        """Read the classes' names: tumour, or any tissue that is not named as another, positive or negative.

        Raises
        ------
        DataError
            If the names do not say which classes are positive and which negative.
        """
        named = {
            word: frozenset(n for n in scheme.names if word in n.casefold() and not names_other_tissue(n))
            for word in ("positive", "negative")
        }
        if not all(named.values()):
            raise DataError(
                f"The classes of scheme {scheme.name} ({', '.join(scheme.names)}) do not say which are Ki-67 positive "
                "and which negative. Say so for each class, or choose the scheme ki67 or patherea-ki67."
            )
        return cls(**named)

    def states(self, nuclei: Nuclei) -> NDArray[np.int8]:
        """Tell of each nucleus: 1 positive, 0 negative, -1 not counted, (N,)."""
        scheme, state = nuclei.scheme, np.full(len(nuclei.scheme) + 1, -1, np.int8)
        labels = {name: scheme.find(name) for name in self.positive | self.negative}
        missing = sorted(name for name, label in labels.items() if label is None)
        if missing:
            raise DataError(
                f"The nuclei have no class {', '.join(missing)}. Their classes are {', '.join(scheme.names)}."
            )
        for name, label in labels.items():
            state[label] = name in self.positive
        return state[nuclei.label]


@dataclass(frozen=True)
class Requirement:
    """What guidance asks for, and how much of it there is."""

    what: str
    wanted: int
    there: int

    @property
    def missing(self) -> int:
        """How much is still needed."""
        return max(self.wanted - self.there, 0)


@dataclass(frozen=True)
class HotSpot:
    """The circle with the highest index."""

    y: float
    x: float
    """Centre, level-0 pixels."""
    radius_um: float
    index: Index


@dataclass(frozen=True, kw_only=True)
class Ki67Config:
    """How the index is measured."""

    half_width: float = 0.05
    """Wanted precision: half of the 95% interval."""
    cutoffs: tuple[float, ...] = CUTOFFS
    least_cells: int = 500
    """Fewer tumour nuclei than this are too few."""
    wanted_cells: int = 1000
    """So many are recommended."""
    wanted_fields: int = 3
    """In so many fields."""
    hot_spot_um: float = 500.0
    """Diameter of the circle in which the hot spot is looked for, about a field at 40x."""
    hot_spot_cells: int = 100
    """A circle with fewer tumour nuclei is no hot spot."""
    bootstrap: BootstrapConfig = field(default_factory=BootstrapConfig)


@dataclass(frozen=True)
class Ki67:
    """The index of a slide, in every way it is reported.

    Parameters
    ----------
    regions : tuple of Index
        Each region.
    slide : Index
        All regions added up; a nucleus in two regions is counted once.
    average : float or None
        Mean of the regions' indices (regions without tumour nuclei left out).
    hottest_region : Index or None
        The region with the highest index of those with enough nuclei.
    hot_spot : HotSpot or None
        The circle with the highest index.
    region_interval : (low, high) or None
        95% interval of `slide` by drawing regions with replacement; None with fewer than five regions.
    config : Ki67Config
    with_errors : (low, high) or None
        95% interval of `slide` that allows for errors of finding nuclei and of the threshold; None where classes count.
    """

    regions: tuple[Index, ...]
    slide: Index
    average: float | None
    hottest_region: Index | None
    hot_spot: HotSpot | None
    region_interval: Interval | None
    config: Ki67Config
    with_errors: Interval | None = None

    @property
    def cutoffs(self) -> tuple[Cutoff, ...]:
        """Where the slide's index stands to each cut-off; certain only by an interval with errors."""
        return tuple(self.slide.cutoff(value, self.with_errors) for value in self.config.cutoffs)

    @property
    def still_needed(self) -> int:
        """Nuclei still to count for the wanted precision."""
        return self.slide.still_needed(self.config.half_width)

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What guidance asks for: at least 500, better 1000 tumour nuclei, in three fields."""
        fields = sum(1 for region in self.regions if region.total)
        return (
            Requirement("tumour nuclei, least", self.config.least_cells, self.slide.total),
            Requirement("tumour nuclei, recommended", self.config.wanted_cells, self.slide.total),
            Requirement("fields", self.config.wanted_fields, fields),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for reports."""
        spot = self.hot_spot
        return {
            "slide": self.slide.to_dict(),
            "with_errors_95": None if self.with_errors is None else list(self.with_errors),
            "region_interval_95": None if self.region_interval is None else list(self.region_interval),
            "average": self.average,
            "regions": [region.to_dict() for region in self.regions],
            "hottest_region": None if self.hottest_region is None else self.hottest_region.to_dict(),
            "hot_spot": None
            if spot is None
            else {"y": spot.y, "x": spot.x, "radius_um": spot.radius_um, **spot.index.to_dict()},
            "cutoffs": [vars(cutoff) for cutoff in self.cutoffs],
            "still_needed": {"half_width": self.config.half_width, "nuclei": self.still_needed},
            "requirements": [{**vars(r), "missing": r.missing} for r in self.requirements],
        }


def measure_ki67(
    nuclei: Nuclei,
    mapping: Ki67Mapping,
    mpp: float,
    regions: Mapping[str, Region] | None = None,
    config: Ki67Config | None = None,
) -> Ki67:
    """Measure the index.

    Parameters
    ----------
    nuclei : Nuclei
        Level-0 pixels of one slide.
    mapping : Ki67Mapping
        Which classes are counted, and as what.
    mpp : float
        Level-0 µm per pixel.
    regions : dict of Region, optional
        By name, level-0 pixels; by default all nuclei are one region, "slide".
    config : Ki67Config, optional

    Raises
    ------
    DataError
        If the nuclei do not have the mapping's classes.
    """
    config = config or Ki67Config()
    states = mapping.states(nuclei)
    counted = states >= 0
    positive = states == 1
    whole = {"slide": np.ones(len(nuclei), bool)}
    within = {name: region.contains(nuclei.yx) for name, region in regions.items()} if regions else whole
    indices = tuple(_index(name, rows & positive, rows & counted) for name, rows in within.items())
    anywhere = np.logical_or.reduce(list(within.values()))
    used = counted & anywhere
    values = [i.value for i in indices if i.value is not None]
    enough = [i for i in indices if i.total >= config.hot_spot_cells]
    return Ki67(
        regions=indices,
        slide=_index("slide", positive & anywhere, used),
        average=float(np.mean(values)) if values else None,
        hottest_region=max(enough, key=lambda i: (i.value or 0.0, i.total)) if enough and regions else None,
        hot_spot=hot_spot(nuclei.yx[used], positive[used], mpp, config),
        region_interval=_region_interval(indices, config),
        config=config,
    )


def _index(name: str, positive: NDArray[np.bool_], counted: NDArray[np.bool_]) -> Index:
    return Index(name, int(positive.sum()), int(counted.sum() - positive.sum()))


def _region_interval(indices: Sequence[Index], config: Ki67Config) -> Interval | None:
    units = np.array([(i.positive, i.total) for i in indices if i.total], np.float64).reshape(-1, 2)
    if len(units) < LEAST_REGIONS:
        return None
    ends = bootstrap(units, lambda sums: sums[:, :1] / np.maximum(sums[:, 1:], 1), config.bootstrap)
    return None if ends is None else (float(ends[0, 0]), float(ends[0, 1]))


def hot_spot(
    yx: NDArray[np.floating], positive: NDArray[np.bool_], mpp: float, config: Ki67Config | None = None
) -> HotSpot | None:
    """Find the circle with the highest index; of equals the one with most nuclei.

    Circles are tried around the points of a grid an eighth of their diameter apart.

    Parameters
    ----------
    yx : (N, 2) array
        Tumour nuclei, level-0 pixels.
    positive : (N,) array of bool
    mpp : float
        Level-0 µm per pixel.
    config : Ki67Config, optional

    Returns
    -------
    HotSpot or None
        None where no circle holds enough nuclei.
    """
    config = config or Ki67Config()
    if len(yx) < config.hot_spot_cells:
        return None
    um = np.asarray(yx, np.float64) * mpp
    radius, step = config.hot_spot_um / 2, config.hot_spot_um / 8
    cells = np.unique(np.round(um / step).astype(np.int64), axis=0)
    centres = cells * step
    everyone = cKDTree(um).query_ball_point(centres, radius, return_length=True)
    stained = (
        cKDTree(um[positive]).query_ball_point(centres, radius, return_length=True)
        if positive.any()
        else np.zeros(len(centres), np.intp)
    )
    index = np.where(everyone >= config.hot_spot_cells, stained / np.maximum(everyone, 1), -1.0)
    best = int(np.lexsort((everyone, index))[-1])
    if index[best] < 0:
        return None
    y, x = (centres[best] / mpp).tolist()
    return HotSpot(y, x, radius, Index("hot spot", int(stained[best]), int(everyone[best] - stained[best])))
