"""The whole default pipeline on a slide full of tissue, without a window, and where its time goes."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.slides import FIELD_MPP, write_tissue
from tests.benchmarks.stage_clock import clocked_stages

from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import PipelineSpec
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from tests.benchmarks.isolation import Models

SIDE = 6144


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Time whole runs on 9.4 mm² of tissue, from opening the file to the last nucleus; the networks are loaded."""
    pipeline = Pipeline.open(PipelineSpec(models.detector, models.encoder, models.head, "cpu"))
    with TemporaryDirectory() as folder:
        path = write_tissue(Path(folder) / "tissue.ome.tif", SIDE)
        return timed_runs(pipeline, path, repeat, (SIDE * FIELD_MPP / 1000) ** 2)


def timed_runs(pipeline: Pipeline, path: Path, repeat: int, area: float) -> dict[str, list[float]]:
    """Run over a slide of `area` mm², each stage clocked.

    Raises
    ------
    RuntimeError
        If a stage took no time, so that the clock was not where its work is done.
    """
    samples: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeat):
        began = time.perf_counter()
        with clocked_stages() as stages, open_slide(path) as slide:
            found = sum(len(tile.nuclei) for tile in pipeline.run(slide))
        samples["seconds_per_mm2"].append((time.perf_counter() - began) / area)
        samples["nuclei_per_mm2"].append(found / area)
        for stage, seconds in stages.items():
            if not seconds:
                raise RuntimeError(f"the stage {stage} was not seen at work")
            samples[f"stage_{stage}_s_per_mm2"].append(seconds / area)
    return samples
