"""Measure a pipeline on annotated fields: F1 per class and of detection, time per mm2, peak memory."""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.metrics.points import Counts, count_matches
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array
from nucloop.training.datasets import Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nucloop.inference import Pipeline
    from nucloop.training.datasets import Field

__all__ = ["Evaluation", "evaluate", "peak_memory_mb"]


@dataclass
class Evaluation:
    """Counts pooled over the images seen so far, by the Boolean one-to-one rule.

    Parameters
    ----------
    dataset : Dataset
        What is measured on; its scheme names the classes.
    radius_um : float
        A prediction may lie this far from its reference, µm.
    """

    dataset: Dataset
    radius_um: float = 3.0
    detection: Counts = field(default_factory=Counts)
    classes: dict[str, Counts] = field(default_factory=dict)
    images: dict[str, Counts] = field(default_factory=dict)
    seconds: float = 0.0
    area_mm2: float = 0.0

    def add(self, image: Field, nuclei: Nuclei, seconds: float) -> None:
        """Compare one image's nuclei with its reference points; class names join the two schemes."""
        found, truth = nuclei.yx * image.mpp, image.yx * image.mpp
        counts = count_matches(found, truth, self.radius_um)
        self.images[image.name] = counts
        self.detection = self.detection + counts
        for label, name in enumerate(self.dataset.scheme.names):
            if name not in nuclei.scheme.names:
                continue
            mine = nuclei.label == nuclei.scheme.names.index(name)
            counts = count_matches(found[mine], truth[image.label == label], self.radius_um)
            self.classes[name] = self.classes.get(name, Counts()) + counts
        height, width = image.pixels.shape[:2]
        self.area_mm2 += height * width * image.mpp**2 * 1e-6
        self.seconds += seconds

    @property
    def mean_f1(self) -> float | None:
        """Mean of the classes' F1; None when no class is common to model and data."""
        return float(np.mean([c.f1 for c in self.classes.values()])) if self.classes else None

    def report(self, pipeline: Pipeline) -> dict[str, Any]:
        """Plain types, as ``nucloop evaluate --json`` writes them."""
        return {
            "dataset": self.dataset.name,
            "n_images": len(self.images),
            "rule": "boolean one-to-one, pooled over images",
            "radius_um": self.radius_um,
            "detection": _plain(self.detection),
            "mean_f1": self.mean_f1,
            "classes": {name: _plain(counts) for name, counts in self.classes.items()},
            "precision_is_meaningful": self.dataset.exhaustive,
            "seconds_per_mm2": self.seconds / max(self.area_mm2, 1e-9),
            "peak_memory_mb": peak_memory_mb(),
            "device": pipeline.device,
            "weights": pipeline.weights,
            "versions": {name: version(name) for name in ("napari-nucloop", "torch", "numpy", "onnxruntime")},
            "platform": platform.platform(),
            "images": {name: _plain(counts) for name, counts in self.images.items()},
        }


def _plain(counts: Counts) -> dict[str, float | int]:
    return {
        "f1": counts.f1,
        "precision": counts.precision,
        "recall": counts.recall,
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
    }


def evaluate(
    pipeline: Pipeline, dataset: Dataset, fields: Sequence[Field], radius_um: float = 3.0
) -> Iterator[Evaluation]:
    """Run a pipeline over fields; yield the evaluation after each image."""
    evaluation = Evaluation(dataset, radius_um)
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
