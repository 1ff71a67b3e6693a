import json
import re

import pytest


def test_detectors_are_held_against_the_first_on_the_same_images(nucloop, weights, brca, tmp_path):
    trio = ",".join(str(weights / f"{kind}.safetensors") for kind in ("detector", "encoder", "head"))
    names = ["--models", trio, "--models", str(weights / "detector.safetensors"), "--models", trio]
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "svg")}
    data = ["--data", f"brca-m2c:{brca}", "--split", "train", "--device", "torch-cpu"]

    run = nucloop(
        "compare-detectors", *data, *names,
        "--json", files["json"], "--table", files["csv"], "--figure", files["svg"],
    )  # fmt: skip

    assert run.code == 0, run.err
    report = json.loads(files["json"].read_text())
    first, second, third = report["runs"]
    assert first["name"] == "detector + encoder + head"
    alone = nucloop("evaluate", *data, "--models", trio, "--json", tmp_path / "alone.json")
    assert alone.code == 0
    by_itself = json.loads((tmp_path / "alone.json").read_text())
    assert first["detection"] == by_itself["detection"]
    assert first["classes"] == by_itself["classes"]
    for one in (first, second, third):
        assert one["parameters"] > 1000
        assert min(one["gflop_per_mm2"], one["seconds_per_mm2"], one["peak_memory_mb"]) > 0
        recall = one["curves"]["detection"]["recall"]
        assert recall == sorted(recall, reverse=True)
        assert recall[0] > 0
    to_second, to_third = report["differences"]
    assert to_second["detection"] == pytest.approx(second["detection"]["f1"] - first["detection"]["f1"])
    assert to_third["detection"] == 0
    # the same twice, on the same images, does not differ however they are drawn
    assert to_third["interval_95"]["detection"] == [0, 0]
    assert to_third["interval_95"]["mean"] == [0, 0]
    assert len(files["csv"].read_text().splitlines()) == 4
    drawn = files["svg"].read_text()
    assert len(re.findall("<polyline", drawn)) == 3 * 4
    assert drawn.rstrip().endswith("</svg>")


def test_a_figure_of_another_kind_is_refused_before_the_work(nucloop, brca, tmp_path):
    run = nucloop(
        "compare-detectors", "--data", f"brca-m2c:{brca}", "--models", "denuc-mobilenet", "--figure", tmp_path / "x.gif"
    )
    assert run.code == 1
    assert "The figure is drawn as .svg, not as x.gif" in run.err


def test_a_detector_that_is_not_there_is_said_so_though_it_runs_apart(nucloop, brca):
    run = nucloop("compare-detectors", "--data", f"brca-m2c:{brca}", "--models", "nobody", "--split", "train")
    assert run.code == 1
    assert "nobody is neither a shipped model" in run.err
