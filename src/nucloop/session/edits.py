"""What each kind of edit changes, as a patch; nothing is written or carried out here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nucloop.detection.overlap import new_nuclei
from nucloop.errors import SessionError
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.session.columns import SILENT, Columns
from nucloop.session.grid import FARTHEST
from nucloop.session.patch import MOST_AT_ONCE, Patch

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nucloop.classes import ClassScheme
    from nucloop.session.view import State, View

__all__ = [
    "Editor",
    "added",
    "confirmed",
    "newly_found",
    "placed",
    "relabelled",
    "removed",
    "said",
    "table_values",
    "unclassed",
]

_KEEPS_ADDED = int(Origin.ADDED)


class Editor(NamedTuple):
    """Who edits, and what they see."""

    number: int
    blinded: bool

    @property
    def column(self) -> str:
        """Where their word is kept."""
        return f"said{self.number}"


def checked_places(yx: ArrayLike) -> NDArray[np.float32]:
    """Return places as (N, 2) float32; SessionError when one is nowhere near a slide."""
    places = np.asarray(yx, np.float32).reshape(-1, 2)
    if len(places) and not (np.abs(places) <= FARTHEST).all():
        raise SessionError(
            "A nucleus was put where no slide reaches (or nowhere, NaN), so nothing was changed. Check its "
            "coordinates: they are level-0 pixels."
        )
    if len(places) > MOST_AT_ONCE:
        raise SessionError(f"{len(places):,} nuclei are too many for one edit. Add them in parts of {MOST_AT_ONCE:,}.")
    return places


def added(columns: Columns, editor: Editor, yx: ArrayLike, code: int) -> Patch:
    """Nuclei that a person placed, (N, 2)."""
    places = checked_places(yx)
    n = len(places)
    values: dict[str, NDArray[Any]] = {
        "yx": places,
        "origin": np.full(n, Origin.ADDED, np.uint8),
        "speaker": np.full(n, editor.number, np.uint8),
    }
    if code != UNLABELLED:
        values |= {"label": np.full(n, code, np.int16), editor.column: np.full(n, code, np.int16)}
    return Patch.addition(columns, values)


def placed(columns: Columns, ids: NDArray[np.int64], yx: ArrayLike) -> Patch:
    """Nuclei that a person dragged to (N, 2)."""
    places = checked_places(yx)
    if len(places) != len(ids):
        raise ValueError(f"{len(ids)} nuclei cannot be put at {len(places)} places")
    order = np.argsort(ids, kind="stable")
    rows = ids[order] - 1
    if (np.diff(rows) == 0).any():
        raise ValueError("a nucleus can be put at one place only")
    alive = columns.alive(rows)
    return Patch.change(columns, rows[alive], {"yx": places[order][alive]})


def removed(columns: Columns, rows: NDArray[np.int64]) -> Patch:
    """Nuclei that a person deleted; they stay known as such, so that no model brings them back."""
    return Patch.change(columns, rows, {"removed": 1})


def said(columns: Columns, editor: Editor, rows: NDArray[np.int64], code: int, *, force: bool) -> tuple[Patch, int]:
    """Give a class as a person said; return the patch and how many locked nuclei were left alone."""
    own = columns.values(editor.column, rows)
    label, origin = columns["label"][rows], columns["origin"][rows]
    # a blinded reader sees, and so is held back by, nobody's word but their own
    is_locked = own >= 0 if editor.blinded else (origin != Origin.PREDICTED) & (label >= 0)
    shown = own if editor.blinded else label
    held_back = is_locked & (not force)
    free = ~held_back
    rows, label, origin = rows[free], label[free], origin[free]
    values: dict[str, ArrayLike] = {
        "label": code,
        "origin": _origin_after(columns, rows, label, origin, code),
        "speaker": editor.number,
        editor.column: code,
    }
    return Patch.change(columns, rows, values), int((held_back & (shown != code)).sum())


def _origin_after(
    columns: Columns, rows: NDArray[np.int64], label: NDArray[np.int16], origin: NDArray[np.uint8], code: int
) -> NDArray[np.uint8]:
    was_said = np.isin(origin, (Origin.IMPORTED, Origin.CONFIRMED)) & (label == code)
    agrees = (code >= 0) & ((columns["model"][rows] == code) | was_said)
    after = np.where(agrees, np.uint8(Origin.CONFIRMED), np.uint8(Origin.CORRECTED))
    return np.where(origin == _KEEPS_ADDED, np.uint8(_KEEPS_ADDED), after)


def confirmed(columns: Columns, editor: Editor, rows: NDArray[np.int64]) -> Patch:
    """Classes that a person said are right. Blinded, they see no class but their own, and have nothing to confirm."""
    rows = rows[columns["label"][rows] >= 0]
    if editor.blinded or not len(rows):
        return Patch()
    label, origin = columns["label"][rows], columns["origin"][rows]
    first_word = np.isin(origin, (Origin.PREDICTED, Origin.IMPORTED))
    values = {
        "origin": np.where(first_word, np.uint8(Origin.CONFIRMED), origin),
        "speaker": np.where(first_word, np.uint8(editor.number), columns["speaker"][rows]),
        editor.column: label,
    }
    return Patch.change(columns, rows, values)


def relabelled(
    columns: Columns,
    rows: NDArray[np.int64],
    codes: NDArray[np.int16],
    probability: dict[int, NDArray[np.float16]],
    *,
    force: bool,
) -> tuple[Patch, int]:
    """Take what a new head says of nuclei (rows ascending); return the patch and how many kept a person's class."""
    label, origin = columns["label"][rows], columns["origin"][rows]
    kept = (origin != Origin.PREDICTED) & (label >= 0) & (not force)
    values: dict[str, ArrayLike] = {
        "model": codes,
        "label": np.where(kept, label, codes),
        "origin": np.where(kept, origin, np.uint8(Origin.PREDICTED)),
        "speaker": np.where(kept, columns["speaker"][rows], np.uint8(0)),
    }
    values |= {f"p{code}": p for code, p in probability.items()}
    return Patch.change(columns, rows, values), int((kept & (label != codes)).sum())


