"""Nuclei, a table of points, and ClassScheme: the two types that every other part shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.classes import ClassScheme
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

__all__ = ["UNLABELLED", "Nuclei", "Origin"]

UNLABELLED = -1
"""The label of a nucleus that has no class (yet)."""


class Origin(IntEnum):
    """Who gave a nucleus its class."""

    PREDICTED = 0
    CONFIRMED = 1
    CORRECTED = 2
    ADDED = 3
    IMPORTED = 4

    @property
    def human(self) -> bool:
        """Whether a person has spoken about this nucleus: no model may then change it."""
        return self is not Origin.PREDICTED


_KINDS: dict[str, type[np.generic]] = {
    "ids": np.int64,
    "yx": np.float32,
    "score": np.float32,
    "label": np.int16,
    "probability": np.float32,
    "origin": np.uint8,
}
"""The columns and what they are kept in."""


@dataclass(frozen=True)
class Nuclei:
    """Nuclei as columns of equal length.

    Parameters
    ----------
    scheme : ClassScheme
        The classes that `label` and the columns of `probability` speak of.
    ids : (N,) int64
        Stable for the whole life of a nucleus. 0 means "not given yet".
    yx : (N, 2) float32
        Centres in level-0 pixels, pixel centres at integers.
    score : (N,) float32
        The detector's confidence, 0 to 1; NaN where no detector was asked.
    label : (N,) int16
        Row in `scheme.classes`, or `UNLABELLED`.
    probability : (N, C) float32
        One column per class of the scheme; NaN where no model was asked.
    origin : (N,) uint8
        Values of `Origin`.
    outlines : Outlines, optional
        Where each nucleus ends, level-0 pixels; None where nobody drew or computed any.
    cell_outlines : Outlines, optional
        Where the cell around each nucleus ends, from programs that look for whole cells.
    """

    scheme: ClassScheme
    ids: NDArray[np.int64]
    yx: NDArray[np.float32]
    score: NDArray[np.float32]
    label: NDArray[np.int16]
    probability: NDArray[np.float32]
    origin: NDArray[np.uint8]
    outlines: Outlines | None = None
    cell_outlines: Outlines | None = None

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            object.__setattr__(self, name, _column(name, getattr(self, name), kind))
        n = len(self.ids)
        expected = {
            "ids": (n,),
            "yx": (n, 2),
            "score": (n,),
            "label": (n,),
            "probability": (n, len(self.scheme)),
            "origin": (n,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {shape}")
        for rings in (self.outlines, self.cell_outlines):
            if rings is not None and len(rings) != n:
                raise ValueError(f"{len(rings)} outlines do not go with {n} nuclei")
        if n and not np.isfinite(self.yx).all():
            raise ValueError("nuclei need finite coordinates")
        if n and (self.label.max() >= len(self.scheme) or self.label.min() < UNLABELLED):
            raise ValueError(f"a label is outside the {len(self.scheme)} classes of {self.scheme.name}")

    @classmethod
    def from_points(
        cls,
        scheme: ClassScheme,
        yx: ArrayLike,
        *,
        label: ArrayLike | None = None,
        score: ArrayLike | None = None,
        probability: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        origin: ArrayLike | Origin = Origin.PREDICTED,
        outlines: Outlines | None = None,
        cell_outlines: Outlines | None = None,
    ) -> Nuclei:
        """Build a table from points (N, 2); what is not given is unknown (NaN, unlabelled, id 0)."""
        points = np.asarray(yx, np.float32).reshape(-1, 2)
        n = len(points)

        def column(name: str, values: ArrayLike | None, fill: Any, shape: tuple[int, ...]) -> Any:
            if values is None:
                return np.full(shape, fill, _KINDS[name])
            return np.ascontiguousarray(np.broadcast_to(_column(name, values, _KINDS[name]), shape))

        return cls(
            scheme=scheme,
            ids=column("ids", ids, 0, (n,)),
            yx=points,
            score=column("score", score, np.nan, (n,)),
            label=column("label", label, UNLABELLED, (n,)),
            probability=column("probability", probability, np.nan, (n, len(scheme))),
            origin=column("origin", origin, 0, (n,)),
            outlines=outlines,
            cell_outlines=cell_outlines,
        )

    @classmethod
    def empty(cls, scheme: ClassScheme) -> Nuclei:
        """Return a table without rows."""
        return cls.from_points(scheme, np.zeros((0, 2), np.float32))

    @classmethod
    def concatenate(cls, tables: Iterable[Nuclei], scheme: ClassScheme) -> Nuclei:
        """Stack tables of one scheme, in order."""
        parts = list(tables)
        if not parts:
            return cls.empty(scheme)
        if any(part.scheme != scheme for part in parts):
            raise ValueError("only tables of one class scheme can be stacked")
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("ids", "yx", "score", "label", "probability", "origin")
        }
        return cls(
            scheme=scheme,
            **columns,
            outlines=_stacked([part.outlines for part in parts], parts),
            cell_outlines=_stacked([part.cell_outlines for part in parts], parts),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: ArrayLike | slice) -> Nuclei:
        """Rows by boolean mask, slice or row numbers, as a new table."""
        picked: Any = rows if isinstance(rows, slice) else np.asarray(rows)
        if not isinstance(picked, slice) and picked.size == 0:
            picked = np.zeros(0, np.int64)
        return replace(
            self,
            ids=self.ids[picked],
            yx=self.yx[picked],
            score=self.score[picked],
            label=self.label[picked],
            probability=self.probability[picked],
            origin=self.origin[picked],
            outlines=None if self.outlines is None else self.outlines.take(picked),
            cell_outlines=None if self.cell_outlines is None else self.cell_outlines.take(picked),
        )

    def scaled(self, factor: float) -> Nuclei:
        """Return the nuclei in pixels `factor` times smaller; pixel (0, 0) of both grids has the same outer corner."""
        return replace(
            self,
            yx=((self.yx.astype(np.float64) + 0.5) * factor - 0.5).astype(np.float32),
            outlines=None if self.outlines is None else self.outlines.scaled(factor),
            cell_outlines=None if self.cell_outlines is None else self.cell_outlines.scaled(factor),
        )

    def numbered(self, first: int = 1) -> Nuclei:
        """Sort by position (y, then x) and number from `first`: a nucleus gets the same id in any order of work."""
        order = np.lexsort((self.yx[:, 1], self.yx[:, 0]))
        return replace(self.take(order), ids=np.arange(first, first + len(self), dtype=np.int64))

    @property
    def model_probability(self) -> NDArray[np.float32]:
        """What a model gave the label that a nucleus carries, whoever chose that, (N,); NaN where none was asked."""
        rows = np.arange(len(self))
        value = np.where(self.label >= 0, self.probability[rows, np.maximum(self.label, 0)], np.nan)
        return value.astype(np.float32)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Probability of the label a nucleus carries, (N,); NaN where no model was asked, 1 where a person spoke."""
        return np.where(self.human, np.float32(1), self.model_probability)

    @property
    def uncertainty(self) -> NDArray[np.float32]:
        """Entropy of the class probabilities over its maximum, (N,), 0 (sure) to 1 (open); 0 where a person spoke."""
        p = np.clip(self.probability, 1e-7, 1)
        entropy = -(p * np.log(p)).sum(1) / np.log(max(len(self.scheme), 2))
        return np.where(self.human, np.float32(0), entropy).astype(np.float32)

    @property
    def human(self) -> NDArray[np.bool_]:
        """Where a person has spoken, (N,)."""
        spoken: NDArray[np.bool_] = self.origin != Origin.PREDICTED
        return spoken

    def counts(self) -> dict[str, int]:
        """Nuclei per class name, in the scheme's order; unlabelled ones are not counted."""
        numbers = np.bincount(self.label[self.label >= 0], minlength=len(self.scheme))
        return {c.name: int(k) for c, k in zip(self.scheme.classes, numbers, strict=True)}

    def to_frame(self) -> pd.DataFrame:
        """Return the table as FORMATS.md's own columns: id, y, x, class, score, origin, p_<class>."""
        import pandas as pd

        names = np.array([*self.scheme.names, ""], dtype=object)
        frame = pd.DataFrame(
            {
                "id": self.ids,
                "y": self.yx[:, 0],
                "x": self.yx[:, 1],
                "class": names[self.label],
                "score": self.score,
                "origin": np.array([o.name.lower() for o in Origin], dtype=object)[self.origin],
            }
        )
        for k, name in enumerate(self.scheme.names):
            frame[f"p_{name}"] = self.probability[:, k]
        return frame

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, scheme: ClassScheme) -> Nuclei:
        """Inverse of `to_frame`; only y and x are required. Unknown class names raise ValueError."""
        labels: Sequence[int] | None = None
        if "class" in frame:
            known = {name: scheme.index(name) for name in frame["class"].unique() if isinstance(name, str) and name}
            labels = [known.get(name, UNLABELLED) for name in frame["class"]]
        origin = [Origin[str(o).upper()] for o in frame["origin"]] if "origin" in frame else Origin.IMPORTED
        columns = [f"p_{name}" for name in scheme.names]
        return cls.from_points(
            scheme,
            frame[["y", "x"]].to_numpy(np.float32),
            label=labels,
            score=frame["score"].to_numpy(np.float32) if "score" in frame else None,
            probability=frame[columns].to_numpy(np.float32) if set(columns) <= set(frame) else None,
            ids=frame["id"].to_numpy(np.int64) if "id" in frame else None,
            origin=origin,
        )


def _column(name: str, values: ArrayLike, kind: type[np.generic]) -> NDArray[Any]:
    """Return a column in the type it is kept in; ValueError where a value would become another by that.

    NumPy's own conversion makes 255 of -1 and 0 of 0.7 without a word.
    """
    given = np.asarray(values)
    if given.dtype == kind and name != "origin":
        return given
    if given.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {given.dtype} where numbers are needed")
    if np.issubdtype(kind, np.floating):
        return given.astype(kind)
    info = np.iinfo(np.dtype(kind).name)
    low, high = (0, max(Origin)) if name == "origin" else (info.min, info.max)
    with np.errstate(invalid="ignore"):
        kept = given.astype(kind)
    # NaN compares false
    if given.size and not (given.min() >= low and given.max() <= high and (given == kept).all()):
        raise ValueError(f"{name} holds values that are no whole numbers from {int(low)} to {int(high)}")
    return kept


def _stacked(parts: Sequence[Outlines | None], tables: Sequence[Nuclei]) -> Outlines | None:
    """Stack the outlines of tables; None when no table has any."""
    if all(part is None for part in parts):
        return None
    return Outlines.concatenate(
        Outlines.none(len(table)) if part is None else part for part, table in zip(parts, tables, strict=True)
    )
