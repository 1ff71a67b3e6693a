"""Agreement of two readers, or a reader and a model: F1, kappa over matched nuclei, Bland-Altman, disagreements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.metrics.intervals import BootstrapConfig, Interval, bootstrap
from nucloop.metrics.marks import Marks
from nucloop.metrics.naming import common_classes, equal_where_same
from nucloop.metrics.rules import match
from nucloop.metrics.scoring import FieldScore, score_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.nuclei import Nuclei

__all__ = ["Agreement", "BlandAltman", "Disagreement", "agree", "bland_altman", "cohens_kappa", "disagreements"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BlandAltman:
    """How two readings of the same quantity differ.

    Parameters
    ----------
    mean : (N,) array
        Of both readings, one entry a region.
    difference : (N,) array
        First minus second.
    bias : float
        Mean difference.
    limits : (low, high) or None
        95% limits of agreement, bias ± 1.96 standard deviations; None with fewer than two regions.
    """

    mean: FloatArray
    difference: FloatArray
    bias: float
    limits: Interval | None


@dataclass(frozen=True)
class Agreement:
    """How far two sets of nuclei agree.

    Parameters
    ----------
    names : tuple of str
        The classes.
    first_by_second : FieldScore
        The second reader's nuclei scored with the first's as reference.
    second_by_first : FieldScore
        The other way round: F1 is the same, precision and recall change places.
    kappa : float or None
        Cohen's kappa over nuclei that both marked; None where one of them gives one class only.
    kappa_interval : (low, high) or None
        95%, by drawing regions (or, with one region, matched nuclei) with replacement.
    class_kappa : dict
        Kappa of each class against all others.
    region_kappa : tuple
        Kappa within each region.
    observed : float or None
        Part of the matched nuclei that got the same class.
    """

    names: tuple[str, ...]
    first_by_second: FieldScore
    second_by_first: FieldScore
    kappa: float | None
    kappa_interval: Interval | None
    class_kappa: dict[str, float | None]
    region_kappa: tuple[float | None, ...]
    observed: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for reports."""
        return {
            "first_by_second": self.first_by_second.to_dict(),
            "second_by_first": self.second_by_first.to_dict(),
            "confusion": self.first_by_second.details()["confusion"],
            "kappa": self.kappa,
            "kappa_interval_95": None if self.kappa_interval is None else list(self.kappa_interval),
            "class_kappa": self.class_kappa,
            "region_kappa": list(self.region_kappa),
            "observed_agreement": self.observed,
        }


@dataclass(frozen=True)
class Disagreement:
    """One place where two readers differ.

    Parameters
    ----------
    kind : str
        ``class`` (both marked it), ``first only`` or ``second only``.
    y, x : float
        Level-0 pixels; of the first reader's mark where there is one.
    first, second : int or None
        Ids.
    first_label, second_label : int or None
        Labels in each reader's scheme.
    """

    kind: str
    y: float
    x: float
    first: int | None = None
    second: int | None = None
    first_label: int | None = None
    second_label: int | None = None


