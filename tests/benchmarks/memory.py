"""The memory that a run over a whole, large slide takes at its peak."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.isolation import in_fresh_process

if TYPE_CHECKING:
    from tests.benchmarks.isolation import Models

SIDE = 50_000


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Run over the whole slide, once however often is asked: memory hardly varies, and glass takes its time.

    This process stays small and imports nothing: Linux counts the peak of a parent among its child's.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "slide.ome.zarr"
        in_fresh_process(_write, path)
        peak, seconds = in_fresh_process(_run, models, path)
    return {"slide_peak_mb": [peak], "slide_s": [seconds]}


def _write(path: Path) -> None:
    from tests.benchmarks.slides import write_sparse_slide

    write_sparse_slide(path, SIDE)


def _run(models: Models, path: Path) -> tuple[float, float]:
    """Peak memory, MB, and time, s, of finding all nuclei and keeping them."""
    from nucloop.detection.pipeline import Pipeline
    from nucloop.detection.spec import PipelineSpec
    from nucloop.evaluation.dataset import peak_memory_mb
    from nucloop.nuclei import Nuclei
    from nucloop.slides import open_slide

    pipeline = Pipeline.open(PipelineSpec(models.detector, models.encoder, models.head, "cpu"))
    began = time.perf_counter()
    with open_slide(path) as slide:
        nuclei = Nuclei.concatenate([tile.nuclei for tile in pipeline.run(slide)], pipeline.scheme)
    if not len(nuclei):
        raise RuntimeError("no nuclei were found, so this says nothing about the memory that finding them takes")
    return peak_memory_mb(), time.perf_counter() - began
