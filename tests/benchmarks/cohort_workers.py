"""Two workers over 24 slides beside one process with all cores: wall and processor time, and a slide's own cost.

Run by itself on a quiet machine: ``python -m tests.benchmarks.cohort_workers --mm2 1 --rounds 3``. The two take turns,
as a machine's speed drifts. Times are those of the command, the start of the program and its report among them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tifffile
from skimage.data import immunohistochemistry

MPP = 0.5
_STEP = (16, 16)
"""Pixels by which each slide's picture is moved on, so that no two are the same."""


@dataclass(frozen=True)
class WorkerFigures:
    """Medians of all rounds; seconds."""

    slides: int
    mm2: float
    """Of each slide."""
    rounds: int
    one_process_s: float
    two_workers_s: float
    ratio: float
    """Wall time of two workers by that of one process; 1.1 is the bar."""
    one_process_cpu_s: float
    two_workers_cpu_s: float
    cpu_ratio: float
    """Likewise of the processors' time: on cores that do nothing else both are the same."""
    by_itself_s: float
    """Wall time of a slide of 32 x 32 pixels in one process: its own cost without its nuclei; 0.3 is the bar."""


def write_slides(folder: Path, number: int, side: int) -> None:
    """Write slides of immunohistochemistry, repeated up to a side, pixels."""
    folder.mkdir()
    field = immunohistochemistry()
    times = -(-side // field.shape[0])
    for k in range(number):
        pixels = np.roll(np.tile(field, (times, times, 1)), (_STEP[0] * k, _STEP[1] * k), (0, 1))[:side, :side]
        options = {"resolution": (1e4 / MPP, 1e4 / MPP), "resolutionunit": "CENTIMETER", "tile": (256, 256)}
        tifffile.imwrite(folder / f"s{k:02}.tif", pixels, photometric="rgb", compression="jpeg", **options)


def worked(study: Path, workers: int) -> tuple[float, float]:
    """Do a cohort anew; return wall and processor time of the command and all that it starts."""
    shutil.rmtree(study / "results", ignore_errors=True)
    command = [sys.executable, "-m", "nucloop", "cohort", "run", str(study), "--workers", str(workers), "--device=cpu"]
    # as many threads as a person has; the tests' own setting would leave a core idle
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    before, begun = _cpu(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - begun, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(number: int, mm2: float, rounds: int, folder: Path) -> WorkerFigures:
    """Measure both in turn."""
    from nucloop import cohort

    studies = {}
    for name, side in (("usual", round((mm2 * 1e6) ** 0.5 / MPP)), ("tiny", 32)):
        write_slides(folder / name, number, side)
        studies[name] = folder / f"{name}-study"
        list(cohort.init(folder / name, studies[name], cohort.CohortSettings()))
    # the networks' conversion for this machine is made once and kept
    worked(studies["tiny"], 0)
    one, two = [], []
    for _ in range(rounds):
        one.append(worked(studies["usual"], 0))
        two.append(worked(studies["usual"], 2))
        print(f"one process {one[-1]}, two workers {two[-1]}", file=sys.stderr)
    (wall_one, cpu_one), (wall_two, cpu_two) = (
        map(statistics.median, zip(*times, strict=True)) for times in (one, two)
    )
    shutil.rmtree(studies["tiny"] / "results")
    own = [step.seconds for step in cohort.run(studies["tiny"], device="cpu")]
    return WorkerFigures(
        slides=number,
        mm2=mm2,
        rounds=rounds,
        one_process_s=round(wall_one, 1),
        two_workers_s=round(wall_two, 1),
        ratio=round(wall_two / wall_one, 3),
        one_process_cpu_s=round(cpu_one, 1),
        two_workers_cpu_s=round(cpu_two, 1),
        cpu_ratio=round(cpu_two / cpu_one, 3),
        # without the first, which loads the networks
        by_itself_s=round(statistics.median(own[1:]), 3),
    )


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, default=24)
    parser.add_argument("--mm2", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.slides, options.mm2, options.rounds, Path(folder))
        print(json.dumps(asdict(figures), indent=1))


if __name__ == "__main__":
    main()
