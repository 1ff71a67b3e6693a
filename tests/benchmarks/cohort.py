"""A cohort of very many tiny slides: what scheduler and client need, and how long status and report take.

Run by itself, as it takes its time: ``python -m tests.benchmarks.cohort --slides 10000``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

SIDE = 32
"""Pixels of half a µm: a real file with real pixels, and as good as no work."""


@dataclass(frozen=True)
class CohortFigures:
    """What was measured; seconds and MB."""

    slides: int
    workers: int
    init_s: float
    run_s: float
    client_and_scheduler_mb: float
    """Resident at most, while it ran: both are one process with a local cluster. All of it, files of libraries that
    other processes share among it."""
    private_mb: float
    """Of that, its own."""
    status_s: float
    """From the command to its answer, the start of the program among it; the median of five."""
    report_s: float
    """Likewise, once."""


def write_slides(folder: Path, number: int) -> None:
    """Write tiny slides, each with other pixels."""
    import tifffile

    options = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    for k in range(number):
        pixels = np.random.default_rng(k).integers(120, 200, (SIDE, SIDE, 3), dtype=np.uint8)
        tifffile.imwrite(folder / f"s{k:05}.tif", pixels, photometric="rgb", **options)


def commanded(*arguments: object) -> tuple[float, str]:
    """Give a command as a person does; return how long it took and what it said."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "nucloop", "cohort", *map(str, arguments)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - begun, said


def measure(number: int, workers: int, folder: Path) -> CohortFigures:
    """Make, run, ask and report a cohort."""
    from nucloop.cohort import client_of, run

    study, process = folder / "study", psutil.Process()
    made, _ = commanded("init", folder / "slides", study)
    peak = private = 0
    begun = time.perf_counter()
    with client_of(workers=workers) as client:
        for step in run(study, client):
            if step.sentence:
                raise RuntimeError(f"{step.slide}: {step.sentence}")
            if step.done % 50 == 0:
                memory = process.memory_full_info()
                peak, private = max(peak, memory.rss), max(private, memory.uss)
    ran = time.perf_counter() - begun
    asked = [commanded("status", study) for _ in range(5)]
    if f"{number:,} done" not in asked[0][1]:
        raise RuntimeError(f"not all are done: {asked[0][1]}")
    told, _ = commanded("report", study)
    return CohortFigures(
        slides=number,
        workers=workers,
        init_s=round(made, 1),
        run_s=round(ran, 1),
        client_and_scheduler_mb=round(peak / 1e6),
        private_mb=round(private / 1e6),
        status_s=round(sorted(seconds for seconds, _ in asked)[2], 2),
        report_s=round(told, 1),
    )


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "slides").mkdir()
        # in a process of its own: what it loads is not the client's
        writer = multiprocessing.get_context("spawn").Process(
            target=write_slides, args=(folder / "slides", options.slides)
        )
        writer.start()
        writer.join()
        print(json.dumps(asdict(measure(options.slides, options.workers, folder)), indent=1))


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main()
