import json

import pytest


def evaluated(nucloop, brca, tmp_path, *options):
    run = nucloop("evaluate", "--data", f"brca-m2c:{brca}", "--json", tmp_path / "f.json", *options)
    assert run.code == 0, run.err
    return run, json.loads((tmp_path / "f.json").read_text())


def test_a_rule_is_named_with_its_flaw_and_counts_by_itself(nucloop, models, brca, tmp_path):
    _, plain = evaluated(nucloop, brca, tmp_path, *models)
    run, many = evaluated(nucloop, brca, tmp_path, *models, "--rule", "greedy-many")

    assert plain["rule"] == "boolean one-to-one, pooled over images"
    assert many["rule"] == "greedy many-to-one (flawed: overestimates), pooled over images"
    assert many["rule"] in run.out
    assert many["detection"]["f1"] >= plain["detection"]["f1"]
    assert set(many) == set(plain)


def test_details_add_intervals_averages_confusion_and_hovernets_figures(nucloop, models, brca, tmp_path):
    run, report = evaluated(nucloop, brca, tmp_path, *models, "--split", "train", "--details")

    low, high = report["f1_interval_95"]["detection"]
    assert low <= report["detection"]["f1"] <= high
    assert set(report["per_image_f1"]["classes"]) == set(report["classes"])
    assert sum(map(sum, report["confusion"]["reference_by_predicted"])) == sum(
        report["detection"][key] for key in ("tp", "fp", "fn")
    )
    assert report["hovernet"]["f_d"] == pytest.approx(report["detection"]["f1"])
    assert len(report["data_sha256"]) == 64
    assert "false alarm" in run.out
    assert "95%" in run.out


def test_several_data_sets_and_models_make_one_table(nucloop, models, weights, brca, tmp_path):
    trio = ",".join(str(weights / f"{kind}.safetensors") for kind in ("detector", "encoder", "head"))
    options = ["--data", f"brca-m2c:{brca}", "--models", trio, "--models", trio, "--table", tmp_path / "t.csv"]
    _, report = evaluated(nucloop, brca, tmp_path, *options, "--device", "torch-cpu")

    assert [run["dataset"] for run in report["runs"]] == ["brca-m2c"] * 4
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0] == "run,dataset,images,what,f1,precision,recall,tp,fp,fn,radius_um,rule"
    assert len(lines) == 1 + 4 * 5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--rule", "hungarian"], "There is no matching rule 'hungarian'. Choose one of boolean"),
        (
            ["--models", "denuc-mobilenet,embedded"],
            "--models 'denuc-mobilenet,embedded' is neither DETECTOR nor DETECTOR,ENCODER,HEAD",
        ),
        (["--table", "t.txt"], "A table is written as .md or .csv, not as t.txt"),
    ],
)
def test_a_wrong_option_is_said_before_the_work(nucloop, models, brca, options, sentence):
    run = nucloop("evaluate", "--data", f"brca-m2c:{brca}", *options, *models)
    assert run.code == 1
    assert sentence in run.err
