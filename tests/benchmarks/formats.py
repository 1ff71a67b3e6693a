"""A million nuclei to files and back: time and memory of the formats that must be quick."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.isolation import in_fresh_process

if TYPE_CHECKING:
    from tests.benchmarks.isolation import Models

    from nucloop.nuclei import Nuclei

NUCLEI = 1_000_000
FORMATS = {"geojson": "geojson", "parquet": "parquet", "sqlite": "tiatoolbox"}


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Write and read each format in a process of its own, so that its peak memory is its own."""
    samples: dict[str, list[float]] = {}
    peaks = []
    for _ in range(repeat):
        for name, kind in FORMATS.items():
            written, read, peak = in_fresh_process(_there_and_back, kind)
            samples.setdefault(f"{name}_write_1e6_s", []).append(written)
            samples.setdefault(f"{name}_read_1e6_s", []).append(read)
            peaks.append(peak)
    return samples | {"formats_peak_mb": peaks}


def _there_and_back(kind: str) -> tuple[float, float, float]:
    """Seconds to write and to read, and peak memory in MB."""
    from nucloop.evaluation.dataset import peak_memory_mb
    from nucloop.formats import FORMATS, read_nuclei, write_nuclei

    nuclei = _many_nuclei()
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"nuclei{FORMATS[kind].suffixes[0]}"
        began = time.perf_counter()
        write_nuclei(path, nuclei)
        between = time.perf_counter()
        found = read_nuclei(path, nuclei.scheme)
        ended = time.perf_counter()
    if (found.ids != nuclei.ids).any():
        raise RuntimeError(f"{kind} did not give back what was written")
    return between - began, ended - between, peak_memory_mb()


def _many_nuclei() -> Nuclei:
    import numpy as np

    from nucloop.classes import builtin_schemes
    from nucloop.nuclei import Nuclei

    rng = np.random.default_rng(0)
    probability = rng.dirichlet([1, 1, 1], NUCLEI).astype(np.float32)
    return Nuclei.from_points(
        builtin_schemes()["brca-m2c"],
        rng.uniform(0, 100_000, (NUCLEI, 2)),
        label=probability.argmax(1),
        score=rng.random(NUCLEI),
        probability=probability,
        ids=np.arange(1, NUCLEI + 1),
    )
