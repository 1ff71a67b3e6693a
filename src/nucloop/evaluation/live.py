"""Nuclei under correction compared with a reference: the same figures as ``nucloop score``, after every edit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.classes import NucleusClass
from nucloop.geometry import Region, in_any
from nucloop.metrics.curve import Curve, f1_curve
from nucloop.metrics.incremental import IncrementalScore, Matched, SideName
from nucloop.metrics.marks import Marks
from nucloop.metrics.naming import counted_classes, renamed
from nucloop.metrics.rules import match
from nucloop.metrics.scoring import FieldScore, rule_title, score_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from nucloop.nuclei import Nuclei


__all__ = ["Cell", "LiveComparison", "LiveConfig", "by_rule", "threshold_curve", "with_ids"]

Ids = NDArray[np.int64]
_MANY = 2_000


@dataclass(frozen=True, kw_only=True)
class LiveConfig:
    """How nuclei are compared; as `nucloop.evaluation.comparison.ComparisonConfig`."""

    radius_um: float = 3.0
    """Largest accepted distance, µm."""
    rule: str = "boolean"
    """A key of `nucloop.metrics.rules.RULES`."""
    classes: tuple[NucleusClass | str, ...] = ()
    """Classes that are counted; by default those of the reference."""
    regions: tuple[Region, ...] = ()
    """In level-0 pixels: only what lies inside one counts. Empty means everywhere."""
    ignored: tuple[Region, ...] = ()
    """In level-0 pixels: what lies inside one does not count."""

    def counted(self, yx: ArrayLike) -> NDArray[np.bool_]:
        """Which points (N, 2), level-0 pixels, count."""
        points = np.asarray(yx, np.float64).reshape(-1, 2)
        there = in_any(points, self.regions) if self.regions else np.ones(len(points), bool)
        return there & ~in_any(points, self.ignored)


@dataclass(frozen=True)
class Cell:
    """Who is counted in one cell of the confusion matrix: pairs, false alarms or misses.

    Parameters
    ----------
    found : (N,) int64
        Ids of nuclei under correction; empty in the column of misses.
    truth : (N,) int64
        Ids of their references; empty in the row of false alarms.
    """

    found: Ids
    truth: Ids


def with_ids(nuclei: Nuclei) -> Nuclei:
    """Return nuclei that have an id each: their own, or (where one is missing) their rows from 1."""
    if len(nuclei) and (nuclei.ids == 0).any():
        return replace(nuclei, ids=np.arange(1, len(nuclei) + 1, dtype=np.int64))
    return nuclei


class LiveComparison:
    """Counts by the Boolean rule, matched again around an edit only.

    Parameters
    ----------
    found : Nuclei
        With an id each; those that are being corrected.
    truth : Nuclei
        The reference, with an id each.
    mpp : float
        Level-0 µm per pixel.
    config : LiveConfig, optional
    """

    def __init__(self, found: Nuclei, truth: Nuclei, mpp: float, config: LiveConfig | None = None) -> None:
        self.config = config or LiveConfig()
        self.mpp = mpp
        self.classes = counted_classes([truth], self.config.classes)
        self._found_ids, self._truth_ids = set(found.ids.tolist()), set(truth.ids.tolist())
        self._build(renamed(found, self.classes), renamed(truth, self.classes))

    def _build(self, found: Nuclei, truth: Nuclei) -> None:
        self._score = IncrementalScore(
            found, truth,
            mpp=self.mpp, radius_um=self.config.radius_um, classes=self.names, counted=self.config.counted,
        )  # fmt: skip

    @property
    def names(self) -> tuple[str, ...]:
        """What the counted classes are called."""
        return tuple(one.name for one in self.classes)

    @property
    def score(self) -> FieldScore:
        """The figures as things stand."""
        return self._score.score

    @property
    def follows_edits(self) -> bool:
        """Whether `follow` is quick; else an edit asks for a new comparison."""
        return True

    def matched(self, side: str = "predicted", ids: ArrayLike | None = None) -> Matched:
        """Say who matched whom on the side ``predicted`` or ``reference``; of `ids` those that are known and count."""
        known = self._found_ids if side == "predicted" else self._truth_ids
        name: SideName = "predicted" if side == "predicted" else "reference"
        if ids is None:
            return self._score.matched(name)
        asked = np.asarray(ids, np.int64).reshape(-1)
        if len(asked) > _MANY:
            everyone = self._score.matched(name)
            rows = np.isin(everyone.ids, asked)
            return Matched(everyone.ids[rows], everyone.partner[rows], everyone.agrees[rows])
        return self._score.matched(name, [i for i in asked.tolist() if i in known])

    def follow(self, nuclei: Nuclei, gone: ArrayLike = (), side: str = "predicted") -> None:
        """Take over nuclei that were added, moved or given another class, and ids of those that are gone."""
        known = self._found_ids if side == "predicted" else self._truth_ids
        where: SideName = "predicted" if side == "predicted" else "reference"
        lost = [i for i in np.asarray(gone, np.int64).tolist() if i in known]
        if lost:
            self._score.delete(lost, where)
        if len(nuclei):
            self._score.add(renamed(nuclei, self.classes), where)
            known.update(nuclei.ids.tolist())

    def cell(self, row: int, column: int) -> Cell:
        """Return who is counted in a cell of ``score.confusion``."""
        nothing = len(self.names) + 1
        if row == nothing:
            alone = self.matched("predicted")
            ids = alone.ids[alone.partner < 0]
            return Cell(ids[self._columns(ids, "predicted") == column], np.zeros(0, np.int64))
        if column == nothing:
            alone = self.matched("reference")
            ids = alone.ids[alone.partner < 0]
            return Cell(np.zeros(0, np.int64), ids[self._columns(ids, "reference") == row])
        paired = self.matched("predicted")
        ids, partner = paired.ids[paired.partner >= 0], paired.partner[paired.partner >= 0]
        there = (self._columns(ids, "predicted") == column) & (self._columns(partner, "reference") == row)
        return Cell(ids[there], partner[there])

    def _columns(self, ids: Ids, side: str) -> NDArray[np.int64]:
        """Place of nuclei in the confusion matrix, (N,)."""
        label = self._labels(ids, side)
        return np.where(label < 0, len(self.names), label)

    def _labels(self, ids: Ids, side: str) -> NDArray[np.int64]:
        return self._score.labels(ids, "predicted" if side == "predicted" else "reference")

    def report(self) -> dict[str, Any]:
        """Plain types, with the keys of ``nucloop score --json`` as far as one slide has them."""
        return {
            "dataset": "", "n_images": 1, "rule": rule_title(self.config.rule), "radius_um": self.config.radius_um,
            **self.score.to_dict(), "rule_name": self.config.rule, **self.score.details(),
        }  # fmt: skip


class _WholeComparison(LiveComparison):
    """Counts by any rule; an edit asks for a new one."""

    def _build(self, found: Nuclei, truth: Nuclei) -> None:
        found, truth = (n.take(self.config.counted(n.yx)) for n in (found, truth))
        marks, truth_marks = (Marks.of(n, self.mpp, self.names) for n in (found, truth))
        rule, radius = self.config.rule, self.config.radius_um
        self._whole = score_field(marks, truth_marks, self.names, radius, rule)
        matching = match(marks, truth_marks, radius, rule)
        p, r = matching.pairs.T
        partner, truth_partner = np.full(len(found), -1, np.int64), np.full(len(truth), -1, np.int64)
        partner[p], truth_partner[r] = truth.ids[r], found.ids[p]
        # where references are shared, one that any nucleus lies near is no miss
        shared = ~matching.missed & (truth_partner < 0)
        truth_partner[shared] = 0
        same = np.zeros(len(found), bool)
        same[p] = marks.label[p] == truth_marks.label[r]
        self._sides = {
            "predicted": (found.ids, partner, same, marks.label),
            "reference": (truth.ids, truth_partner, truth_partner >= 0, truth_marks.label),
        }

    @property
    def score(self) -> FieldScore:
        return self._whole

    @property
    def follows_edits(self) -> bool:
        return False

    def matched(self, side: str = "predicted", ids: ArrayLike | None = None) -> Matched:
        own, partner, same, _ = self._sides[side]
        rows = np.ones(len(own), bool) if ids is None else np.isin(own, np.asarray(ids, np.int64))
        return Matched(own[rows], partner[rows], same[rows])

    def follow(self, nuclei: Nuclei, gone: ArrayLike = (), side: str = "predicted") -> None:
        raise TypeError(f"a comparison by {self.config.rule} does not follow edits: make a new one")

    def _labels(self, ids: Ids, side: str) -> NDArray[np.int64]:
        own, _, _, label = self._sides[side]
        order = np.argsort(own, kind="stable")
        return label[order[np.searchsorted(own, ids, sorter=order)]]


def by_rule(found: Nuclei, truth: Nuclei, mpp: float, config: LiveConfig | None = None) -> LiveComparison:
    """Compare by the rule that is asked for; only ``boolean`` follows edits by itself."""
    config = config or LiveConfig()
    kind = LiveComparison if config.rule == "boolean" else _WholeComparison
    return kind(found, truth, mpp, config)


def threshold_curve(
    found: Nuclei,
    truth: Nuclei,
    mpp: float,
    config: LiveConfig,
    name: str | None = None,
    thresholds: Sequence[float] = tuple(np.round(np.arange(0, 1, 0.02), 2).tolist()),
) -> Curve | None:
    """F1 of detection, or of one class, against the least score a nucleus needs; None where no nucleus has a score."""
    if not np.isfinite(found.score).any():
        return None
    classes = counted_classes([truth], config.classes)
    marks, truth_marks = (Marks.of(n.take(config.counted(n.yx)), mpp, classes) for n in (found, truth))
    if name is not None:
        label = [one.name for one in classes].index(name)
        marks, truth_marks = marks.take(marks.label == label), truth_marks.take(truth_marks.label == label)
    return f1_curve([(marks, truth_marks)], config.radius_um, thresholds, config.rule)
