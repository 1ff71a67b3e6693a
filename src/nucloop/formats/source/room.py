"""How much memory a file of nuclei may ask for: by its headers, and in proportion to its own size."""

from __future__ import annotations

from nucloop.errors import DataError

__all__ = ["check_room", "rows_cost"]

ALWAYS = 1_200_000_000
"""Bytes that any file may take: ten million nuclei."""
EACH = 10
"""Bytes that a file may take beside, for each byte of its own: real nuclei do not shrink farther."""
_A_ROW, _A_VALUE = 64, 24


def rows_cost(rows: int, columns: int) -> int:
    """Bytes that a table takes at the peak while it becomes nuclei."""
    return rows * (_A_ROW + _A_VALUE * columns)


def check_room(source: str, size: int, cost: int) -> None:
    """Refuse a file that would fill the memory with what it hardly holds.

    Parameters
    ----------
    source : str
        The file's name, for the message.
    size : int
        Its bytes.
    cost : int
        Bytes that reading takes.

    Raises
    ------
    DataError
        If that is far more than files of nuclei take.
    """
    if cost > ALWAYS + EACH * size:
        raise DataError(
            f"{source} is {size / 1e6:,.1f} MB and unpacks to {cost / 1e9:,.1f} GB, more than nuclei can be. "
            "It is damaged, or not a file of nuclei: export it again, in parts if it is large."
        )
