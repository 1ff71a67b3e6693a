"""Which models run on which device, and the pipelines that are loaded already."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from nucloop.engines import available_devices
from nucloop.inference import Pipeline
from nucloop.models.cards import read_card, shipped_weights

__all__ = ["DEVICES", "Choice", "device_choices", "load_pipeline", "loaded_pipeline", "models_of_kind"]

DEVICES = {"auto": "Automatic", "cuda": "GPU (CUDA)", "mps": "GPU (Apple)", "cpu": "CPU"}
"""Names a person reads, by the names the core knows."""


@dataclass(frozen=True)
class Choice:
    """Models by shipped name or path, and a device."""

    detector: str = "denuc-mobilenet"
    encoder: str = "embedded"
    head: str = "brca-m2c"
    device: str = "auto"


_loaded: dict[Choice, Pipeline] = {}
_lock = threading.Lock()


def load_pipeline(choice: Choice) -> Pipeline:
    """Return the pipeline of a choice, loaded at most once; takes a second or two, so call it in a job.

    Raises
    ------
    NucLoopError
        If weights are missing or damaged, or the device is not there.
    """
    with _lock:
        if choice not in _loaded:
            _loaded.clear()
            _loaded[choice] = Pipeline.load(choice.detector, choice.encoder, choice.head, device=choice.device)
        return _loaded[choice]


def loaded_pipeline(choice: Choice) -> Pipeline | None:
    """Return the pipeline of a choice if it is loaded, without waiting."""
    return _loaded.get(choice)


def device_choices() -> list[str]:
    """Devices of this machine by the core's names, automatic first."""
    return ["auto", *available_devices()]


def models_of_kind(kind: str) -> list[str]:
    """Names of the shipped detectors, encoders or heads."""
    return [name for name, path in shipped_weights().items() if read_card(path).kind == kind]
