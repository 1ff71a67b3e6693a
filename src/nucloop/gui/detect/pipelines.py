"""Which models run on which device, and the pipeline that is loaded already.

Torch takes seconds to import, so nothing here imports it before a job's thread does.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nucloop.learning.preparing import prepare_torch

if TYPE_CHECKING:
    from nucloop.detection.pipeline import Pipeline
    from nucloop.detection.spec import PipelineSpec

__all__ = ["DEVICES", "Offer", "find_offer", "load_pipeline", "loaded_pipeline"]

DEVICES = {"auto": "Automatic", "cuda": "GPU (CUDA)", "mps": "GPU (Apple)", "cpu": "CPU"}
"""Names a person reads, by the names the core knows."""


@dataclass(frozen=True)
class Offer:
    """What there is to choose from on this machine."""

    devices: list[str]
    """By the core's names, automatic first."""
    models: dict[str, list[str]] = field(default_factory=dict)
    """Names of the shipped detectors, encoders and heads, by kind."""


_loaded: dict[PipelineSpec, Pipeline] = {}
_lock = threading.Lock()


def load_pipeline(spec: PipelineSpec) -> Pipeline:
    """Return the pipeline of a specification, loaded at most once; takes seconds, so call it in a job.

    Raises
    ------
    NucLoopError
        If weights are missing or damaged, or the device is not there.
    """
    with _lock:
        if spec not in _loaded:
            prepare_torch()
            from nucloop.detection.pipeline import Pipeline

            pipeline = Pipeline.open(spec)
            # one set of networks at a time, for memory; the old one goes only once the new one is there
            _loaded.clear()
            _loaded[spec] = pipeline
        return _loaded[spec]


def loaded_pipeline(spec: PipelineSpec) -> Pipeline | None:
    """Return the pipeline of a specification if it is loaded, without waiting."""
    return _loaded.get(spec)


def find_offer() -> Offer:
    """Look for devices and shipped models; call it in a job.

    Raises
    ------
    WeightsError
        If a shipped model is damaged.
    """
    prepare_torch()
    from nucloop.detection.engines import available_devices
    from nucloop.models.files.cards import read_card, shipped_weights

    models: dict[str, list[str]] = {"detector": [], "encoder": [], "head": []}
    for name, path in shipped_weights().items():
        models.setdefault(read_card(path).kind, []).append(name)
    return Offer(["auto", *available_devices()], models)
