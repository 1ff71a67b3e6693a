"""What an import changes: nuclei of a file, or of another reader, laid on those that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.metrics.points import match_points
from nucloop.nuclei import Origin
from nucloop.session.edits import table_values
from nucloop.session.grid import FARTHEST
from nucloop.session.patch import Patch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei
    from nucloop.session.edits import Editor
    from nucloop.session.view import State, View

__all__ = ["imported"]

_MOST_GAPS = 20
"""Ids are taken over while there are at most this many per nucleus: rows that nobody fills cost memory too."""
_FEW = 1_000_000


def imported(
    view: View, state: State, editor: Editor, table: Nuclei, radius_px: float | None, *, force: bool, apart: bool
) -> tuple[Patch, int]:
    """Nuclei from a file: those within `radius_px` of one that is there give it their class, the others are new.

    With `apart` a nucleus that keeps the class another person gave it keeps this reader's word beside it.
    """
    columns, values = state.columns, table_values(state, editor, table)
    if radius_px is None or not len(table):
        return Patch.addition(columns, values if columns.size else _at_their_ids(table, values)), 0
    low, high = values["yx"].min(0) - radius_px - 1, values["yx"].max(0) + radius_px + 1
    near = view.in_box(*low.tolist(), *(high - low).tolist()) - 1
    pairs = match_points(columns["yx"][near], values["yx"], radius_px)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    new = np.ones(len(table), bool)
    new[pairs[:, 1]] = False
    speaks = table.human[pairs[:, 1]] & (values["label"][pairs[:, 1]] >= 0)
    rows, source = near[pairs[speaks, 0]], pairs[speaks, 1]
    label, origin = columns["label"][rows], columns["origin"][rows]
    held_back = (origin != Origin.PREDICTED) & (label >= 0) & (not force)
    codes = values["label"][source]
    locked = int((held_back & (label != codes)).sum())
    if not apart:
        rows, codes, source = rows[~held_back], codes[~held_back], source[~held_back]
        label, origin, held_back = label[~held_back], origin[~held_back], held_back[~held_back]
    patch = Patch.change(
        columns,
        rows,
        {
            "label": np.where(held_back, label, codes),
            "origin": np.where(held_back, origin, table.origin[source]),
            "speaker": np.where(held_back, columns["speaker"][rows], np.uint8(editor.number)),
            editor.column: codes,
        },
    )
    return patch.joined(Patch.addition(columns, {name: column[new] for name, column in values.items()})), locked


def _at_their_ids(table: Nuclei, values: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Put nuclei into the rows of their own ids, for a session that never had any; where ids are missing, as they come.

    Rows in between stand for nuclei that were deleted elsewhere: they lie beyond every slide, and are not alive.
    """
    ids = table.ids
    last = int(ids.max())
    if ids.min() < 1 or last > max(_FEW, _MOST_GAPS * len(ids)) or len(np.unique(ids)) < len(ids):
        return values
    filled: dict[str, NDArray[Any]] = {"removed": np.ones(last, np.uint8)} if last > len(ids) else {}
    for name, column in values.items():
        filled[name] = np.zeros((last, *column.shape[1:]), column.dtype)
        filled[name][ids - 1] = column
    if "removed" in filled:
        filled["removed"][ids - 1] = 0
        filled["yx"][filled["removed"] == 1] = -FARTHEST
    return filled
