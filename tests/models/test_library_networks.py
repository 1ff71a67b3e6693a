"""What a card, folder or recipe of a stranger may ask of a library of networks: nothing from elsewhere, or endless."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from nucloop.errors import WeightsError
from nucloop.models.backbone import Backbone
from nucloop.models.files.cards import load_head
from nucloop.models.files.zoo import open_encoder
from nucloop.models.library_networks import bounded, make_network
from nucloop.models.vit_pyramid import any_backbone

CASES = Path(__file__).parents[3] / "shared" / "cases" / "hostile"

OFFLINE = """
import socket, sys
def refuse(*_, **__):
    print("it asked the network")
    sys.exit()
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
from nucloop.errors import NucLoopError
from nucloop.models.files.zoo import open_encoder
for folder in sys.argv[1:]:
    try:
        open_encoder(folder)
    except NucLoopError as error:
        print(" ".join(str(error).split()))
"""
NAMING_OTHERS: list[dict[str, object]] = [
    {"architecture": "hf-hub:evil/model"},
    {"architecture": "hf_hub:evil/model"},
    {"architecture": "https://example.org/model"},
    {"architecture": "vit_tiny_patch16_224", "model_args": {"pretrained": True}},
    {"architecture": "vit_tiny_patch16_224", "model_args": {"pretrained_cfg": {"hf_hub_id": "evil/model"}}},
    {"architecture": "vit_tiny_patch16_224", "model_args": {"pretrained_cfg_overlay": {"url": "http://x"}}},
    {"architecture": "vit_tiny_patch16_224", "model_args": {"checkpoint_path": "x.pth"}},
    {"model_type": "dinov2", "_name_or_path": "evil/model", "auto_map": {"AutoModel": "evil/model--m.M"}},
]


def folder_of(path: Path, config: dict[str, object]) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    (path / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    return path


def test_a_local_folder_never_reaches_for_the_network(tmp_path: Path) -> None:
    folders = [folder_of(tmp_path / str(number), config) for number, config in enumerate(NAMING_OTHERS)]

    run = subprocess.run(
        [sys.executable, "-c", OFFLINE, *map(str, folders)], capture_output=True, text=True, check=True, timeout=200
    )

    said = run.stdout.splitlines()
    assert len(said) == len(folders)
    assert all("asks the library to fetch other weights" in one for one in said[:-1])
    assert "is not 7, or is damaged" in said[-1]


@pytest.mark.parametrize("name", ["hf-hub:evil/model", "hf_hub:evil/model", "local-dir:/tmp/x", "https://x/y"])
def test_a_recipes_backbone_is_named_by_the_library_alone(name: str) -> None:
    with pytest.raises(WeightsError, match="asks the library to fetch other weights"):
        Backbone(name, (8,), {})


@pytest.mark.parametrize(
    "key", ["pretrained", "checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"]
)
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "shufflenet_v2_x0_5"])
def test_a_recipes_options_bring_no_weights(name: str, key: str) -> None:
    with pytest.raises(WeightsError, match="asks the library to fetch other weights"):
        any_backbone(name, (8,), {key: True})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vit_tiny_patch16_224", {"depth": 1_000_000}),
        ("vit_tiny_patch16_224", {"depth": 100_000}),
        ("vit_tiny_patch16_224", {"embed_dim": 60_000, "num_heads": 1}),
        ("vit_tiny_patch16_224", {"img_size": 100_000, "patch_size": 1}),
        ("resnet18", {"layers": [100_000, 1, 1, 1]}),
        ("convnext_tiny", {"depths": [90_000] * 4, "dims": [8, 8, 8, 8]}),
        ("convnext_tiny", {"dims": [90_000] * 4}),
        ("vit_tiny_patch16_224", {"depth": [1] * 100_000}),
        ("vit_tiny_patch16_224", {"norm_layer": "os.system"}),
        ("vit_tiny_patch16_224", {"act_layer": "os.system"}),
        ("vit_tiny_patch16_224", {"mlp_layer": "os.system"}),
        ("resnet18", {"norm_layer": "os.system"}),
        ("resnet18", {"drop_path_rate": float("nan")}),
    ],
)
def test_a_network_that_nobody_can_build_is_refused_within_seconds(name: str, options: dict[str, object]) -> None:
    begun = time.process_time()

    with pytest.raises(WeightsError):
        make_network(name, options)

    assert time.process_time() - begun < 10


def test_a_network_beyond_its_bounds_is_stopped_before_its_memory_is_filled() -> None:
    with bounded(1_000_000):
        torch.nn.Linear(999, 1000)
        with pytest.raises(WeightsError, match="more than 1,000,000 parameters"):
            torch.nn.Linear(1000, 1000)
    torch.nn.Linear(1001, 1001)


@pytest.mark.parametrize("keep", [float("nan"), -1.0, 1.5])
def test_a_head_whose_keep_is_no_probability_is_refused(head_file: Path, keep: float) -> None:
    card = json.loads(head_file.with_suffix(".json").read_text())
    head_file.with_suffix(".json").write_text(json.dumps(card | {"config": {"keep": keep}}))

    with pytest.raises(WeightsError, match=r"keep .* is no probability|not a card of NucLoop"):
        load_head(str(head_file))


def test_a_head_with_weights_that_are_no_numbers_is_refused(head_file: Path) -> None:
    from safetensors.numpy import load_file, save_file

    from nucloop.models.files.cards import file_sha256

    tensors = load_file(head_file)
    tensors["weight"] = np.where(np.arange(tensors["weight"].size).reshape(tensors["weight"].shape) == 3, np.nan, 0)
    save_file({key: value.astype(np.float32) for key, value in tensors.items()}, head_file)
    card = json.loads(head_file.with_suffix(".json").read_text())
    head_file.with_suffix(".json").write_text(json.dumps(card | {"sha256": file_sha256(head_file)}))

    with pytest.raises(WeightsError, match="NaN or infinite, in weight"):
        load_head(str(head_file))


@pytest.fixture
def head_file(tmp_path: Path) -> Path:
    from nucloop.models.files.cards import shipped_weights

    shipped = shipped_weights()["brca-m2c"]
    for file in (shipped, shipped.with_suffix(".json")):
        shutil.copy(file, tmp_path / file.name)
    return tmp_path / shipped.name


@pytest.mark.skipif(not CASES.is_dir(), reason="the collected cases are not beside this checkout")
def test_the_collected_folder_that_names_a_hub_is_refused() -> None:
    with pytest.raises(WeightsError, match="asks the library to fetch other weights"):
        open_encoder(str(CASES / "folder-that-names-a-hub"))


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": {"a": 1}},
        {"hidden_size": float("inf")},
        {"patch_size": {}},
        {"patch_size": [[]]},
        {"num_attention_heads": "NaN"},
        {"num_attention_heads": 0},
        {"num_hidden_layers": 1_000_000},
        {"hidden_size": 90_000},
    ],
)
def test_a_dinov2_folder_that_describes_none_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    pytest.importorskip("transformers")
    dino = {"model_type": "dinov2", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    begun = time.process_time()

    with pytest.raises(WeightsError):
        open_encoder(str(folder_of(tmp_path / "model", dino | change)))

    assert time.process_time() - begun < 20
