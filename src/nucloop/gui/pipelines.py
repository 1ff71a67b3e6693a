"""Which models run on which device, and the pipeline that is loaded already.

Torch takes seconds to import, so nothing here imports it before a job's thread does.
"""

from __future__ import annotations

import importlib
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from nucloop.garbage import importing

if TYPE_CHECKING:
    from nucloop.inference import Pipeline

__all__ = ["DEVICES", "Choice", "Offer", "find_offer", "load_pipeline", "loaded_pipeline", "prepare_torch"]

DEVICES = {"auto": "Automatic", "cuda": "GPU (CUDA)", "mps": "GPU (Apple)", "cpu": "CPU"}
"""Names a person reads, by the names the core knows."""


@dataclass(frozen=True)
class Choice:
    """Models by shipped name or path, and a device."""

    detector: str = "denuc-mobilenet"
    encoder: str = "embedded"
    head: str = "brca-m2c"
    device: str = "auto"


@dataclass(frozen=True)
class Offer:
    """What there is to choose from on this machine."""

    devices: list[str]
    """By the core's names, automatic first."""
    models: dict[str, list[str]] = field(default_factory=dict)
    """Names of the shipped detectors, encoders and heads, by kind."""


_LAST = "nucloop.learning.session_heads"
_loaded: dict[Choice, Pipeline] = {}
_lock = threading.Lock()


def load_pipeline(choice: Choice) -> Pipeline:
    """Return the pipeline of a choice, loaded at most once; takes seconds, so call it in a job.

    Raises
    ------
    NucLoopError
        If weights are missing or damaged, or the device is not there.
    """
    with _lock:
        if choice not in _loaded:
            _import_all()
            from nucloop.inference import Pipeline

            pipeline = Pipeline.load(choice.detector, choice.encoder, choice.head, device=choice.device)
            # one set of networks at a time, for memory; the old one goes only once the new one is there
            _loaded.clear()
            _loaded[choice] = pipeline
        return _loaded[choice]


def loaded_pipeline(choice: Choice) -> Pipeline | None:
    """Return the pipeline of a choice if it is loaded, without waiting."""
    return _loaded.get(choice)


def find_offer() -> Offer:
    """Look for devices and shipped models; call it in a job.

    Raises
    ------
    WeightsError
        If a shipped model is damaged.
    """
    with _lock:
        _import_all()
    from nucloop.engines import available_devices
    from nucloop.models.cards import read_card, shipped_weights

    models: dict[str, list[str]] = {"detector": [], "encoder": [], "head": []}
    for name, path in shipped_weights().items():
        models.setdefault(read_card(path).kind, []).append(name)
    return Offer(["auto", *available_devices()], models)


def prepare_torch() -> None:
    """Import torch before anything else does; takes seconds the first time, so call it in a job."""
    with _lock:
        _import_all()


def _import_all() -> None:
    """Import everything that detecting and learning wait for, once."""
    # other docks import the last one by themselves, which says nothing of torch
    if {_LAST, "torch._dynamo"} <= sys.modules.keys():
        return
    with importing():
        _import_torch()
        importlib.import_module("nucloop.inference")
        # the first detection asks it for the head in use, with the window waiting
        importlib.import_module(_LAST)


def _import_torch() -> None:
    """Import torch in such a way that it lives beside Mesa.

    torchvision makes torch look for triton. Triton's LLVM and the one of Mesa's software OpenGL, which napari has
    loaded by then, share symbols, and the process ends in a segmentation fault. NucLoop compiles nothing with triton:
    while torch looks, it is not there.
    """
    if "triton" in sys.modules or "torch._dynamo" in sys.modules:
        return
    modules = cast("dict[str, Any]", sys.modules)
    modules["triton"] = None
    try:
        importlib.import_module("torch._dynamo")
    finally:
        del modules["triton"]
