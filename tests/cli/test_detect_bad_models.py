"""Weights that cannot be used: what the person reads, and that no foreign code is ever run."""

import hashlib
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest


class _RunsCode:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.ckpt", "model.safetensors"])
def test_a_pickled_checkpoint_is_refused_and_never_run(nucloop, weights, models, slide, tmp_path, name):
    checkpoint, marker = tmp_path / name, tmp_path / "it was run"
    checkpoint.write_bytes(pickle.dumps(_RunsCode(marker)))
    card = json.loads((weights / "detector.json").read_text())
    card["sha256"] = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(card))

    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--detector", checkpoint)

    assert run.code == 1
    if name.endswith("safetensors"):
        assert f"{name} is not a safetensors file" in run.err
    else:
        assert f"{checkpoint} is neither a shipped model" in run.err
        assert "not loaded, because they can run code" in run.err
    assert not marker.exists()


def test_an_unknown_model_is_answered_with_what_there_is(nucloop, models, slide, tmp_path):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--detector", "denuk")

    assert run.code == 1
    assert "denuk is neither a shipped model" in run.err


def test_a_card_of_another_file_is_said(nucloop, weights, models, slide, tmp_path):
    shutil.copy(weights / "detector.json", tmp_path / "mine.json")
    (tmp_path / "mine.safetensors").write_bytes((weights / "detector.safetensors").read_bytes() + b" ")

    run = nucloop(
        "detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--detector", tmp_path / "mine.safetensors"
    )

    assert run.code == 1
    assert "mine.safetensors is not the file that its card mine.json describes. Copy both again." in run.err


def test_a_head_of_another_encoder_is_refused(nucloop, weights, models, slide, tmp_path):
    card = json.loads((weights / "head.json").read_text()) | {"encoder_sha256": "00" * 32, "name": "theirs"}
    (tmp_path / "theirs.json").write_text(json.dumps(card))
    shutil.copy(weights / "head.safetensors", tmp_path / "theirs.safetensors")

    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--head", tmp_path / "theirs.safetensors")

    assert run.code == 1
    assert "The head theirs reads the features of another encoder than encoder. Choose that encoder too" in run.err
