"""The command as a person types it, small random weights to run it with, and a small slide."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from nucloop.classes import ClassScheme
from nucloop.cli import main
from nucloop.models.denuc import DenucConfig, DenucDetector
from nucloop.models.encoder import EncoderConfig, PointEncoder
from nucloop.models.files.cards import Card, save_head, save_module
from nucloop.models.heads import LinearHead

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def nucloop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run ``nucloop`` with arguments; a traceback in what it prints fails every test."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["nucloop", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return Outcome(int(end.value.code or 0), printed.out, printed.err)

    return run


def random_networks() -> tuple[DenucDetector, PointEncoder, LinearHead]:
    """Small networks with weights at random, of which the detector calls about every tenth cell a nucleus."""
    torch.manual_seed(1)
    shape = {"backbone": "shufflenet_v2_x0_5", "strides": (8, 16), "mpp": 0.5}
    detector = DenucDetector(DenucConfig(**shape, channels=16)).eval()
    last = detector.head[-1]
    assert isinstance(last, torch.nn.Conv2d)
    # far apart, so that scores and classes do not hang on the last bit
    torch.nn.init.normal_(last.weight, std=3000.0)
    torch.nn.init.zeros_(last.bias)
    encoder = PointEncoder(EncoderConfig(**shape, channels=8)).eval()
    with torch.inference_mode():
        features = encoder(torch.from_numpy(tissue()).permute(2, 0, 1)[None].float())[0].flatten(1).numpy()
    weight = np.random.default_rng(0).normal(0, 3, (4, 8)).astype(np.float32) / features.std(1)
    bias = -weight @ features.mean(1)
    return detector, encoder, LinearHead(ClassScheme.named("brca-m2c"), weight, bias, keep=1.0)


def card_of(kind: str, config: DenucConfig | EncoderConfig, **entries: object) -> Card:
    shape = asdict(config)
    return Card(kind=kind, name=kind, architecture="test", mpp=shape.pop("mpp"), config=shape, halo=64, **entries)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with detector, encoder and head, each a .safetensors file and its card."""
    folder = tmp_path_factory.mktemp("weights")
    detector, encoder, head = random_networks()
    save_module(folder / "detector.safetensors", detector, card_of("detector", detector.config))
    card = save_module(folder / "encoder.safetensors", encoder, card_of("encoder", encoder.config))
    save_head(folder / "head.safetensors", head, card_of("head", encoder.config, encoder_sha256=card.sha256))
    return folder


@pytest.fixture(scope="session")
def models(weights: Path) -> list[str]:
    """Options that choose these weights, and torch, which needs no conversion."""
    chosen = [f"--{kind}={weights / kind}.safetensors" for kind in ("detector", "encoder", "head")]
    return [*chosen, "--device=torch-cpu"]


def tissue(height: int = 160, width: int = 208) -> np.ndarray:
    """Coarse coloured noise: the random detector finds something everywhere."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, 0).repeat(8, 1)


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "slide.png"
    Image.fromarray(tissue()).save(path)
    return path


@pytest.fixture
def brca(tmp_path: Path) -> Path:
    """Four fields in BRCA-M2C's layout: two to train on, one to validate, one to test, 0.5 µm per pixel."""
    folder = tmp_path / "brca"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for split, names in {"train": ("A1-01", "B2-02"), "val": ("C3-03",), "test": ("D4-04",)}.items():
        (folder / f"brca_ds_{split}.txt").write_text("".join(f"TCGA-{name}.png\n" for name in names))
        for name in names:
            Image.fromarray(tissue()).save(folder / "images" / f"TCGA-{name}.png")
            lines = [f"{y} {x} {1 + (y + x) % 3}\n" for y in range(12, 160, 20) for x in range(12, 208, 20)]
            (folder / "labels" / f"TCGA-{name}_gt_class_coords.txt").write_text("".join(lines))
    return folder
