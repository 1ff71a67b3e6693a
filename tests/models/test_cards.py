import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from nucloop.classes import ClassScheme
from nucloop.errors import DataError, WeightsError
from nucloop.models.denuc import DenucConfig, DenucDetector
from nucloop.models.encoder import EncoderConfig, PointEncoder
from nucloop.models.files.card import LARGEST_CARD
from nucloop.models.files.cards import (
    Card,
    file_sha256,
    find_weights,
    load_detector,
    load_encoder,
    load_head,
    read_card,
    save_head,
    save_module,
    shipped_weights,
)
from nucloop.models.heads import LinearHead

SCHEME = ClassScheme.named("ocelot")
SHAPE: dict[str, Any] = {"backbone": "shufflenet_v2_x0_5", "strides": (8, 16), "channels": 8, "mpp": 0.5}


def card(kind: str, config: DenucConfig | EncoderConfig, **entries: Any) -> Card:
    shape = asdict(config)
    return Card(kind=kind, name=kind, architecture="test", mpp=shape.pop("mpp"), config=shape, **entries)


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    path = tmp_path / "detector.safetensors"
    config = DenucConfig(**SHAPE)
    save_module(path, DenucDetector(config), card("detector", config, halo=96, threshold=0.3))
    return path


@pytest.fixture
def encoder(tmp_path: Path) -> tuple[Path, Card]:
    path = tmp_path / "encoder.safetensors"
    config = EncoderConfig(**SHAPE)
    return path, save_module(path, PointEncoder(config), card("encoder", config))


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the card beside a weights file."""
    data = json.loads(path.with_suffix(".json").read_text())
    change(data)
    path.with_suffix(".json").write_text(json.dumps(data))


def test_a_detector_goes_through_its_file_and_back_unchanged(detector):
    net, loaded = load_detector(str(detector))

    assert (loaded.kind, loaded.mpp, loaded.halo, loaded.threshold) == ("detector", 0.5, 96, 0.3)
    assert loaded.sha256 == file_sha256(detector)
    assert net.config == DenucConfig(**SHAPE)
    again = DenucDetector(net.config)
    again.load_state_dict(net.state_dict())
    image = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        assert torch.equal(net(image), again.eval()(image))


def test_a_head_comes_back_with_its_classes_and_its_encoder(encoder, tmp_path):
    path, encoder_card = encoder
    head = LinearHead(SCHEME, np.eye(3, 8, dtype=np.float32), np.zeros(3, np.float32), keep=0.7)
    kept = card("head", EncoderConfig(**SHAPE), encoder_sha256=encoder_card.sha256)
    save_head(tmp_path / "head.safetensors", head, kept)

    loaded, _ = load_head(str(tmp_path / "head.safetensors"), load_encoder(str(path))[1])

    assert loaded.scheme == SCHEME
    assert loaded.keep == 0.7
    np.testing.assert_array_equal(loaded.weight, head.weight)


def test_a_head_of_another_encoder_is_refused(encoder, tmp_path):
    head = LinearHead(SCHEME, np.zeros((3, 8), np.float32), np.zeros(3, np.float32))
    save_head(tmp_path / "head.safetensors", head, card("head", EncoderConfig(**SHAPE), encoder_sha256="00"))

    with pytest.raises(WeightsError, match="head reads the features of another encoder than encoder"):
        load_head(str(tmp_path / "head.safetensors"), encoder[1])


def test_a_file_without_a_card_is_refused(detector):
    detector.with_suffix(".json").unlink()

    with pytest.raises(WeightsError, match=r"has no card detector\.json beside it, so nobody can tell what it is"):
        load_detector(str(detector))


def test_a_changed_file_is_not_the_one_its_card_describes(detector):
    detector.write_bytes(detector.read_bytes() + b" ")

    with pytest.raises(WeightsError, match="is not the file that its card"):
        load_detector(str(detector))


def test_a_huge_card_is_refused_unread(detector):
    with detector.with_suffix(".json").open("wb") as file:
        file.truncate(LARGEST_CARD + 1)

    with pytest.raises(WeightsError, match=r"detector\.json is too large for a card"):
        load_detector(str(detector))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda c: c.update(author="me"), "author"),
        (lambda c: c.pop("kind"), "kind"),
        (lambda c: c.update(mpp="fine"), "mpp"),
        (lambda c: c.update(halo=10**9), "halo"),
        (lambda c: c.update(halo=-1), "halo"),
        (lambda c: c.update(threshold=0), "threshold"),
        (lambda c: c.update(config=[1]), "config"),
    ],
)
def test_a_card_with_a_wrong_entry_names_it(detector, change, place):
    rewrite(detector, change)

    with pytest.raises(WeightsError, match=rf"detector\.json is not a card of NucLoop \(.*{place}"):
        load_detector(str(detector))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"mpp": NaN}', "\xff"])
def test_a_card_that_is_no_json_is_refused(detector, text):
    detector.with_suffix(".json").write_bytes(text.encode("latin-1"))

    with pytest.raises(WeightsError, match=r"detector\.json is not a card of NucLoop"):
        load_detector(str(detector))


@pytest.mark.parametrize("load", [load_encoder, load_head])
def test_a_detector_is_not_taken_for_something_else(detector, load):
    with pytest.raises(WeightsError, match=r"holds a detector, an? (encoder|head) is needed here"):
        load(str(detector))


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"pretrained": True}},
        {"options": {"checkpoint_path": "/tmp/x.pt"}},
        {"options": {"pretrained_cfg_overlay": {"url": "x"}}},
        {"backbone": "hf-hub:somebody/something"},
        {"backbone": "local-dir:/tmp/x"},
    ],
)
def test_a_card_cannot_make_the_library_fetch_other_weights(detector, change):
    rewrite(detector, lambda c: c["config"].update(change))

    with pytest.raises(WeightsError, match="asks the library to fetch other weights, so it is not loaded"):
        load_detector(str(detector))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"backbone": "resnet7"}, "timm makes no backbone 'resnet7'"),
        ({"backbone": "resnet18", "options": {"no_such_option": 1}}, "timm makes no backbone 'resnet18'"),
        ({"strides": [4, 8]}, "not \\[4, 8\\]"),
        ({"strides": []}, "describes no network that NucLoop knows .*strides"),
        ({"channels": 10**6}, "describes no network that NucLoop knows .*channels"),
        ({"chanels": 8}, "describes no network that NucLoop knows .*chanels"),
        ({"options": [["a", 1]]}, "describes no network that NucLoop knows .*options"),
        ({"channels": 16}, "detector does not fit the network its card describes"),
    ],
)
def test_a_card_of_an_impossible_network_is_one_sentence(detector, change, sentence):
    rewrite(detector, lambda c: c["config"].update(change))

    with pytest.raises(WeightsError, match=sentence) as error:
        load_detector(str(detector))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tensors", "change", "sentence"),
    [
        ({"weight": np.zeros((3, 8))}, {}, "is not a linear head"),
        ({"weight": np.zeros((2, 8)), "bias": np.zeros(2)}, {}, "is not a linear head .*background"),
        ({"weight": np.zeros((3, 8)), "bias": np.zeros(3)}, {"config": {"keep": [1]}}, "is not a linear head"),
        ({"weight": np.zeros((3, 8)), "bias": np.zeros(3)}, {"classes": None}, r"head\.json is not a class scheme"),
    ],
)
def test_a_head_with_wrong_contents_is_one_sentence(tmp_path, tensors, change, sentence):
    path = tmp_path / "head.safetensors"
    head = LinearHead(SCHEME, np.zeros((3, 8), np.float32), np.zeros(3, np.float32))
    save_head(path, head, card("head", EncoderConfig(**SHAPE)))
    save_file(tensors, str(path))
    rewrite(path, lambda c: c.update(sha256=file_sha256(path), **change))

    with pytest.raises((WeightsError, DataError), match=sentence):
        load_head(str(path))


def test_a_file_that_is_no_safetensors_is_refused_whatever_its_card_says(detector):
    detector.write_bytes(b"\x80\x04 a pickle, perhaps")
    rewrite(detector, lambda c: c.update(sha256=file_sha256(detector)))

    with pytest.raises(WeightsError, match=r"detector\.safetensors is not a safetensors file"):
        load_detector(str(detector))


def test_a_missing_file_and_an_unknown_name_say_what_there_is(tmp_path):
    with pytest.raises(WeightsError, match=r"There is no file .*nothing\.safetensors"):
        find_weights(str(tmp_path / "nothing.safetensors"))
    with pytest.raises(WeightsError, match="neither a shipped model"):
        find_weights("nothing")


def test_weights_that_cannot_be_written_leave_nothing_half_done(tmp_path, detector):
    net, kept = load_detector(str(detector))
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(WeightsError, match=r"Cannot write .*choose another folder"):
        save_module(tmp_path / "file" / "copy.safetensors", net, kept)

    # a folder stands where the card has to go
    (tmp_path / "copy.json").mkdir()
    with pytest.raises(WeightsError, match=r"Cannot write .*copy\.safetensors"):
        save_module(tmp_path / "copy.safetensors", net, kept)
    assert not list(tmp_path.glob("*.part"))


def test_the_head_that_ships_brings_examples_of_all_that_it_knows():
    from nucloop.learning.head_files import LearnedHead
    from nucloop.models.files.cards import load_encoder

    kept = LearnedHead.open("brca-m2c", load_encoder("embedded")[1]).replay

    assert kept is not None
    assert np.bincount(kept.label).tolist() == [250, 250, 250, 250]


@pytest.mark.parametrize("name", list(shipped_weights()))
def test_everything_that_ships_has_a_true_card_with_licences(name):
    kept = read_card(shipped_weights()[name])

    assert kept.kind in {"detector", "encoder", "head", "shape"}
    assert kept.training_data
    assert all(data["licence"] and data["images"] > 0 for data in kept.training_data)
    assert kept.recipe
    assert kept.metrics
    assert kept.notice
    assert kept.commit
