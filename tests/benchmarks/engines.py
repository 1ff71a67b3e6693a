"""The detector on a CPU: ONNX Runtime beside torch, same weights, same pixels."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from tests.benchmarks.isolation import CORES
from tests.benchmarks.slides import field

from nucloop.detection.engines import make_engine
from nucloop.models.files.cards import load_detector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tests.benchmarks.isolation import Models

    from nucloop.detection.engines import Engine

ENGINES = {"engine_onnx_s_per_mm2": "cpu", "engine_torch_s_per_mm2": "torch-cpu"}


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Time the network alone, per mm² of the pixels it is given (halos are not taken off)."""
    torch.set_num_threads(CORES)
    net, card = load_detector(models.detector)
    pixels = field()[None]
    area = pixels.shape[1] * pixels.shape[2] * (card.mpp / 1000) ** 2
    samples: dict[str, list[float]] = {}
    for name, device in ENGINES.items():
        engine = make_engine(net, card.sha256, device)
        if ("ONNX" in engine.name) != (device == "cpu"):
            raise RuntimeError(f"asked for the engine {device}, got {engine.name}")
        engine(pixels)
        samples[name] = [_seconds(engine, pixels) / area for _ in range(repeat)]
    return samples


def _seconds(engine: Engine, pixels: NDArray[np.uint8]) -> float:
    began = time.perf_counter()
    engine(pixels)
    return time.perf_counter() - began
