"""Tiny random models in the layout of the hub, loaded by the code that loads the real ones."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nucloop.errors import WeightsError
from nucloop.models.encoder import PointEncoder
from nucloop.models.files import zoo
from nucloop.models.files.cards import file_sha256
from nucloop.models.files.foundation import FoundationModel, foundation_models
from nucloop.models.files.transformer_files import timm_shape
from nucloop.models.files.zoo import load_foundation, open_encoder

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 56}
NAMES = {"uni", "uni2-h", "h-optimus-0", "h-optimus-1", "virchow", "virchow2", "prov-gigapath", "hibou-b", "hibou-l"}
NAMES |= {"phikon-v2", "lunit-dino-16", "lunit-dino-8"}
TIMM = [entry for entry in foundation_models().values() if entry.library == "timm"]


def shrunk(name: str) -> FoundationModel:
    """Return an entry of the zoo with everything but its size."""
    entry = foundation_models()[name]
    if entry.library == "transformers":
        return replace(entry, window=4 * entry.patch, features=16)
    window = 4 * entry.patch
    return replace(entry, options=entry.options | SMALL | {"img_size": window}, window=window, features=32)


def resolved(options: dict[str, Any]) -> dict[str, Any]:
    named = {"SwiGLUPacked": timm.layers.SwiGLUPacked, "SiLU": nn.SiLU}
    return {key: named.get(value, value) if isinstance(value, str) else value for key, value in options.items()}


def write_timm(folder: Path, entry: FoundationModel, *, pickled: bool = True, **model: Any) -> nn.Module:
    """Write config.json and pytorch_model.bin or model.safetensors as timm pushes them."""
    torch.manual_seed(0)
    net = timm.create_model(entry.architecture, num_classes=0, **resolved(entry.options | model))
    folder.mkdir(parents=True, exist_ok=True)
    if pickled:
        torch.save(net.state_dict(), folder / "pytorch_model.bin")
    else:
        save_file(net.state_dict(), folder / "model.safetensors")
    about = {"input_size": [3, entry.window, entry.window], "mean": entry.mean, "std": entry.std, "license": "mit"}
    config = {"architecture": entry.architecture, "num_classes": 0, "pretrained_cfg": about, "model_args": {}}
    (folder / "config.json").write_text(json.dumps(config))
    return net.eval()


def write_dinov2(folder: Path, entry: FoundationModel) -> nn.Module:
    """Write config.json and model.safetensors as transformers pushes them."""
    import transformers

    torch.manual_seed(0)
    size: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    size |= {"image_size": entry.window, "patch_size": entry.patch}
    if entry.registers:
        config = transformers.Dinov2WithRegistersConfig(
            **size, num_register_tokens=entry.registers, use_swiglu_ffn=True
        )
        net = transformers.Dinov2WithRegistersModel(config)
    else:
        net = transformers.Dinov2Model(transformers.Dinov2Config(**size))
    net.save_pretrained(folder)
    return net.eval()


def look(encoder: Any, side: int) -> np.ndarray:
    rgb = torch.rand(1, 3, side, 2 * side, generator=torch.Generator().manual_seed(3)) * 255
    with torch.inference_mode():
        return encoder(rgb).numpy()


def test_the_zoo_knows_every_foundation_model_by_name():
    entries = foundation_models()
    assert set(entries) >= NAMES
    assert sum(name.startswith("kaiko") for name in entries) == 5
    for entry in entries.values():
        assert entry.window % entry.patch == 0
        assert 0.2 <= entry.mpp <= 1
        assert entry.licence
        assert min(entry.std) > 0.1


@pytest.mark.parametrize("entry", TIMM, ids=lambda entry: entry.name)
def test_the_zoos_patches_registers_and_lengths_are_those_of_the_real_networks(entry):
    shape = timm_shape(entry.architecture, entry.options)
    assert (shape.patch, shape.registers, shape.features) == (entry.patch, entry.registers, entry.features)


@pytest.mark.parametrize("name", [entry.name for entry in TIMM])
def test_patch_tokens_of_a_timm_model_become_a_feature_map(name, tmp_path):
    entry = shrunk(name)
    net = write_timm(tmp_path, entry)

    encoder, card = load_foundation(entry, tmp_path)

    assert (encoder.stride, encoder.features, card.mpp) == (entry.patch, 32, 0.5)
    assert card.sha256 == file_sha256(tmp_path / "pytorch_model.bin")
    assert entry.licence in card.notice
    rgb = torch.rand(1, 3, entry.window, entry.window) * 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (entry.mean, entry.std))
    with torch.inference_mode():
        tokens = net.forward_features((rgb / 255 - mean) / std)[:, 1 + entry.registers :]
        features = encoder(rgb)
    torch.testing.assert_close(features.flatten(2).transpose(1, 2), tokens, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["hibou-b", "phikon-v2"])
def test_patch_tokens_of_a_transformers_model_become_a_feature_map(name, tmp_path):
    entry = shrunk(name)
    net = write_dinov2(tmp_path, entry)

    encoder, _ = load_foundation(entry, tmp_path)

    rgb = torch.rand(1, 3, entry.window, entry.window) * 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (entry.mean, entry.std))
    with torch.inference_mode():
        tokens = net(pixel_values=(rgb / 255 - mean) / std).last_hidden_state[:, 1 + entry.registers :]
        features = encoder(rgb)
    torch.testing.assert_close(features.flatten(2).transpose(1, 2), tokens, atol=1e-4, rtol=1e-3)


def test_hibou_is_loaded_without_running_the_code_beside_it(tmp_path):
    entry = shrunk("hibou-b")
    write_dinov2(tmp_path, entry)
    # its real config names its own classes, and the plain model type
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "dinov2", "architectures": ["Dinov2ModelWithRegisters"]}
    config["auto_map"] = {"AutoModel": "modeling_dinov2.Dinov2ModelWithRegisters"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "modeling_dinov2.py").write_text("raise SystemExit('this code was run')")

    encoder, _ = load_foundation(entry, tmp_path)

    assert look(encoder, 56).shape == (1, 16, 4, 8)


def test_a_folder_in_the_hubs_layout_needs_no_name(tmp_path):
    entry = replace(shrunk("lunit-dino-16"), options={"img_size": 64})
    entry = replace(entry, options=SMALL | {"img_size": 64}, window=64)
    write_timm(tmp_path / "mine", entry, pickled=False)
    config = json.loads((tmp_path / "mine" / "config.json").read_text())
    (tmp_path / "mine" / "config.json").write_text(json.dumps(config | {"model_args": entry.options}))

    encoder, card = open_encoder(str(tmp_path / "mine"), mpp=0.25)

    assert (card.name, card.mpp, encoder.stride, encoder.features) == ("mine", 0.25, 16, 32)
    np.testing.assert_allclose(look(encoder, 64), look(load_foundation(entry, tmp_path / "mine")[0], 64), atol=1e-5)


def test_a_folder_of_transformers_needs_no_name_either(tmp_path):
    write_dinov2(tmp_path, shrunk("hibou-b"))
    encoder, _ = open_encoder(str(tmp_path))
    assert (encoder.stride, encoder.features) == (14, 16)


def test_weights_of_a_named_model_can_lie_in_a_file(tmp_path, monkeypatch):
    entry = shrunk("kaiko-s16")
    write_timm(tmp_path, entry, pickled=False)
    monkeypatch.setitem(foundation_models(), "kaiko-s16", entry)

    encoder, card = open_encoder(f"kaiko-s16={tmp_path / 'model.safetensors'}")

    assert card.recipe == {"zoo": "kaiko-s16", "repo": entry.repo, "file": "model.safetensors"}
    assert look(encoder, 64).shape == (1, 32, 4, 8)


def test_a_timm_network_without_patches_gives_two_feature_maps(tmp_path):
    net = timm.create_model("test_convnext", pretrained=False)
    save_file(net.state_dict(), tmp_path / "model.safetensors")

    encoder, card = open_encoder(f"timm:test_convnext={tmp_path / 'model.safetensors'}")

    assert isinstance(encoder, PointEncoder)
    assert (encoder.stride, card.config["strides"], card.config["options"]) == (8, (8, 16), {})
    first = next(iter(encoder.backbone.net.state_dict().values()))
    torch.testing.assert_close(first, next(iter(net.state_dict().values())))


def test_what_ships_opens_by_its_own_name():
    encoder, card = open_encoder("embedded")
    assert isinstance(encoder, PointEncoder)
    assert card.name == "embedded"


class TestWrongFiles:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        write_timm(tmp_path, shrunk("uni"))
        return tmp_path

    def refused(self, folder: Path, words: str, name: str = "uni") -> None:
        with pytest.raises(WeightsError, match=words):
            load_foundation(shrunk(name), folder)

    def test_a_folder_of_another_network(self, folder):
        self.refused(
            folder, r"holds a vit_large_patch16_224, virchow2 is a vit_huge_patch14_224\. Give its", "virchow2"
        )

    def test_weights_of_another_size(self, folder):
        torch.save({k: v[..., :1] for k, v in self.tensors(folder).items()}, folder / "pytorch_model.bin")
        self.refused(folder, r"is not uni, or is damaged .*Download it again, or check the name")

    def test_weights_that_lack_a_tensor(self, folder):
        tensors = self.tensors(folder)
        tensors.pop("blocks.1.attn.qkv.weight")
        torch.save(tensors, folder / "pytorch_model.bin")
        self.refused(folder, r"is not uni, or is damaged .*blocks\.1\.attn\.qkv\.weight")

    def test_a_pickle_that_would_run_code_is_not_opened(self, folder):
        class Evil:
            def __reduce__(self) -> tuple[Any, tuple[str]]:
                return (pytest.exit, ("this code was run",))

        with (folder / "pytorch_model.bin").open("wb") as file:
            pickle.dump({"weight": Evil()}, file, protocol=2)
        self.refused(folder, r"is not uni, or is damaged")

    def test_half_a_file(self, folder):
        data = (folder / "pytorch_model.bin").read_bytes()
        (folder / "pytorch_model.bin").write_bytes(data[: len(data) // 2])
        self.refused(folder, r"is not uni, or is damaged")

    def test_half_a_safetensors_file(self, folder):
        (folder / "model.safetensors").write_bytes(b'\x08\0\0\0\0\0\0\0{"a":1')
        self.refused(folder, r"is not uni, or is damaged")

    def test_an_empty_folder(self, tmp_path):
        (tmp_path / "empty").mkdir()
        self.refused(tmp_path / "empty", r"holds neither model\.safetensors nor pytorch_model\.bin")

    def test_a_transformers_model_that_lacks_a_tensor(self, tmp_path):
        write_dinov2(tmp_path, shrunk("phikon-v2"))
        tensors = load_file(tmp_path / "model.safetensors")
        tensors.pop("layernorm.weight")
        save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
        self.refused(tmp_path, r"is not phikon-v2, or is damaged .*layernorm\.weight", "phikon-v2")

    def test_a_transformers_model_without_its_folder(self, tmp_path):
        write_dinov2(tmp_path, shrunk("phikon-v2"))
        self.refused(tmp_path / "model.safetensors", r"Give the folder, not the file", "phikon-v2")

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            (None, r"has no readable config\.json"),
            ("{", r"has no readable config\.json"),
            ("[" * 100_000, r"has no readable config\.json"),
            ("[]", r"is not a model's configuration"),
            ('{"model_type": "bert"}', r"holds neither a timm model nor a DINOv2"),
            ('{"architecture": "resnet18"}', r"is no transformer with square patches"),
            ('{"architecture": "no_such_net"}', r"timm makes no transformer 'no_such_net'"),
            (
                '{"architecture": "vit_tiny_patch16_224", "model_args": {"checkpoint_path": "x"}}',
                r"asks the library to fetch other weights",
            ),
        ],
    )
    def test_a_folder_whose_configuration_is_useless(self, tmp_path, config, words):
        if config is not None:
            (tmp_path / "config.json").write_text(config)
        with pytest.raises(WeightsError, match=words):
            open_encoder(str(tmp_path))

    def test_a_lone_weights_file_asks_for_the_networks_name(self, tmp_path):
        (tmp_path / "w.pth").write_bytes(b"")
        with pytest.raises(WeightsError, match=r"does not say which network it holds\. Write it as NAME="):
            open_encoder(str(tmp_path / "w.pth"))

    def test_an_unknown_name_lists_the_known_ones(self):
        with pytest.raises(WeightsError, match=r"There is no encoder 'unni'\. Ships: embedded\. By name: uni, uni2-h"):
            open_encoder("unni")

    def tensors(self, folder: Path) -> dict[str, torch.Tensor]:
        return torch.load(folder / "pytorch_model.bin", weights_only=True)


def test_the_largest_configuration_is_refused_unread(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}" + " " * 100)
    monkeypatch.setattr(zoo, "LARGEST_CONFIG", 50)
    with pytest.raises(WeightsError, match="too large for a model's configuration"):
        open_encoder(str(tmp_path))
