import json

import numpy as np
import pytest

P2P = "model: {backbone: shufflenet_v2_x0_5, strides: [8, 16], channels: 8}"


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(f"name: tiny\n{P2P}\ncrop: 64\nthreshold: 0.2\nloop: {{steps: 2, batch: 2}}\n")
    return path


def test_every_fold_is_measured_by_a_network_that_saw_none_of_its_patients(nucloop, brca, recipe, tmp_path):
    command = [
        "cross-validate", "patherea", "--data", f"brca-m2c:{brca}", "--split", "train", "--split", "val",
        "--folds", 3, "--repeats", 2, "--recipe", recipe, "--out", tmp_path / "runs", "--device", "cpu",
    ]  # fmt: skip
    run = nucloop(*command)

    assert run.code == 0, run.err
    figures = json.loads((tmp_path / "runs" / "figures.json").read_text())
    assert [(one["fold"], one["repeat"]) for one in figures["runs"]] == [(f, r) for r in (1, 2) for f in (1, 2, 3)]
    left = []
    for fold in (1, 2, 3):
        card = json.loads((tmp_path / "runs" / f"fold-{fold}-repeat-1.json").read_text())
        (data,) = card["training_data"]
        assert data["images"] == 2
        left += data["left_out"]
    assert sorted(group[:2] for group in left) == ["A1", "B2", "C3"]
    f1 = [one["detection"]["f1"] for one in figures["runs"]]
    summary = figures["summary"]["detection"]
    assert summary["mean"] == pytest.approx(np.mean(f1))
    assert summary["deviation"] == pytest.approx(np.std(f1, ddof=1))
    assert summary["deviation_of_repeats"] == pytest.approx(np.std([np.mean(f1[:3]), np.mean(f1[3:])], ddof=1))
    assert set(figures["summary"]) == {"detection", "lymphocyte", "tumour", "stromal", "mean of classes"}

    trained = (tmp_path / "runs" / "fold-1-repeat-1.safetensors").stat().st_mtime_ns
    assert nucloop(*command).code == 0
    assert (tmp_path / "runs" / "fold-1-repeat-1.safetensors").stat().st_mtime_ns == trained


def test_the_classes_of_a_head_that_ships_are_no_figure_of_what_was_trained(nucloop, brca, tmp_path):
    recipe = tmp_path / "denuc.yaml"
    model = "model: {backbone: shufflenet_v2_x0_5, strides: [8, 16], channels: 8, mpp: 0.5}"
    recipe.write_text(f"name: tiny\n{model}\ncrop: 64\nloop: {{steps: 1, batch: 2}}\n")
    run = nucloop(
        "cross-validate", "denuc", "--data", f"brca-m2c:{brca}", "--folds", 2, "--recipe", recipe,
        "--out", tmp_path / "runs",
    )  # fmt: skip
    assert run.code == 0, run.err
    assert set(json.loads((tmp_path / "runs" / "figures.json").read_text())["summary"]) == {"detection"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nonsense",), "no family of detectors 'nonsense'"),
        (("patherea", "--folds", 5), "cannot be divided into 5 fold"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work(nucloop, brca, tmp_path, arguments, sentence):
    run = nucloop("cross-validate", *arguments, "--data", f"brca-m2c:{brca}", "--out", tmp_path / "runs")
    assert run.code == 1
    assert sentence in " ".join(run.err.split())
