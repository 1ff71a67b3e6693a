"""How well outlines fit masks, image by image: DICE, AJI, DQ, SQ, PQ, and PQ by class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.metrics.label_images import label_image, of_classes
from nucloop.metrics.segmentation import Segmentation, mean_pq, score_segmentation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.metrics.marks import Marks
    from nucloop.nuclei import Nuclei

__all__ = ["OutlineScores", "best_first"]


@dataclass
class OutlineScores:
    """Figures of the images seen so far; each image counts as much as another.

    Parameters
    ----------
    images : dict of Segmentation
        By image.
    mpq : dict of float or None
        Mean PQ over classes of each image; None where no counted class occurs.
    """

    images: dict[str, Segmentation] = field(default_factory=dict)
    mpq: dict[str, float | None] = field(default_factory=dict)

    def add(
        self, name: str, nuclei: Nuclei, truth: NDArray[np.int32], marks: tuple[Marks, Marks], names: tuple[str, ...]
    ) -> None:
        """Compare the outlines of nuclei with a mask.

        Parameters
        ----------
        nuclei : Nuclei
            With outlines, in pixels of the mask; where two overlap, the better score has the pixel.
        truth : (H, W) array
            k + 1 where reference nucleus k is, 0 on the ground, -1 where nobody knows: that does not count.
        marks : Marks, Marks
            Found nuclei and reference, with labels that are positions in `names`.
        names : tuple of str
            The classes that are counted.
        """
        if nuclei.outlines is None:
            raise ValueError("nuclei without outlines cannot be compared with a mask")
        known = truth >= 0
        found = np.where(known, label_image(nuclei.outlines, known.shape, best_first(nuclei.score)), 0)
        truth = np.where(known, truth, 0)
        self.images[name] = score_segmentation(found, truth)
        sides = (of_classes(one, mark.label, names) for one, mark in zip((found, truth), marks, strict=True))
        self.mpq[name] = mean_pq([tuple(sides)]) if names else None  # type: ignore[list-item]

    def report(self) -> dict[str, Any]:
        """Plain types: means over the images; of PQ, those over images with nuclei, which is bPQ."""
        scores = [score.to_dict() for score in self.images.values()]
        known = [score.panoptic.pq for score in self.images.values() if not score.panoptic.empty]
        by_class = [value for value in self.mpq.values() if value is not None]
        return {
            "n_images": len(scores),
            **{key: float(np.mean([score[key] for score in scores])) for key in scores[0]},
            "bpq": float(np.mean(known)) if known else None,
            "mpq": float(np.mean(by_class)) if by_class else None,
            "images": {name: score.to_dict() for name, score in self.images.items()},
        }


def best_first(score: NDArray[np.float32]) -> NDArray[np.intp]:
    """Rows by falling score; those without one last."""
    order: NDArray[np.intp] = np.argsort(-np.nan_to_num(score, nan=-1.0), kind="stable")
    return order
