"""Measure a pipeline on annotated fields: F1 per class and of detection, time per mm2, peak memory."""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from nucloop.evaluation.outlines import OutlineScores
from nucloop.metrics.marks import Marks
from nucloop.metrics.naming import common_classes
from nucloop.metrics.scoring import FieldScore, pooled, rule_title, score_field
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array
from nucloop.training.datasets import Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nucloop.detection.pipeline import Pipeline
    from nucloop.metrics.points import Counts
    from nucloop.training.datasets import Field

__all__ = ["Evaluation", "evaluate", "peak_memory_mb"]


@dataclass
class Evaluation:
    """Scores of the images seen so far; the counts are pooled over them.

    Parameters
    ----------
    dataset : Dataset
        What is measured on; its scheme names the classes.
    radius_um : float
        A prediction may lie this far from its reference, µm.
    rule : str
        A key of `nucloop.metrics.rules.RULES`.
    fields : dict of FieldScore
        By image.
    """

    dataset: Dataset
    radius_um: float = 3.0
    rule: str = "boolean"
    fields: dict[str, FieldScore] = field(default_factory=dict)
    outlines: OutlineScores = field(default_factory=OutlineScores)
    """Of images with masks, where the nuclei have outlines."""
    seconds: float = 0.0
    area_mm2: float = 0.0

    def add(self, image: Field, nuclei: Nuclei, seconds: float) -> None:
        """Compare one image's nuclei with its reference points, in the classes that both schemes have.

        Outlines are compared with the image's mask where it has one.
        """
        classes = common_classes(nuclei.scheme, self.dataset.scheme)
        reference = Nuclei.from_points(self.dataset.scheme, image.yx, label=image.label)
        found, truth = Marks.of(nuclei, image.mpp, classes), Marks.of(reference, image.mpp, classes)
        names = tuple(one.name for one in classes)
        self.fields[image.name] = score_field(found, truth, names, self.radius_um, self.rule)
        mask = None if nuclei.outlines is None else image.instances()
        if mask is not None:
            self.outlines.add(image.name, nuclei, mask, (found, truth), names)
        height, width = image.pixels.shape[:2]
        self.area_mm2 += height * width * image.mpp**2 * 1e-6
        self.seconds += seconds

    @property
    def total(self) -> FieldScore:
        """The counts of all images."""
        return pooled(list(self.fields.values())) if self.fields else FieldScore.nothing(())

    @property
    def detection(self) -> Counts:
        """Classes aside."""
        return self.total.detection

    @property
    def classes(self) -> dict[str, Counts]:
        """Each class that model and data have in common."""
        total = self.total
        return dict(zip(total.names, total.classes, strict=True))

    @property
    def images(self) -> dict[str, Counts]:
        """Detection in each image."""
        return {name: score.detection for name, score in self.fields.items()}

    @property
    def mean_f1(self) -> float | None:
        """Mean of the classes' F1; None when no class is common to model and data."""
        return self.total.mean_f1

    def report(self, pipeline: Pipeline) -> dict[str, Any]:
        """Plain types, as ``nucloop evaluate --json`` writes them."""
        outlines = {"outlines": self.outlines.report()} if self.outlines.images else {}
        return {
            "dataset": self.dataset.name,
            "n_images": len(self.images),
            "rule": rule_title(self.rule),
            "radius_um": self.radius_um,
            **self.total.to_dict(),
            **outlines,
            "precision_is_meaningful": self.dataset.exhaustive,
            "seconds_per_mm2": self.seconds / max(self.area_mm2, 1e-9),
            "peak_memory_mb": peak_memory_mb(),
            "device": pipeline.device,
            "weights": pipeline.weights,
            "versions": {name: version(name) for name in ("napari-nucloop", "torch", "numpy", "onnxruntime")},
            "platform": platform.platform(),
            "images": {name: counts.to_dict() for name, counts in self.images.items()},
        }


def evaluate(
    pipeline: Pipeline, dataset: Dataset, fields: Sequence[Field], radius_um: float = 3.0, rule: str = "boolean"
) -> Iterator[Evaluation]:
    """Run a pipeline over fields; yield the evaluation after each image."""
    evaluation = Evaluation(dataset, radius_um, rule)
    for image in fields:
        slide = slide_from_array(image.pixels, mpp=image.mpp, name=image.name)
        start = time.perf_counter()
        nuclei = Nuclei.concatenate([tile.nuclei for tile in pipeline.run(slide)], pipeline.scheme)
        evaluation.add(image, nuclei, time.perf_counter() - start)
        yield evaluation


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