def unclassed(columns: Columns, readers: int, code: int, into: int) -> Patch:
    """Give every nucleus of a class another one, or none (UNLABELLED); words that spoke of it go with it."""
    said = [f"said{k}" for k in range(1, readers + 1) if columns.has(f"said{k}")]
    speaks = np.logical_or.reduce([columns[name] == code for name in ("label", "model", *said)])
    # where it is merged, its probability counts for the other, as classes that are one add up wherever they meet
    likely = into != UNLABELLED and columns.has(f"p{code}")
    rows = np.flatnonzero(speaks | ~np.isnan(columns[f"p{code}"]) if likely else speaks)
    values: dict[str, ArrayLike] = {}
    if likely:
        values[f"p{into}"] = _sum_of_known(columns.values(f"p{into}", rows), columns.values(f"p{code}", rows))
    for name in ("label", "model", *said):
        now = columns[name][rows]
        nothing = SILENT if into == UNLABELLED and name in said else into
        values[name] = np.where(now == code, np.int16(nothing), now)
    if into == UNLABELLED:
        origin = columns["origin"][rows]
        void = (columns["label"][rows] == code) & (origin != Origin.ADDED)
        values["origin"] = np.where(void, np.uint8(Origin.PREDICTED), origin)
    return Patch.change(columns, rows, values)


def _sum_of_known(a: NDArray[np.float16], b: NDArray[np.float16]) -> NDArray[np.float16]:
    both = np.nan_to_num(a.astype(np.float32)) + np.nan_to_num(b.astype(np.float32))
    return np.where(np.isnan(a) & np.isnan(b), np.nan, both).astype(np.float16)


def newly_found(view: View, state: State, found: Nuclei, run: int, radius_px: float) -> NDArray[np.bool_]:
    """Tell which nuclei of a run are new, (K,): neither known before the run, nor a person's, nor removed by one."""
    if not len(found):
        return np.zeros(0, bool)
    low, high = found.yx.min(0) - radius_px - 1, found.yx.max(0) + radius_px + 1
    rows = view.in_box(*low.tolist(), *(high - low).tolist()) - 1
    columns = state.columns
    known = rows[(columns["run"][rows] != run) | (columns["origin"][rows] != Origin.PREDICTED)]
    existing = Nuclei.from_points(found.scheme, columns["yx"][known])
    numbered = Nuclei.from_points(found.scheme, found.yx, ids=np.arange(len(found)))
    places = view.removed_near(*low.tolist(), *high.tolist())
    new = np.zeros(len(found), bool)
    new[new_nuclei(existing, numbered, radius_px, places).ids] = True
    return new


def table_values(state: State, editor: Editor, table: Nuclei, run: int = 0) -> dict[str, NDArray[Any]]:
    """Return the columns of nuclei that come as a table, from a model or from a file."""
    if not run:
        # a class that was dropped here may be dropped from a model's words, never from a file's
        state.palette.positions_of(table.scheme)
    codes = codes_from(state, table.scheme, table.label)
    human, n = table.human, len(table)
    values: dict[str, NDArray[Any]] = {
        "yx": checked_places(table.yx),
        "score": table.score,
        "label": codes,
        "origin": table.origin,
        "model": np.where(human, np.int16(UNLABELLED), codes),
    }
    if run:
        values["run"] = np.full(n, run, np.int64)
    if human.any():
        values["speaker"] = np.where(human, np.uint8(editor.number), np.uint8(0))
        values[editor.column] = np.where(human & (codes >= 0), codes, np.int16(SILENT))
    return values | {f"p{code}": p for code, p in probabilities(state, table.scheme, table.probability).items()}


def codes_from(state: State, scheme: ClassScheme, labels: NDArray[np.integer[Any]]) -> NDArray[np.int16]:
    """Turn labels of another scheme into codes; SessionError when the session lacks one of its classes.

    A class that was dropped here becomes none.
    """
    positions = np.array([*state.palette.positions_of_model(scheme), UNLABELLED])
    return state.palette.encode(positions[labels])


def probabilities(state: State, scheme: ClassScheme, p: NDArray[np.floating]) -> dict[int, NDArray[np.float16]]:
    """Return the columns of a (N, C) table of probabilities by code, those that hold anything."""
    known = ~np.isnan(p).all(0)
    columns: dict[int, NDArray[np.floating]] = {}
    for k, at in enumerate(state.palette.positions_of_model(scheme)):
        if known[k] and at != UNLABELLED:
            code = state.palette.codes[at]
            # classes that are one here add up
            columns[code] = columns[code] + p[:, k] if code in columns else p[:, k]
    return {code: column.astype(np.float16) for code, column in columns.items()}
