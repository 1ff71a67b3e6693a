"""Several detectors on the same images: figures, curves, costs, and by how much they differ.

Each runs once, in a process of its own, so that its memory is its own, and from a low score on; what it finds at its
threshold follows from that, since suppression lets a point go only for a better one.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.detection.pipeline import Pipeline
from nucloop.errors import NucLoopError
from nucloop.evaluation.cost import gflop_per_mm2, parameters
from nucloop.evaluation.dataset import Evaluation, peak_memory_mb
from nucloop.metrics.curve import Curve, f1_curve
from nucloop.metrics.intervals import paired_intervals
from nucloop.metrics.marks import Marks
from nucloop.metrics.naming import common_classes
from nucloop.metrics.report import details_of
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.detection.spec import PipelineSpec
    from nucloop.training.datasets import Dataset, Field

__all__ = ["DetectorRun", "differences", "measure", "run_apart"]

LOWEST = 0.05
"""Score from which a curve is drawn."""
THRESHOLDS = np.round(np.arange(LOWEST, 0.995, 0.01), 2)


@dataclass(frozen=True)
class Found:
    """What a pipeline found in each image, from a low score on, and what that took."""

    nuclei: list[Nuclei]
    threshold: float
    """The detector's own."""
    seconds: float
    device: str
    weights: dict[str, dict[str, str]]
    parameters: int
    gflop_per_mm2: float
    peak_memory_mb: float
    """Of a process that did nothing else, with the libraries in it."""


@dataclass(frozen=True)
class DetectorRun:
    """One pipeline, measured.

    Parameters
    ----------
    name : str
        As a person named it.
    evaluation : Evaluation
        At the detector's threshold.
    curves : dict of Curve
        ``detection`` and each class.
    found : Found
    """

    name: str
    evaluation: Evaluation
    curves: dict[str, Curve]
    found: Found

    @property
    def seconds_per_mm2(self) -> float:
        """Time for a mm² from the picture to the nuclei; loading the networks is left out."""
        return self.found.seconds / max(self.evaluation.area_mm2, 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, with the keys of ``nucloop evaluate --json`` and more."""
        found, total = self.found, self.evaluation.total
        scores = self.evaluation.fields
        return {
            "name": self.name,
            "weights": found.weights,
            "device": found.device,
            "threshold": found.threshold,
            **total.to_dict(),
            **details_of(scores, total.names, self.evaluation.rule),
            "parameters": found.parameters,
            "gflop_per_mm2": found.gflop_per_mm2,
            "seconds_per_mm2": self.seconds_per_mm2,
            "peak_memory_mb": found.peak_memory_mb,
            "curves": {name: _plain(curve) for name, curve in self.curves.items()},
        }


def _plain(curve: Curve) -> dict[str, Any]:
    precision = [None if math.isnan(p) else p for p in curve.precision.tolist()]
    best_threshold, best = curve.best
    columns = {"threshold": curve.threshold.tolist(), "precision": precision, "recall": curve.recall.tolist()}
    return {**columns, "best_f1_on_these_images": best, "at_threshold": best_threshold}


def run_apart(spec: PipelineSpec, fields: Sequence[Field]) -> Found:
    """Run a pipeline over images in a process of its own.

    Raises
    ------
    NucLoopError
        As `Pipeline.open` and `Pipeline.run` raise them.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        try:
            return other.submit(_run, spec, list(fields)).result()
        except BrokenProcessPool as error:
            raise NucLoopError(
                f"The process that ran {spec.detector} ended before it was done, as it does when memory is short. "
                "Close other programs and start again."
            ) from error


def _run(spec: PipelineSpec, fields: list[Field]) -> Found:
    own = Pipeline.open(spec).threshold
    low = replace(spec, config=replace(spec.config, threshold=min(own, LOWEST)))
    pipeline = Pipeline.open(low)
    found, seconds = [], 0.0
    for image in fields:
        slide = slide_from_array(image.pixels, mpp=image.mpp, name=image.name)
        start = time.perf_counter()
        found.append(Nuclei.concatenate([tile.nuclei for tile in pipeline.run(slide)], pipeline.scheme))
        seconds += time.perf_counter() - start
    memory = peak_memory_mb()
    cost = parameters(pipeline), gflop_per_mm2(pipeline)
    return Found(found, own, seconds, pipeline.device, pipeline.weights, *cost, memory)


def measure(
    name: str, found: Found, dataset: Dataset, fields: Sequence[Field], radius_um: float = 3.0, rule: str = "boolean"
) -> DetectorRun:
    """Compare what was found with the reference, at the detector's threshold and at all others."""
    evaluation = Evaluation(dataset, radius_um, rule)
    pairs = []
    for image, nuclei in zip(fields, found.nuclei, strict=True):
        evaluation.add(image, nuclei.take(nuclei.score >= found.threshold), 0.0)
        classes = common_classes(nuclei.scheme, dataset.scheme)
        reference = Nuclei.from_points(dataset.scheme, image.yx, label=image.label)
        pairs.append((Marks.of(nuclei, image.mpp, classes), Marks.of(reference, image.mpp, classes)))
    curves = {"detection": f1_curve(pairs, radius_um, THRESHOLDS, rule)}
    for k, one in enumerate(evaluation.total.names):
        of_class = [(a.take(a.label == k), b.take(b.label == k)) for a, b in pairs]
        curves[one] = f1_curve(of_class, radius_um, THRESHOLDS, rule)
    return DetectorRun(name, evaluation, curves, found)


def differences(runs: Sequence[DetectorRun]) -> list[dict[str, Any]]:
    """How much better or worse each is than the first on the same images, with paired 95% intervals.

    Classes count where both name them.
    """
    first = runs[0]
    rows = []
    for other in runs[1:]:
        same = first.evaluation.total.names == other.evaluation.total.names
        ours, theirs = (list(run.evaluation.fields.values()) for run in (first, other))
        if not same:
            ours, theirs = ([replace(one, names=(), classes=()) for one in side] for side in (ours, theirs))
        one, two = first.evaluation.total, other.evaluation.total
        mean = two.mean_f1 - one.mean_f1 if same and one.mean_f1 is not None and two.mean_f1 is not None else None
        gains = {"detection": two.detection.f1 - one.detection.f1, "mean": mean}
        rows.append({"name": other.name, "against": first.name, **gains, "interval_95": paired_intervals(ours, theirs)})
    return rows
