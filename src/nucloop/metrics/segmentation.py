"""Segmentation metrics of label images: DICE, AJI, and panoptic quality, plain, binary and mean over classes.

DICE, AJI (Kumar et al., IEEE TMI 2017) and DQ, SQ, PQ (Kirillov et al., CVPR 2019) as HoVer-Net (Graham et al., Medical
Image Analysis 2019) reports them for nuclei; bPQ and mPQ as PanNuke (Gamper et al., 2020) does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Panoptic", "Segmentation", "aji", "binary_pq", "dice", "mean_pq", "panoptic", "score_segmentation"]

LabelImage = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Panoptic:
    """Counts and summed overlaps, which can be added over images.

    Parameters
    ----------
    tp, fp, fn : int
        Pairs that overlap by more than half (IoU > 0.5), and what is left on either side.
    iou : float
        Sum of the pairs' IoU.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou: float = 0.0

    def __add__(self, other: Panoptic) -> Panoptic:
        return Panoptic(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.iou + other.iou)

    @property
    def dq(self) -> float:
        """Detection quality, the F1 of the pairs; 0 when there is nothing at all."""
        return 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)

    @property
    def sq(self) -> float:
        """Segmentation quality, the mean IoU of the pairs; 0 without one."""
        return self.iou / max(self.tp, 1)

    @property
    def pq(self) -> float:
        """Panoptic quality, DQ times SQ."""
        return self.dq * self.sq

    @property
    def empty(self) -> bool:
        """Whether there was nothing to find and nothing was found."""
        return self.tp + self.fp + self.fn == 0


@dataclass(frozen=True)
class Segmentation:
    """The figures of one image."""

    dice: float
    aji: float
    panoptic: Panoptic

    def to_dict(self) -> dict[str, float]:
        """Plain types."""
        return {
            "dice": self.dice, "aji": self.aji, "dq": self.panoptic.dq, "sq": self.panoptic.sq, "pq": self.panoptic.pq,
        }  # fmt: skip