def cohens_kappa(table: FloatArray) -> FloatArray:
    """Cohen's kappa of (..., C, C) tables of counts; NaN where chance alone would agree completely."""
    counts = np.asarray(table, np.float64)
    total = counts.sum((-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(counts, axis1=-2, axis2=-1) / total
        chance = (counts.sum(-1) * counts.sum(-2)).sum(-1) / total**2
        return np.asarray((observed - chance) / (1 - chance))


def agree(
    first: Nuclei,
    second: Nuclei,
    mpp: float,
    radius_um: float = 3.0,
    *,
    units: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None,
    config: BootstrapConfig | None = None,
) -> Agreement:
    """Compare two readers of one slide, by the Boolean rule.

    Parameters
    ----------
    first, second : Nuclei
        Level-0 pixels; classes are joined by `nucloop.classes.join`, and those that only one scheme has are left out
        of kappa.
    mpp : float
        Level-0 µm per pixel.
    radius_um : float
        Two marks this near can be one nucleus, µm.
    units : (N,) and (M,) arrays, optional
        Region number of each nucleus, from 0, or -1 for one that does not count; by default all are one region.
    config : BootstrapConfig, optional
    """
    classes = common_classes(second.scheme, first.scheme)
    names = tuple(one.name for one in classes)
    a, b = Marks.of(first, mpp, classes), Marks.of(second, mpp, classes)
    regions = units or (np.zeros(len(a), np.intp), np.zeros(len(b), np.intp))
    a, b = a.take(regions[0] >= 0), b.take(regions[1] >= 0)
    regions = regions[0][regions[0] >= 0], regions[1][regions[1] >= 0]
    n_units = max((int(u.max()) + 1 for u in regions if len(u)), default=1)
    forth = score_units(b, a, names, radius_um, "boolean", regions[1], regions[0], n_units)
    back = score_units(a, b, names, radius_um, "boolean", *regions, n_units)
    tables = np.array([score.confusion[: len(names), : len(names)] for score in forth], np.float64)
    table = tables.sum(0)
    total = table.sum()
    return Agreement(
        names=names,
        first_by_second=_sum(forth),
        second_by_first=_sum(back),
        kappa=_kappa(table),
        kappa_interval=_interval(tables, config) if _kappa(table) is not None else None,
        class_kappa={name: _kappa(_one_against_all(table, k)) for k, name in enumerate(names)},
        region_kappa=tuple(_kappa(one) for one in tables),
        observed=float(np.trace(table) / total) if total else None,
    )


def _sum(scores: Sequence[FieldScore]) -> FieldScore:
    total = scores[0]
    for score in scores[1:]:
        total = total + score
    return total


def _kappa(table: FloatArray) -> float | None:
    """Return kappa; None where a reader gives one class only: the formula says 0 then, whatever they agree on."""
    if (table.sum(0) > 0).sum() < 2 or (table.sum(1) > 0).sum() < 2:
        return None
    kappa = cohens_kappa(table)
    return float(kappa) if np.isfinite(kappa) else None


def _one_against_all(table: FloatArray, k: int) -> FloatArray:
    both, row, column = table[k, k], table[k].sum(), table[:, k].sum()
    return np.array([[both, row - both], [column - both, table.sum() - row - column + both]])


def _interval(tables: FloatArray, config: BootstrapConfig | None) -> Interval | None:
    config = config or BootstrapConfig()
    used = tables[tables.sum((1, 2)) > 0]
    if len(used) >= 2:
        ends = bootstrap(used, lambda sums: np.nan_to_num(cohens_kappa(sums), nan=1.0)[:, None], config)
        return None if ends is None else (float(ends[0, 0]), float(ends[0, 1]))
    total = int(tables.sum())
    if total < 2 or not np.isfinite(cohens_kappa(tables.sum(0))):
        return None
    table = tables.sum(0)
    drawn = np.random.default_rng(config.seed).multinomial(total, table.ravel() / total, size=config.samples)
    kappas = np.nan_to_num(cohens_kappa(drawn.reshape(-1, *table.shape).astype(np.float64)), nan=1.0)
    tail = (1 - config.level) / 2
    low, high = np.quantile(kappas, [tail, 1 - tail]).tolist()
    return low, high


def bland_altman(first: Sequence[float], second: Sequence[float]) -> BlandAltman:
    """Compare two readings, such as the Ki-67 index of each region.

    Raises
    ------
    ValueError
        If there is none, or not as many of both.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"readings need to come in pairs, got {a.shape} and {b.shape}")
    difference = a - b
    bias = float(difference.mean())
    limits = None
    if len(a) > 1:
        spread = 1.959963984540054 * float(difference.std(ddof=1))
        limits = (bias - spread, bias + spread)
    return BlandAltman((a + b) / 2, difference, bias, limits)


def disagreements(first: Nuclei, second: Nuclei, mpp: float, radius_um: float = 3.0) -> list[Disagreement]:
    """List every place where two readers differ, top to bottom: another class, or marked by one alone.

    Which classes are the same, `nucloop.classes.join` says.
    """
    matching = match(Marks.of(second, mpp), Marks.of(first, mpp), radius_um)
    mine, theirs = equal_where_same(first.scheme, second.scheme)
    found = []
    for j, i in matching.pairs.tolist():
        labels = int(first.label[i]), int(second.label[j])
        if mine[labels[0]] != theirs[labels[1]]:
            y, x = first.yx[i].tolist()
            found.append(Disagreement("class", y, x, int(first.ids[i]), int(second.ids[j]), *labels))
    for i in np.flatnonzero(matching.missed).tolist():
        y, x = first.yx[i].tolist()
        found.append(Disagreement("first only", y, x, first=int(first.ids[i]), first_label=int(first.label[i])))
    for j in np.flatnonzero(matching.spare).tolist():
        y, x = second.yx[j].tolist()
        found.append(Disagreement("second only", y, x, second=int(second.ids[j]), second_label=int(second.label[j])))
    return sorted(found, key=lambda d: (d.y, d.x))
