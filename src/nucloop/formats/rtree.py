"""Filling an SQLite R-tree at once, instead of a million times by one.

The tree's own tables are written as https://www.sqlite.org/rtree.html describes them (Shadow Tables). Boxes that
lie near each other share a node (Sort-Tile-Recursive packing, Leutenegger et al., ICDE 1997), so the tree is also
smaller and answers faster than one grown by insertion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import sqlite3

    from numpy.typing import NDArray

__all__ = ["fill_rtree"]

_CELL = np.dtype([("id", ">i8"), ("box", ">f4", 4)])
_ROOT = 1


def fill_rtree(store: sqlite3.Connection, name: str, ids: NDArray[np.int64], boxes: NDArray[np.float64]) -> None:
    """Put boxes into a new, empty R-tree of two dimensions.

    Parameters
    ----------
    store : sqlite3.Connection
        Where the virtual table `name` has just been created; it must be a plain identifier.
    name : str
        The tree.
    ids : (N,) int64
        One for each box, all different.
    boxes : (N, 4) float64
        Min x, max x, min y, max y.
    """
    if not len(ids):
        return
    (size,) = store.execute(f"SELECT length(data) FROM {name}_node WHERE nodeno = {_ROOT}").fetchone()
    most = (size - 4) // _CELL.itemsize
    cells = _cells(ids, boxes)
    next_node, depth = _ROOT + 1, 0
    links = f"INSERT INTO {name}_rowid VALUES (?, ?)"
    while len(cells) > most:
        groups = _groups(cells, most)
        numbers = np.arange(next_node, next_node + int(groups[-1]) + 1)
        next_node += len(numbers)
        order = np.argsort(cells["id"], kind="stable")
        pairs = np.column_stack([cells["id"], numbers[groups]])[order].astype(np.int64)
        store.executemany(links, pairs.tolist())
        cells = _write_nodes(store, name, cells, groups, numbers, size)
        depth += 1
        links = f"INSERT INTO {name}_parent VALUES (?, ?)"
    store.executemany(links, [(int(one), _ROOT) for one in cells["id"]])
    blob = depth.to_bytes(2, "big") + len(cells).to_bytes(2, "big") + cells.tobytes()
    store.execute(f"UPDATE {name}_node SET data = ? WHERE nodeno = {_ROOT}", (blob.ljust(size, b"\0"),))


def _cells(ids: NDArray[np.int64], boxes: NDArray[np.float64]) -> NDArray[Any]:
    """Boxes as the tree keeps them: 32 bits, rounded outwards."""
    near = boxes.astype(np.float32)
    low, high = np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))
    cells = np.empty(len(ids), _CELL)
    cells["id"] = ids
    cells["box"][:, ::2] = np.where(near > boxes, low, near)[:, ::2]
    cells["box"][:, 1::2] = np.where(near < boxes, high, near)[:, 1::2]
    return cells


def _groups(cells: NDArray[Any], most: int) -> NDArray[np.int64]:
    """Sort the cells in place so that neighbours follow each other; return the node of each, (N,), from 0."""
    slices = int(np.ceil(np.sqrt(np.ceil(len(cells) / most))))
    centre_x = cells["box"][:, 0].astype(np.float64) + cells["box"][:, 1]
    centre_y = cells["box"][:, 2].astype(np.float64) + cells["box"][:, 3]
    by_x = np.argsort(centre_x, kind="stable")
    strip = np.empty(len(cells), np.int64)
    strip[by_x] = np.arange(len(cells)) // (slices * most)
    cells[:] = cells[np.lexsort((centre_y, strip))]
    return np.arange(len(cells)) // most


def _write_nodes(
    store: sqlite3.Connection,
    name: str,
    cells: NDArray[Any],
    groups: NDArray[np.int64],
    numbers: NDArray[np.int64],
    size: int,
) -> NDArray[Any]:
    """Write a level of nodes; return the cells of the level above, one a node."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    ends = np.append(starts[1:], len(cells))

    def blobs() -> Any:
        for number, first, last in zip(numbers.tolist(), starts.tolist(), ends.tolist(), strict=True):
            blob = b"\0\0" + (last - first).to_bytes(2, "big") + cells[first:last].tobytes()
            yield number, blob.ljust(size, b"\0")

    store.executemany(f"INSERT INTO {name}_node VALUES (?, ?)", blobs())
    above = np.empty(len(numbers), _CELL)
    above["id"] = numbers
    box = cells["box"].astype(np.float32)
    above["box"][:, ::2] = np.minimum.reduceat(box[:, ::2], starts)
    above["box"][:, 1::2] = np.maximum.reduceat(box[:, 1::2], starts)
    return above
