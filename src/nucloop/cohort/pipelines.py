"""The networks of a worker: loaded once, on its own device, used by one slide at a time."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nucloop.detection.pipeline import Pipeline
from nucloop.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nucloop.detection.spec import PipelineSpec

__all__ = ["device_of_worker", "pipeline_for"]

_turn = threading.Lock()
_loaded: dict[PipelineSpec, Pipeline] = {}


@contextmanager
def pipeline_for(spec: PipelineSpec, hashes: dict[str, str]) -> Iterator[Pipeline]:
    """Give this process's pipeline; another thread of it waits until the block ends.

    Raises
    ------
    WeightsError
        If the networks here are others than those of the cohort.
    """
    with _turn:
        if spec not in _loaded:
            _loaded.clear()
            _loaded[spec] = Pipeline.open(spec)
        pipeline = _loaded[spec]
        # of the kinds that have a file with a card: a name stands for itself
        other = {
            kind for kind, one in pipeline.weights.items() if len(hashes[kind]) == 64 and hashes[kind] != one["sha256"]
        }
        if other:
            _loaded.clear()
            raise WeightsError(
                f"The {min(other)} on this machine is not the one that the run began with. Keep networks where every "
                "machine reads the same file, and start again."
            )
        yield pipeline


def device_of_worker(device: str) -> str:
    """Return the device of this worker: several GPUs of a machine are shared out among its workers by number."""
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available() and torch.cuda.device_count() > 1:
        try:
            from distributed import get_worker

            return f"cuda:{int(get_worker().name) % torch.cuda.device_count()}"
        except (ImportError, ValueError, TypeError):
            return device
    return device
