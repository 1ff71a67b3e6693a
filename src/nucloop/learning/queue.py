"""The review queue: which nucleus to ask a person about next, and why.

Four reasons are mixed: the head is unsure, the class is rare among the answers, nothing like it was labelled yet, or
two readers disagree. Every answer changes the mix at once, without waiting for a new head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.configuration import read_strictly
from nucloop.learning.diversity import Diversity

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.nuclei import Nuclei
    from nucloop.session import Session

__all__ = ["QueueConfig", "ReviewQueue", "Suggestion", "asked_key"]

ASKED = "review queue asked"
"""Under which a session remembers what was asked."""


def asked_key(session: Session) -> str:
    """Return the name under which a session remembers what its reader was asked; blinded readers have their own."""
    return f"{ASKED} of {session.author}, blinded" if session.blinded else ASKED


@read_strictly
@dataclass(frozen=True, kw_only=True)
class QueueConfig:
    """What makes a nucleus worth asking about; the defaults were measured (docs/learning.md)."""

    uncertainty: float = 1.0
    """Weight of margin and entropy of the class probabilities."""
    rarity: float = 0.5
    """Weight of classes with few answers."""
    diversity: float = 0.6
    """Weight of the distance to what is labelled."""
    disagreement: float = 4.0
    """Weight of two readers who disagree: more than the others together, so these come first."""
    seed: int = 0
    """Decides between nuclei that are equally worth it."""

    def __post_init__(self) -> None:
        if min(self.uncertainty, self.rarity, self.diversity, self.disagreement) < 0:
            raise ValueError("the weights of a queue must not be negative")


@dataclass(frozen=True)
class Suggestion:
    """A nucleus to ask about.

    Parameters
    ----------
    id : int
        Of the nucleus.
    score : float
        Comparable within one queue only.
    why : str
        The reason in words.
    """

    id: int
    score: float
    why: str


class ReviewQueue:
    """Nuclei in the order in which answers teach most; each is asked about once.

    Parameters
    ----------
    nuclei : Nuclei
        All nuclei of a session. Those that people have spoken about count as labelled and are asked about only when
        readers disagree.
    features : (N, F) array, optional
        Rows of NaN where they are not known; without them diversity says nothing.
    asked : collection of int
        Ids that were asked about before, answered or not.
    disputed : collection of int
        Ids about which readers disagree.
    allowed : (N,) bool array, optional
        Nuclei in the regions that are being worked on; all when absent.
    config : QueueConfig, optional
        The mix.
    """

    def __init__(
        self,
        nuclei: Nuclei,
        features: NDArray[np.floating] | None = None,
        *,
        asked: Collection[int] = (),
        disputed: Collection[int] = (),
        allowed: NDArray[np.bool_] | None = None,
        config: QueueConfig | None = None,
    ) -> None:
        n = len(nuclei)
        if (features is not None and len(features) != n) or (allowed is not None and allowed.shape != (n,)):
            raise ValueError(f"features and regions must speak of the same {n} nuclei")
        self.config = config or QueueConfig()
        self.scheme: ClassScheme = nuclei.scheme
        self._ids = nuclei.ids
        self._order = np.argsort(nuclei.ids)
        self._disputed = self._mask(disputed)
        self._allowed = np.ones(n, bool) if allowed is None else allowed
        self._spoken = nuclei.human
        self._asked = self._mask(asked)
        self._tie = np.random.default_rng(self.config.seed).random(n, np.float32) * np.float32(1e-3)
        taught = self._spoken & (nuclei.label >= 0)
        self._answers = np.bincount(nuclei.label[taught], minlength=len(self.scheme)).astype(np.float64)
        self._diversity = None if features is None else Diversity(features, seed=self.config.seed)
        if self._diversity is not None:
            self._diversity.label(_spread(np.flatnonzero(taught)))
        self.update(nuclei.probability)

    def __len__(self) -> int:
        return int(self._open().sum())

    def update(self, probability: NDArray[np.float32]) -> None:
        """Take new class probabilities (N, C) after a head was learned; NaN where no head was asked."""
        if probability.shape != (len(self._ids), len(self.scheme)):
            raise ValueError(f"probabilities have shape {probability.shape}, not one row for each nucleus here")
        self._probability = np.nan_to_num(probability, nan=0.0)
        top = np.partition(self._probability, -2, axis=1)[:, -2:] if len(self.scheme) > 1 else None
        entropy = -(self._probability * np.log(np.maximum(self._probability, 1e-7))).sum(1)
        entropy /= np.log(max(len(self.scheme), 2))
        margin = 1 - (top[:, 1] - top[:, 0]) if top is not None else np.zeros(len(self._ids), np.float32)
        said = self._probability.sum(1) > 0
        self._unsure = np.where(said, (margin + entropy) / 2, 0).astype(np.float32)

    def next(self) -> Suggestion | None:
        """Return the nucleus that is most worth asking about, and mark it as asked; None when nothing is left.

        Deterministic: the same answers in the same order lead to the same questions.
        """
        open_ = self._open()
        if not open_.any():
            return None
        parts = self._parts()
        score = np.where(open_, sum(parts.values()) + self._tie, -np.inf)
        row = int(np.argmax(score))
        self._asked[row] = True
        why = self._why(row, {name: float(part[row]) for name, part in parts.items()})
        return Suggestion(int(self._ids[row]), float(score[row]), why)

    def answer(self, ids: Sequence[int] | NDArray[np.int64], labels: Sequence[int] | NDArray[np.int16]) -> None:
        """Say that people gave nuclei these classes, asked for or not; -1 for deleted. Unknown ids are left aside."""
        rows, said = self._known(ids, labels)
        self._spoken[rows] = True
        self._asked[rows] = True
        self._answers += np.bincount(said[said >= 0], minlength=len(self.scheme))
        if self._diversity is not None:
            self._diversity.label(_spread(rows[said >= 0]))

    def take_back(self, ids: Sequence[int] | NDArray[np.int64], labels: Sequence[int] | NDArray[np.int16]) -> None:
        """Undo `answer` with the same arguments: these nuclei may come up again."""
        rows, said = self._known(ids, labels)
        self._spoken[rows] = self._asked[rows] = False
        counts = np.bincount(said[said >= 0], minlength=len(self.scheme))
        self._answers = np.maximum(self._answers - counts, 0)

    @property
    def asked(self) -> NDArray[np.int64]:
        """Ids that were asked about or answered, for the session to keep."""
        return self._ids[self._asked]

    def _open(self) -> NDArray[np.bool_]:
        open_: NDArray[np.bool_] = self._allowed & ~self._asked & (~self._spoken | self._disputed)
        return open_

    def _parts(self) -> dict[str, NDArray[np.float32]]:
        """Say what each reason adds to the score of each nucleus, (N,) each."""
        rare = 1 / np.sqrt(1 + self._answers)
        rare /= max(rare.max(), 1e-12)
        config = self.config
        distance = np.float32(0) if self._diversity is None else self._diversity.scores()
        return {
            "unsure": np.float32(config.uncertainty) * self._unsure,
            "rare": np.float32(config.rarity) * (self._probability @ rare.astype(np.float32)),
            "far": np.float32(config.diversity) * distance * np.ones(len(self._ids), np.float32),
            "disputed": np.float32(config.disagreement) * self._disputed.astype(np.float32),
        }

    def _why(self, row: int, parts: dict[str, float]) -> str:
        """Name the reasons that weigh at least half as much as the main one."""
        main = max(parts.values())
        if main <= 0:
            return "nothing is known yet: any answer helps"
        words = [self._words(name, row) for name, part in parts.items() if part >= main / 2]
        return "; ".join(reversed(words) if parts["disputed"] else words)

    def _words(self, name: str, row: int) -> str:
        if name == "disputed":
            return "two readers disagree"
        if name == "far":
            return "unlike anything labelled so far"
        order = np.argsort(-self._probability[row], kind="stable")
        names, p = self.scheme.names, self._probability[row]
        if name == "unsure" and len(order) > 1:
            first, second = order[:2]
            return f"the model wavers: {names[first]} {p[first]:.0%}, {names[second]} {p[second]:.0%}"
        rarest = int(np.argmax(p / np.sqrt(1 + self._answers)))
        answers = int(self._answers[rarest])
        so_far = "is 1 answer" if answers == 1 else f"are {answers:,} answers"
        return f"perhaps {names[rarest]}, of which there {so_far}"

    def _known(
        self, ids: Sequence[int] | NDArray[np.int64], labels: Sequence[int] | NDArray[np.int16]
    ) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """Rows and labels of those that are here."""
        rows, said = self._rows(np.asarray(ids, np.int64)), np.asarray(labels, np.int16)
        return rows[rows >= 0], said[rows >= 0]

    def _mask(self, ids: Collection[int]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self._ids), bool)
        rows = self._rows(np.fromiter(ids, np.int64, len(ids)))
        mask[rows[rows >= 0]] = True
        return mask

    def _rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of ids, -1 for those that are not here."""
        if not len(self._ids):
            return np.full(len(ids), -1, np.int64)
        place = np.minimum(np.searchsorted(self._ids, ids, sorter=self._order), len(self._ids) - 1)
        rows = self._order[place]
        return np.where(self._ids[rows] == ids, rows, -1)


def _spread(rows: NDArray[np.int64], most: int = 1000) -> NDArray[np.int64]:
    """At most so many rows, evenly taken: beyond that, one more label hardly brings anything nearer."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
