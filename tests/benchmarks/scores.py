"""How long F1 takes over whole slides, and after one edit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.benchmarks.isolation import Models

    from nucloop.nuclei import Nuclei

SIZES = {"1e5": 100_000, "1e6": 1_000_000}
NUCLEI_PER_MM2 = 5000
MPP = 0.5
EDITS = 200
"""Edits of each kind for one value, which is their median."""


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Score random nuclei, most of them near their reference, and then edit them one by one; no model takes part."""
    del models
    samples: dict[str, list[float]] = {}
    for name, count in SIZES.items():
        found, truth = _nuclei(count)
        for _ in range(repeat):
            samples.setdefault(f"f1_full_{name}_s", []).append(_full(found, truth))
        samples[f"f1_edit_{name}_ms"] = [1000 * seconds for seconds in _edits(found, truth, repeat)]
    return samples


def _nuclei(count: int) -> tuple[Nuclei, Nuclei]:
    from nucloop.classes import ClassScheme
    from nucloop.nuclei import Nuclei

    rng = np.random.default_rng(0)
    side = 1000 * np.sqrt(count / NUCLEI_PER_MM2)
    truth = rng.uniform(0, side, (count, 2))
    found = truth + rng.normal(0, 1.5, truth.shape)
    lost = rng.random(count) < 0.1
    found[lost] = rng.uniform(0, side, (int(lost.sum()), 2))
    scheme = ClassScheme.named("brca-m2c")
    label = rng.integers(0, len(scheme), count)
    other = np.where(rng.random(count) < 0.2, rng.integers(0, len(scheme), count), label)
    ids = np.arange(1, count + 1)
    order = rng.permutation(count)
    return (
        Nuclei.from_points(scheme, found[order] / MPP, label=other[order], ids=ids),
        Nuclei.from_points(scheme, truth / MPP, label=label, ids=ids),
    )


def _full(found: Nuclei, truth: Nuclei) -> float:
    from nucloop.metrics.marks import Marks
    from nucloop.metrics.scoring import score_field

    began = time.perf_counter()
    names = truth.scheme.names
    score_field(Marks.of(found, MPP, names), Marks.of(truth, MPP, names), names, 3.0)
    return time.perf_counter() - began


def _edits(found: Nuclei, truth: Nuclei, repeat: int) -> list[float]:
    from nucloop.metrics.incremental import IncrementalScore

    score = IncrementalScore(found, truth, mpp=MPP)
    rng = np.random.default_rng(1)
    medians = []
    for _ in range(repeat):
        seconds = []
        for row in rng.integers(0, len(found), EDITS).tolist():
            one = found.take([row])
            for edit in (
                lambda one=one: score.relabel(one.ids, rng.integers(0, 3)),
                lambda one=one: score.move(one.ids, one.yx + 2),
                lambda one=one: score.delete(one.ids),
                lambda one=one: score.add(one),
            ):
                began = time.perf_counter()
                edit()
                _ = score.score.detection.f1
                seconds.append(time.perf_counter() - began)
        medians.append(float(np.median(seconds)))
    return medians
