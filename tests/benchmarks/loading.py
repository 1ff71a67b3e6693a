"""How long it takes until the models are ready, from a program that has just started."""

from __future__ import annotations

import os
import time
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.isolation import in_fresh_process

if TYPE_CHECKING:
    from tests.benchmarks.isolation import Models


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Load in new processes, first without and then with the networks converted by an earlier one."""
    samples: dict[str, list[float]] = {"load_first_s": [], "load_s": []}
    for _ in range(repeat):
        with TemporaryDirectory() as cache:
            samples["load_first_s"].append(in_fresh_process(_load, models, cache))
            samples["load_s"].append(in_fresh_process(_load, models, cache))
    return samples


def _load(models: Models, cache: str) -> float:
    """Seconds from nothing, torch's own import included, to networks that are ready for a tile."""
    os.environ["XDG_CACHE_HOME"] = cache
    began = time.perf_counter()
    from nucloop.detection.pipeline import Pipeline
    from nucloop.detection.spec import PipelineSpec

    Pipeline.open(PipelineSpec(models.detector, models.encoder, models.head, "cpu"))
    return time.perf_counter() - began
