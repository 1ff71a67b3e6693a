"""A head of any encoder that has a name runs in detection: whatever its patches are, tiles fit all networks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch

from nucloop.classes import ClassScheme
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import InferenceConfig, PipelineSpec
from nucloop.models.denuc import DenucConfig, DenucDetector
from nucloop.models.files.cards import Card, save_head, save_module
from nucloop.models.files.zoo import open_encoder
from nucloop.models.heads import LinearHead
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array
from nucloop.training.product import measured_halo

if TYPE_CHECKING:
    from pathlib import Path

SCHEME = ClassScheme.named("brca-m2c")
VIT = "vit_small_patch14_dinov2"
SIZE = {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 56}


@pytest.fixture
def models(tmp_path: Path) -> tuple[str, str, str]:
    """A detector of stride 8, a transformer whose patches are 14 pixels wide, and a head of its features."""
    torch.manual_seed(1)
    detector = DenucDetector(DenucConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=16, mpp=0.5)).eval()
    torch.nn.init.normal_(detector.head[-1].weight, std=3.0)
    torch.nn.init.zeros_(detector.head[-1].bias)
    halo = measured_halo(detector, 16, tolerance=1e-5, core=64, widest=208)
    about = {"backbone": "shufflenet_v2_x0_5", "strides": (8, 16), "channels": 16, "options": {}}
    card = Card(kind="detector", name="d", architecture="test", mpp=0.5, config=about, halo=halo)
    save_module(tmp_path / "detector.safetensors", detector, card)
    name = str(tmp_path / "vit")
    (tmp_path / "vit").mkdir()
    torch.save(timm.create_model(VIT, num_classes=0, **SIZE).state_dict(), tmp_path / "vit" / "pytorch_model.bin")
    config = {"architecture": VIT, "model_args": SIZE, "pretrained_cfg": {"input_size": [3, 56, 56]}}
    (tmp_path / "vit" / "config.json").write_text(json.dumps(config))
    encoder, encoder_card = open_encoder(name)
    rng = np.random.default_rng(0)
    head = LinearHead(SCHEME, rng.normal(0, 1, (4, encoder.features)).astype(np.float32), np.zeros(4, np.float32))
    head_card = Card(kind="head", name="h", architecture="test", mpp=0.5, encoder_sha256=encoder_card.sha256)
    save_head(tmp_path / "head.safetensors", head, head_card)
    return str(tmp_path / "detector.safetensors"), name, str(tmp_path / "head.safetensors")


def test_a_head_of_a_transformer_runs_in_detection(models: tuple[str, str, str]) -> None:
    coarse = np.random.default_rng(0).integers(0, 255, (38, 46, 3)).astype(np.uint8)
    slide = slide_from_array(coarse.repeat(8, 0).repeat(8, 1), mpp=0.5, name="noise")
    pipeline = Pipeline.open(PipelineSpec(*models, "torch-cpu", InferenceConfig(threshold=0.5, tile=128)))
    results = list(pipeline.run(slide))
    nuclei = Nuclei.concatenate([part.nuclei for part in results], SCHEME)
    assert len(nuclei) > 20
    assert np.isfinite(nuclei.probability).all()
    assert results[0].features is not None
    assert results[0].features.shape[1] == 32
    # 16 and 14 pixels: a window of either network begins only on multiples of 112
    assert all(part.box.y % 112 == part.box.x % 112 == 0 for part in results)
    assert len(results) == 4