@dataclass(frozen=True)
class Overlaps:
    """Pairs of nuclei that share pixels, (K,), and the sizes of all, (P,) and (R,), from which every figure follows."""

    predicted: NDArray[np.intp]
    """Place of the predicted nucleus of each pair, from 0."""
    reference: NDArray[np.intp]
    shared: NDArray[np.int64]
    predicted_size: NDArray[np.int64]
    reference_size: NDArray[np.int64]

    @property
    def union(self) -> NDArray[np.int64]:
        """Pixels of either nucleus of each pair."""
        return self.predicted_size[self.predicted] + self.reference_size[self.reference] - self.shared

    @property
    def dice(self) -> float:
        """See `dice`."""
        total = int(self.predicted_size.sum() + self.reference_size.sum())
        return 2 * int(self.shared.sum()) / total if total else 1.0

    @property
    def aji(self) -> float:
        """See `aji`."""
        iou = self.shared / self.union
        order = np.lexsort((self.predicted, -iou, self.reference))
        best = order[np.unique(self.reference[order], return_index=True)[1]]
        alone = np.setdiff1d(np.arange(len(self.reference_size)), self.reference[best])
        unused = np.setdiff1d(np.arange(len(self.predicted_size)), self.predicted[best])
        union = int(self.union[best].sum() + self.reference_size[alone].sum() + self.predicted_size[unused].sum())
        return int(self.shared[best].sum()) / union if union else 1.0

    @property
    def panoptic(self) -> Panoptic:
        """See `panoptic`."""
        iou = self.shared / self.union
        pairs = iou > 0.5
        tp = int(pairs.sum())
        return Panoptic(tp, len(self.predicted_size) - tp, len(self.reference_size) - tp, float(iou[pairs].sum()))

    @property
    def segmentation(self) -> Segmentation:
        """All figures."""
        return Segmentation(self.dice, self.aji, self.panoptic)

    def only(self, predicted: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Overlaps:
        """Leave out nuclei: which of the predicted (P,) and of the reference (R,) stay."""
        pairs = predicted[self.predicted] & reference[self.reference]
        return Overlaps(
            (np.cumsum(predicted) - 1)[self.predicted[pairs]],
            (np.cumsum(reference) - 1)[self.reference[pairs]],
            self.shared[pairs],
            self.predicted_size[predicted],
            self.reference_size[reference],
        )


def _overlaps(predicted: LabelImage, reference: LabelImage) -> Overlaps:
    if predicted.shape != reference.shape:
        raise ValueError(f"label images must have one shape, not {predicted.shape} and {reference.shape}")
    for image in (predicted, reference):
        if image.dtype.kind not in "iu" or (image.size and image.min() < 0):
            raise ValueError("a label image holds whole numbers from 0, which is the background")
    p_names, p, p_size = np.unique(predicted, return_inverse=True, return_counts=True)
    r_names, r, r_size = np.unique(reference, return_inverse=True, return_counts=True)
    # Only pairs that occur are counted: a table of all would not fit in memory.
    pairs, shared = np.unique(p.ravel() * len(r_names) + r.ravel(), return_counts=True)
    rows, columns = np.divmod(pairs, len(r_names))
    nuclei = (p_names[rows] > 0) & (r_names[columns] > 0)
    # The background, where there is any, comes first.
    p_first, r_first = int((p_names == 0).sum()), int((r_names == 0).sum())
    return Overlaps(
        rows[nuclei] - p_first, columns[nuclei] - r_first, shared[nuclei], p_size[p_first:], r_size[r_first:]
    )  # fmt: skip


def dice(predicted: LabelImage, reference: LabelImage) -> float:
    """Overlap of nuclear pixels, whatever nucleus they belong to; 1 when both images are empty."""
    return _overlaps(np.asarray(predicted), np.asarray(reference)).dice


def aji(predicted: LabelImage, reference: LabelImage) -> float:
    """Compute the aggregated Jaccard index; 1 when both images are empty.

    Every reference nucleus takes the predicted one of highest IoU (the first of equals), even if another took it
    already; predicted nuclei that nobody took are added to the union (Kumar, algorithm 1).
    """
    return _overlaps(np.asarray(predicted), np.asarray(reference)).aji


def panoptic(predicted: LabelImage, reference: LabelImage) -> Panoptic:
    """Pair nuclei that overlap by more than half; such pairs are unique.

    Parameters
    ----------
    predicted, reference : (H, W) integer arrays
        0 is background, every other number one nucleus.

    Raises
    ------
    ValueError
        If the shapes differ or a label is negative.
    """
    return _overlaps(np.asarray(predicted), np.asarray(reference)).panoptic


def score_segmentation(predicted: LabelImage, reference: LabelImage) -> Segmentation:
    """All figures of one image."""
    return _overlaps(np.asarray(predicted), np.asarray(reference)).segmentation


def binary_pq(images: Sequence[tuple[LabelImage, LabelImage]]) -> float | None:
    """Mean PQ of the images, classes aside (bPQ); images without any nucleus are left out, None when all are."""
    scores = [panoptic(predicted, reference) for predicted, reference in images]
    known = [score.pq for score in scores if not score.empty]
    return float(np.mean(known)) if known else None


def mean_pq(images: Sequence[tuple[Mapping[str, LabelImage], Mapping[str, LabelImage]]]) -> float | None:
    """Mean over images of the mean PQ over classes (mPQ).

    A class that occurs in neither label image of an image is left out there.

    Parameters
    ----------
    images : sequence of (predicted, reference)
        Label images by class name; a class that is missing on one side has no nucleus there.
    """
    means = []
    for predicted, reference in images:
        values = []
        for name in predicted.keys() | reference.keys():
            given = predicted.get(name), reference.get(name)
            shape = next(image.shape for image in given if image is not None)
            a, b = (np.zeros(shape, np.int64) if image is None else image for image in given)
            score = panoptic(a, b)
            if not score.empty:
                values.append(score.pq)
        if values:
            means.append(float(np.mean(values)))
    return float(np.mean(means)) if means else None
