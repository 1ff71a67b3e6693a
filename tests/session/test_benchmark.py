from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks import session as benchmark
from tests.benchmarks.isolation import Models
from tests.benchmarks.subjects import SUBJECTS

if TYPE_CHECKING:
    import pytest


def test_the_benchmark_of_the_session_gives_every_quantity_it_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "SIZES", {"1e5": 200, "1e6": 300})
    monkeypatch.setattr(benchmark, "SINGLE_EDITS", 3)

    samples = benchmark.measure(Models(), 2)

    assert set(samples) == set(SUBJECTS["session"])
    assert all(len(values) >= 2 and min(values) > 0 for values in samples.values())
