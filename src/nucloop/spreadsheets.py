"""Cells that a spreadsheet shows and does not run: text that begins like a formula gets an apostrophe before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

__all__ = ["as_cell", "as_cells", "from_cell", "from_cells"]

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_MARK = "'"


def as_cell(text: str) -> str:
    """Return a text as it stands in a table: one that begins as a formula does has an apostrophe before it."""
    return _MARK + text if text.lstrip(_MARK).startswith(_FORMULAS) else text


def from_cell(cell: str) -> str:
    """Inverse of `as_cell`."""
    return cell[1:] if cell.startswith(_MARK) and cell.lstrip(_MARK).startswith(_FORMULAS) else cell


def as_cells(table: pd.DataFrame, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Return a table with `as_cell` of its texts, those of some columns or of all."""
    return _changed(table, columns, as_cell)


def from_cells(table: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Inverse of `as_cells`."""
    return _changed(table, columns, from_cell)


def _changed(table: pd.DataFrame, columns: Iterable[str] | None, change: Callable[[str], str]) -> pd.DataFrame:
    import pandas as pd

    new = {}
    for name in table.columns if columns is None else columns:
        if name in table and table[name].dtype.kind not in "biuf":
            # few texts stand in many rows
            known = {text: change(text) for text in pd.unique(table[name]) if isinstance(text, str)}
            known = {text: cell for text, cell in known.items() if cell != text}
            if known:
                new[name] = table[name].map(lambda text, known=known: known.get(text, text))
    return table.assign(**new) if new else table
