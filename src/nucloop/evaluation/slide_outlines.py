"""How well the outlines of a slide's nuclei fit those of a reference, tile by tile: DICE, AJI, DQ, SQ, PQ and mPQ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.evaluation.outlines import best_first
from nucloop.metrics.label_images import label_image
from nucloop.metrics.naming import counted_classes, renamed
from nucloop.metrics.segmentation import Overlaps, Segmentation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.evaluation.live import LiveConfig
    from nucloop.nuclei import Nuclei
    from nucloop.outlines import Outlines

__all__ = ["OutlineFigures", "compare_outlines"]

TILE = 2048
"""Side of the label images, level-0 pixels; a nucleus may lie in several, which add up."""


@dataclass(frozen=True)
class OutlineFigures:
    """Figures of one slide.

    Parameters
    ----------
    segmentation : Segmentation
        Whatever the classes.
    mpq : float or None
        Mean PQ of the classes that occur; None where none is counted.
    found, reference : int
        Nuclei with an outline on either side.
    """

    segmentation: Segmentation
    mpq: float | None
    found: int
    reference: int

    def to_dict(self) -> dict[str, float | None]:
        """Plain types, with the names of ``nucloop evaluate``."""
        return {**self.segmentation.to_dict(), "mpq": self.mpq}


def compare_outlines(found: Nuclei, truth: Nuclei, config: LiveConfig) -> Iterator[OutlineFigures | None]:
    """Compare outlines pixel by pixel; yield None after each tile, and the figures last.

    Parameters
    ----------
    found, truth : Nuclei
        With outlines, level-0 pixels. Where two outlines of one side overlap, the better score has the pixel.
    config : LiveConfig
        Which classes and which places count; a nucleus counts whole where its centre does.
    """
    classes = counted_classes([truth], config.classes)
    sides = [_with_outline(renamed(one, classes), config) for one in (found, truth)]
    shapes = [one.outlines for one in sides if one.outlines is not None]
    orders = [_ranks(one) for one in sides]
    pairs, shared = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    sizes = [np.zeros(len(one), np.int64) for one in sides]
    for corner, rows in _tiles(*shapes):
        drawn = [_drawn(shape, own, order, corner) for shape, own, order in zip(shapes, rows, orders, strict=True)]
        for size, image in zip(sizes, drawn, strict=True):
            size += np.bincount(image[image > 0] - 1, minlength=len(size))
        both = (drawn[0] > 0) & (drawn[1] > 0)
        key, count = np.unique((drawn[0][both] - 1) * len(sides[1]) + drawn[1][both] - 1, return_counts=True)
        pairs.append(key)
        shared.append(count)
        yield None
    overlaps = _added_up(np.concatenate(pairs), np.concatenate(shared), sizes)
    values = []
    for label in range(len(classes)):
        score = overlaps.only(sides[0].label == label, sides[1].label == label).panoptic
        values += [] if score.empty else [score.pq]
    mpq = float(np.mean(values)) if values else None
    yield OutlineFigures(overlaps.segmentation, mpq, len(sides[0]), len(sides[1]))


def _with_outline(nuclei: Nuclei, config: LiveConfig) -> Nuclei:
    if nuclei.outlines is None:
        raise ValueError("nuclei without outlines cannot be compared")
    return nuclei.take(nuclei.outlines.there & config.counted(nuclei.yx))


def _ranks(nuclei: Nuclei) -> NDArray[np.int64]:
    """How good each nucleus is, the best first, (N,)."""
    ranks = np.empty(len(nuclei), np.int64)
    ranks[best_first(nuclei.score)] = np.arange(len(nuclei))
    return ranks


def _tiles(*shapes: Outlines) -> Iterator[tuple[NDArray[np.int64], list[NDArray[np.int64]]]]:
    """Yield the corner of each tile that holds an outline, and which outlines of each side reach into it."""
    reach = []
    for shape in shapes:
        bounds = np.zeros((2, len(shape), 2), np.int64)
        if len(shape):
            for k, ends in enumerate((np.minimum, np.maximum)):
                bounds[k] = np.floor(ends.reduceat(shape.corners, shape.ends[:-1]) / TILE)
        reach.append(bounds)
    members: dict[tuple[int, int], list[list[int]]] = {}
    for side, (low, high) in enumerate(reach):
        for row, (first, last) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
            for y in range(first[0], last[0] + 1):
                for x in range(first[1], last[1] + 1):
                    members.setdefault((y, x), [[] for _ in shapes])[side].append(row)
    for (y, x), rows in sorted(members.items()):
        yield np.array([y, x]) * TILE, [np.array(own, np.int64) for own in rows]


def _drawn(
    outlines: Outlines, rows: NDArray[np.int64], ranks: NDArray[np.int64], corner: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Draw some outlines over a tile: 0 is the ground, k + 1 row k of all outlines."""
    order = np.argsort(ranks[rows], kind="stable")
    image = label_image(outlines.take(rows).moved(-corner), (TILE, TILE), order)
    return np.concatenate([[0], rows + 1])[image]


def _added_up(pairs: NDArray[np.int64], shared: NDArray[np.int64], sizes: list[NDArray[np.int64]]) -> Overlaps:
    key, place = np.unique(pairs, return_inverse=True)
    total = np.zeros(len(key), np.int64)
    np.add.at(total, place, shared)
    predicted, reference = np.divmod(key, max(len(sizes[1]), 1))
    whole = Overlaps(predicted, reference, total, sizes[0], sizes[1])
    # what another nucleus covers altogether, or holds no pixel's centre, is no nucleus of a label image
    return whole.only(sizes[0] > 0, sizes[1] > 0)
