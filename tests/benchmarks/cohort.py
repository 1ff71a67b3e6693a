"""A cohort of very many tiny slides: what scheduler and client need, and how long status and report take.

Run by itself, as it takes its time: ``python -m tests.benchmarks.cohort --slides 10000``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import tifffile

from nucloop import cohort
from nucloop.cohort import running

SIDE = 32
"""Pixels of half a µm: a real file with real pixels, and as good as no work."""


@dataclass(frozen=True)
class CohortFigures:
    """What was measured; seconds and MB."""

    slides: int
    workers: int
    init_s: float
    run_s: float
    before_mb: float
    """Of this process with its libraries, before it began."""
    client_and_scheduler_mb: float
    """At most, while it ran: both are one process with a local cluster. Memory of its own, without the files of
    libraries that all processes share."""
    status_s: float
    report_s: float
    report_mb: float


def write_slides(folder: Path, number: int) -> None:
    """Write tiny slides, each with other pixels."""
    options = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    for k in range(number):
        pixels = np.random.default_rng(k).integers(120, 200, (SIDE, SIDE, 3), dtype=np.uint8)
        tifffile.imwrite(folder / f"s{k:05}.tif", pixels, photometric="rgb", **options)


def measure(number: int, workers: int, folder: Path) -> CohortFigures:
    """Make, run, ask and report a cohort."""
    (folder / "slides").mkdir()
    write_slides(folder / "slides", number)
    study, process = folder / "study", psutil.Process()
    begun = time.perf_counter()
    for _ in cohort.init(folder / "slides", study, cohort.CohortSettings()):
        pass
    made = time.perf_counter()
    peak, before = 0, process.memory_full_info().uss
    with cohort.client_of(workers=workers) as client:
        for step in running.run(study, client):
            if step.sentence:
                raise RuntimeError(f"{step.slide}: {step.sentence}")
            if step.done % 50 == 0:
                peak = max(peak, process.memory_full_info().uss)
    ran = time.perf_counter()
    counts = cohort.counts_of(cohort.states_of(cohort.open_project(study)))
    asked = time.perf_counter()
    if counts != {"done": number}:
        raise RuntimeError(f"not all are done: {counts}")
    cohort.write_report(cohort.open_project(study))
    told = time.perf_counter()
    return CohortFigures(
        slides=number,
        workers=workers,
        init_s=round(made - begun, 1),
        run_s=round(ran - made, 1),
        before_mb=round(before / 1e6),
        client_and_scheduler_mb=round(peak / 1e6),
        status_s=round(asked - ran, 2),
        report_s=round(told - asked, 1),
        report_mb=round(process.memory_full_info().uss / 1e6),
    )


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asdict(measure(options.slides, options.workers, Path(folder))), indent=1))


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main()
