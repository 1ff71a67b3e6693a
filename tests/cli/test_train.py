import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nucloop.classes import ClassScheme
from nucloop.formats import read_nuclei
from nucloop.models.files.cards import shipped_weights

MODEL = "model: {backbone: shufflenet_v2_x0_5, strides: [8, 16], channels: 8, mpp: 0.5}"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(f"name: tiny\n{MODEL}\ncrop: 64\nloop: {{steps: 3, batch: 2, checkpoint_every: 2}}\n")
    return path


def test_what_was_trained_is_used_by_path(nucloop, brca, recipe, slide, tmp_path):
    out = {kind: tmp_path / "mine" / f"{kind}.safetensors" for kind in ("detector", "encoder", "head")}
    common = ["--data", f"brca-m2c:{brca}", "--leave-out", "B2", "--recipe", recipe]

    detector = nucloop("train", "detector", *common, "--out", out["detector"])
    encoder = nucloop("train", "encoder", *common, "--out", out["encoder"], "--head-out", out["head"])

    assert (detector.code, encoder.code) == (0, 0)
    cards = {kind: json.loads(path.with_suffix(".json").read_text()) for kind, path in out.items()}
    assert {card["kind"] for card in cards.values()} == set(out)
    assert cards["head"]["encoder_sha256"] == cards["encoder"]["sha256"]
    assert cards["head"]["classes"] == ClassScheme.named("brca-m2c").to_dict()
    (data,) = cards["detector"]["training_data"]
    assert (data["name"], data["images"], data["left_out"]) == ("brca-m2c", 1, ["B2"])
    assert data["licence"] == "BSD-3-Clause"
    assert cards["detector"]["recipe"]["loop"]["steps"] == 3
    assert f"sha256 {cards['detector']['sha256'][:12]}" in detector.out
    assert not list((tmp_path / "mine").glob("*.checkpoint"))

    chosen = [f"--{kind}={path}" for kind, path in out.items()]
    run = nucloop(
        "detect", slide, "--mpp", 0.5, "--out", tmp_path, "--threshold", 0.05, "--device", "torch-cpu", *chosen
    )
    assert run.code == 0
    nuclei = read_nuclei(tmp_path / "slide.csv", ClassScheme.named("brca-m2c"))
    assert f"slide.csv: {len(nuclei)} nuclei" in run.out


def test_one_network_for_both_is_trained_and_used_as_two(nucloop, brca, recipe, slide, tmp_path):
    out = {kind: tmp_path / "joint" / f"{kind}.safetensors" for kind in ("detector", "encoder", "head")}
    run = nucloop(
        "train", "end-to-end", "--data", f"brca-m2c:{brca}", "--recipe", recipe,
        "--out", out["detector"], "--encoder-out", out["encoder"], "--head-out", out["head"],
    )  # fmt: skip

    assert run.code == 0
    trunks = [load_file(out[kind]) for kind in ("detector", "encoder")]
    shared = trunks[0].keys() & trunks[1].keys()
    assert any(key.startswith("neck") for key in shared)
    assert all(torch.equal(trunks[0][key], trunks[1][key]) for key in shared)
    chosen = [f"--{kind}={path}" for kind, path in out.items()]
    run = nucloop(
        "detect", slide, "--mpp", 0.5, "--out", tmp_path, "--threshold", 0.05, "--device", "torch-cpu", *chosen
    )
    assert run.code == 0


def test_two_data_sets_are_joined(nucloop, brca, recipe, tmp_path):
    run = nucloop(
        "train", "detector", "--data", f"brca-m2c:{brca}", "--split", "train", "--split", "val",
        "--recipe", recipe, "--steps", 1, "--out", tmp_path / "d.safetensors",
    )  # fmt: skip

    assert run.code == 0
    card = json.loads((tmp_path / "d.json").read_text())
    assert [(d["split"], d["images"]) for d in card["training_data"]] == [("train", 2), ("val", 1)]
    assert card["recipe"]["loop"]["steps"] == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--recipe", "denuc-9x"], "There is no recipe 'denuc-9x'. Shipped: denuc-0.5x"),
        (["--data", "brca-m2c:/nowhere"], "is missing. Is /nowhere the data set's folder?"),
        (["--leave-out", "A1", "--leave-out", "B2"], "No image is left to train on."),
        (["--out", "detector.pt"], "detector.pt must end in .safetensors"),
        (["--device", "abacus"], "abacus is not available on this machine. Choose one of: "),
        (["--initial", "missing.safetensors"], "Cannot start shufflenet_v2_x0_5 from missing.safetensors"),
    ],
)
def test_a_wrong_plan_is_one_sentence(nucloop, brca, recipe, tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    given = {"--data": f"brca-m2c:{brca}", "--recipe": recipe, "--out": "detector.safetensors"}
    kept = [part for name, value in given.items() if name not in options for part in (name, value)]

    run = nucloop("train", "detector", *kept, *options)

    assert run.code == 1
    assert sentence in run.err
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_training_on_a_gpu_that_is_not_there_is_said(nucloop, brca, recipe, tmp_path):
    run = nucloop(
        "train", "detector", "--data", f"brca-m2c:{brca}", "--recipe", recipe, "--device", "cuda",
        "--out", tmp_path / "d.safetensors",
    )  # fmt: skip

    assert run.code == 1
    assert "cuda is not available on this machine. Choose one of: " in run.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"name: x\n{MODEL}\nloop: {{step: 3}}\n", "loop.step: Unexpected keyword argument. Correct that entry."),
        ("name: x\nmodel: {backbone: nothing_known}\n", "timm makes no backbone 'nothing_known'"),
        ("name: x\nmodel: {strides: [4, 8]}\n", "has feature maps at strides [8, 16, 32], not [4, 8]"),
        ("- a\n- b\n", "cannot be read"),
        ("name: [", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_wrong_recipe_names_the_entry(nucloop, brca, tmp_path, text, sentence):
    (tmp_path / "mine.yaml").write_text(text)

    run = nucloop(
        "train", "detector", "--data", f"brca-m2c:{brca}", "--recipe", tmp_path / "mine.yaml",
        "--out", tmp_path / "d.safetensors",
    )  # fmt: skip

    assert run.code == 1
    assert sentence in run.err


def test_encoder_and_head_in_one_file_are_refused(nucloop, brca, recipe, tmp_path):
    out = tmp_path / "both.safetensors"

    run = nucloop("train", "encoder", "--data", f"brca-m2c:{brca}", "--recipe", recipe, "--out", out, "--head-out", out)

    assert run.code == 1
    assert f"Two files of weights cannot both be written to {out}. Choose another name for one." in run.err


def test_an_unknown_class_scheme_lists_the_known_ones(nucloop, brca, recipe, tmp_path):
    run = nucloop(
        "train", "encoder", "--data", f"brca-m2c:{brca}", "--recipe", recipe, "--scheme", "mine",
        "--out", tmp_path / "e.safetensors", "--head-out", tmp_path / "h.safetensors",
    )  # fmt: skip

    assert run.code == 1
    assert "There is no class scheme 'mine'. Built in: brca-m2c" in run.err


def test_models_lists_everything_that_ships(nucloop):
    run = nucloop("models")

    assert run.code == 0
    for name in shipped_weights():
        assert name in run.out


def test_without_arguments_the_help_is_shown(nucloop):
    run = nucloop()

    assert run.code in (0, 2)
    for command in ("detect", "train", "evaluate", "models", "app"):
        assert command in run.out + run.err
