"""F1 that follows every edit: only the connected component of the candidate graph around it is matched again.

Nothing else can change: a component's pairs depend on nothing but its own nuclei (`most_pairs`). So the score after any
edits equals `score_field` of the nuclei as they are then, pair by pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from nucloop.classes import as_classes, join
from nucloop.metrics.edited import NOBODY, EditedMarks
from nucloop.metrics.marks import Marks
from nucloop.metrics.naming import common_classes
from nucloop.metrics.pairing import Candidates, candidates_within, most_pairs
from nucloop.metrics.points import Counts
from nucloop.metrics.scoring import FieldScore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

    from nucloop.classes import NucleusClass
    from nucloop.nuclei import Nuclei

__all__ = ["IncrementalScore", "Matched", "SideName", "Touched"]

SideName = Literal["predicted", "reference"]


@dataclass(frozen=True)
class Touched:
    """Whose match may differ after an edit, by id: their rings are to be drawn again."""

    predicted: NDArray[np.int64]
    reference: NDArray[np.int64]


@dataclass(frozen=True)
class Matched:
    """How one side stands: nuclei that count, by id.

    Parameters
    ----------
    ids : (N,) int64
    partner : (N,) int64
        Id of the nucleus of the other side; -1 for a false alarm or a miss.
    agrees : (N,) array of bool
        Whether the partner has the same class.
    """

    ids: NDArray[np.int64]
    partner: NDArray[np.int64]
    agrees: NDArray[np.bool_]


class IncrementalScore:
    """The score of nuclei that are being edited, by the Boolean rule.

    Parameters
    ----------
    predicted, reference : Nuclei
        With an id each; pixels of one slide.
    mpp : float
        µm per pixel of the slide.
    radius_um : float
        Largest accepted distance, µm.
    classes : sequence of NucleusClass or str, optional
        Classes that are counted; by default those that both schemes have, in the order of the reference.
    counted : callable, optional
        From points (N, 2) in pixels to whether they count, (N,): only inside regions, not inside ignored ones.

    Raises
    ------
    ValueError
        If the radius is not positive or two nuclei of one side share an id.
    """

    def __init__(
        self,
        predicted: Nuclei,
        reference: Nuclei,
        *,
        mpp: float,
        radius_um: float = 3.0,
        classes: Sequence[NucleusClass | str] | None = None,
        counted: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None,
    ) -> None:
        common = common_classes(predicted.scheme, reference.scheme)
        self.classes = common if classes is None else as_classes(classes)
        self.names = tuple(one.name for one in self.classes)
        self.mpp, self.radius_um = mpp, radius_um
        self._counted = counted
        size = len(self.names) + 2
        self._confusion = np.zeros((size, size), np.int64)
        self._class_tp = np.zeros(len(self.names) + 1, np.int64)
        self._sides = {
            "predicted": self._side(predicted),
            "reference": self._side(reference),
        }
        self._scheme = {"predicted": predicted.scheme, "reference": reference.scheme}
        self._match_everything()

    def _side(self, nuclei: Nuclei) -> EditedMarks:
        here = self._counts_at(nuclei.yx.astype(np.float64))
        return EditedMarks(nuclei.ids, Marks.of(nuclei, self.mpp, self.classes), here, self.radius_um)

    def _counts_at(self, yx: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.ones(len(yx), bool) if self._counted is None else self._counted(yx)

    def _match_everything(self) -> None:
        found, truth = self._sides["predicted"], self._sides["reference"]
        p, r = np.flatnonzero(found.here), np.flatnonzero(truth.here)
        near = candidates_within(found.marks(p), truth.marks(r), self.radius_um)
        self._pair(p, r, near)
        self._count(p, r, 1)

    @property
    def score(self) -> FieldScore:
        """The score as things stand; the same as `score_field` of the nuclei that count."""
        c = self._confusion
        matched = int(c[:-1, :-1].sum())
        detection = Counts(matched, int(c[-1].sum()), int(c[:, -1].sum()))
        classes = tuple(
            Counts(tp, int(c[:, k].sum()) - tp, int(c[k].sum()) - tp)
            for k, tp in enumerate(self._class_tp[:-1].tolist())
        )
        return FieldScore(self.names, detection, classes, c.copy())

    def matched(self, side: SideName = "predicted", ids: ArrayLike | None = None) -> Matched:
        """Say who matched whom: false alarms are predicted nuclei without a partner, misses references without.

        With `ids` only of these, as far as they count; KeyError for one that was never added.
        """
        mine, other = self._sides[side], self._sides["reference" if side == "predicted" else "predicted"]
        rows = np.flatnonzero(mine.here[: mine.length]) if ids is None else mine.rows(ids)
        rows = rows[mine.here[rows]]
        partner = mine.partner[rows]
        ids = np.where(partner >= 0, other.ids[partner], NOBODY) if other.length else partner.astype(np.int64)
        same = other.label[partner] == mine.label[rows] if other.length else np.zeros(len(rows), bool)
        return Matched(mine.ids[rows], ids, (partner >= 0) & same)

    def labels(self, ids: ArrayLike, side: SideName = "predicted") -> NDArray[np.int64]:
        """Return the classes of nuclei as positions in `names`, (N,), or `UNLABELLED`; KeyError as below."""
        mine = self._sides[side]
        return mine.label[mine.rows(ids)]

    def add(self, nuclei: Nuclei, side: SideName = "predicted") -> Touched:
        """Add nuclei, or bring deleted ones back; those that are known are moved and relabelled."""
        mine = self._sides[side]
        marks = Marks.of(nuclei, self.mpp, self.classes)
        rows = mine.rows_or_new(nuclei.ids)
        mine.exists[rows] = True
        return self._edit(side, rows, marks.yx, marks.label, self._counts_at(nuclei.yx.astype(np.float64)))

    def move(self, ids: ArrayLike, yx: ArrayLike, side: SideName = "predicted") -> Touched:
        """Move nuclei to points (K, 2), pixels; KeyError for an id that was never added."""
        mine = self._sides[side]
        rows = mine.rows(ids)
        points = np.asarray(yx, np.float64).reshape(-1, 2)
        return self._edit(side, rows, points * self.mpp, mine.label[rows], self._counts_at(points) & mine.exists[rows])

    def delete(self, ids: ArrayLike, side: SideName = "predicted") -> Touched:
        """Take nuclei out; KeyError for an id that was never added. `add` brings them back, `move` does not."""
        mine = self._sides[side]
        rows = mine.rows(ids)
        mine.exists[rows] = False
        return self._edit(side, rows, None, mine.label[rows], np.zeros(len(rows), bool))

    def relabel(self, ids: ArrayLike, label: ArrayLike, side: SideName = "predicted") -> Touched:
        """Give nuclei the classes `label` of that side's scheme (one for all, or one each); KeyError as above."""
        mine = self._sides[side]
        rows = mine.rows(ids)
        table = np.array(join(self._scheme[side].classes, self.classes).table(), np.int64)
        labels = np.broadcast_to(table[np.asarray(label)], len(rows))
        return self._edit(side, rows, None, labels, mine.here[rows])

    def _edit(
        self,
        side: SideName,
        rows: NDArray[np.intp],
        yx: NDArray[np.float64] | None,
        label: NDArray[np.int64],
        here: NDArray[np.bool_],
    ) -> Touched:
        mine, other = self._sides[side], self._sides["reference" if side == "predicted" else "predicted"]
        if len(np.unique(rows)) < len(rows):
            raise ValueError("a nucleus comes twice in one edit")
        was = rows[mine.here[rows]]
        left = other.grid.neighbours(mine.grid.yx[was])[1]
        if yx is not None:
            mine.grid.place(rows, yx)
        mine.grid.remove(rows[~here])
        own, others, near = self._around(side, rows[here], left)
        sides = (own, others) if side == "predicted" else (others, own)
        gone = rows[~here]
        before = np.union1d(own[mine.here[own]], was)
        self._count(*((before, others) if side == "predicted" else (others, before)), -1)
        mine.label[rows], mine.here[rows] = label, here
        mine.partner[gone] = NOBODY
        mine.class_hit[gone] = False
        self._pair(*sides, near)
        self._count(*sides, 1)
        ids = mine.ids[np.union1d(own, rows)], other.ids[others]
        return Touched(*(ids if side == "predicted" else ids[::-1]))

    def _around(
        self, side: SideName, seeds: NDArray[np.intp], other_seeds: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], Candidates]:
        """Whole components that hold any of the seeds: rows of both sides, and the candidates between them by place."""
        mine, other = self._sides[side], self._sides["reference" if side == "predicted" else "predicted"]
        own, others = set(seeds.tolist()), set(other_seeds.tolist())
        fresh, other_fresh = list(own), list(others)
        edges: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]] = []
        while fresh or other_fresh:
            if fresh:
                asked = np.array(fresh, np.intp)
                which, rows, distance = other.grid.neighbours(mine.grid.yx[asked])
                edges.append((asked[which], rows, distance))
                met = set(rows.tolist()) - others
                others |= met
                other_fresh += met
                fresh = []
            if other_fresh:
                rows = mine.grid.neighbours(other.grid.yx[np.array(other_fresh, np.intp)])[1]
                fresh = list(set(rows.tolist()) - own)
                own.update(fresh)
                other_fresh = []
        a, b = np.array(sorted(own), np.intp), np.array(sorted(others), np.intp)
        if not edges:
            return a, b, Candidates(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))
        x, y, distance = (np.concatenate(column) for column in zip(*edges, strict=True))
        i, j = np.searchsorted(a, x), np.searchsorted(b, y)
        return a, b, Candidates(i, j, distance) if side == "predicted" else Candidates(j, i, distance)

    def _pair(self, p: NDArray[np.intp], r: NDArray[np.intp], near: Candidates) -> None:
        """Match whole components: predicted rows `p`, reference rows `r`, candidates by place in these."""
        found, truth = self._sides["predicted"], self._sides["reference"]
        marks, truth_marks = found.marks(p), truth.marks(r)
        found.partner[p], truth.partner[r] = NOBODY, NOBODY
        found.class_hit[p] = False
        pairs = most_pairs(near, marks, truth_marks)
        found.partner[p[pairs[:, 0]]] = r[pairs[:, 1]]
        truth.partner[r[pairs[:, 1]]] = p[pairs[:, 0]]
        labels = marks.label[near.predicted]
        same = (labels == truth_marks.label[near.reference]) & (labels >= 0)
        found.class_hit[p[most_pairs(near.take(same), marks, truth_marks)[:, 0]]] = True

    def _count(self, p: NDArray[np.intp], r: NDArray[np.intp], sign: int) -> None:
        """Add or take away what whole components contribute, by the partners as they are stored."""
        found, truth = self._sides["predicted"], self._sides["reference"]
        size = len(self._confusion)
        label = found.label[p]
        partner = found.partner[p]
        column = np.where(label < 0, size - 2, label)
        if truth.length:
            meant = truth.label[partner]
            row = np.where(partner < 0, size - 1, np.where(meant < 0, size - 2, meant))
        else:
            row = np.full(len(p), size - 1)
        missed = truth.label[r[truth.partner[r] < 0]]
        cells = np.concatenate([row * size + column, np.where(missed < 0, size - 2, missed) * size + size - 1])
        self._confusion += sign * np.bincount(cells, minlength=size * size).reshape(size, size)
        self._class_tp += sign * np.bincount(label[found.class_hit[p]], minlength=size - 1)
