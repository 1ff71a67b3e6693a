import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from nucloop.classes import ClassScheme
from nucloop.formats import read_nuclei
from nucloop.metrics.points import Counts

SCHEME = ClassScheme.named("brca-m2c")
LABELS = Path("labels") / "TCGA-C3-03_gt_class_coords.txt"


def plain(tp: int, fp: int, fn: int) -> dict[str, float]:
    return {
        "f1": pytest.approx(2 * tp / (2 * tp + fp + fn)),
        "precision": pytest.approx(tp / (tp + fp)),
        "recall": pytest.approx(tp / (tp + fn)),
        "tp": tp,
        "fp": fp,
        "fn": fn,
    }


def test_the_figures_are_those_of_a_count_by_hand(nucloop, models, brca, tmp_path):
    image = brca / "images" / "TCGA-C3-03.png"
    nucloop("detect", image, "--mpp", 0.5, "--out", tmp_path, *models)
    found = read_nuclei(tmp_path / "TCGA-C3-03.csv", SCHEME)
    n = len(found)
    # detections lie more than 3 µm apart, so a reference point on one of them is that one's partner and no other's
    assert cdist(found.yx, found.yx)[~np.eye(n, dtype=bool)].min() * 0.5 > 3
    truth = found.label.copy()
    truth[:5] = (truth[:5] + 1) % 3  # five are given another class
    known = np.arange(n) < n - 7  # seven are not marked at all
    grid = np.array([(y, x) for y in range(160) for x in range(208)])
    lonely = grid[cdist(grid, found.yx).min(1) * 0.5 > 3.1][:1]  # one nucleus nobody detects, a tumour cell
    assert len(lonely) == 1
    with (brca / LABELS).open("w") as file:
        for (y, x), label in zip(found.yx[known], truth[known], strict=True):
            file.write(f"{y} {x} {label + 1}\n")
        file.write(f"{lonely[0][0]} {lonely[0][1]} 2\n")

    run = nucloop("evaluate", "--data", f"brca-m2c:{brca}", "--split", "val", "--json", tmp_path / "f.json", *models)

    assert run.code == 0
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["detection"] == plain(n - 7, 7, 1)
    wanted = {}
    for label, name in enumerate(SCHEME.names):
        mine, theirs = found.label == label, (truth == label) & known
        tp = int((mine & theirs).sum())
        wanted[name] = plain(tp, int(mine.sum()) - tp, int(theirs.sum()) - tp + (name == "tumour"))
    assert report["classes"] == wanted
    assert report["mean_f1"] == pytest.approx(np.mean([c["f1"].expected for c in wanted.values()]))
    assert report["n_images"] == 1
    assert report["seconds_per_mm2"] > 0
    assert report["peak_memory_mb"] > 50
    assert (report["split"], report["radius_um"], report["dataset"]) == ("val", 3.0, "brca-m2c")
    assert "brca-m2c val: 1 images, boolean one-to-one, pooled over images, radius 3 µm" in run.out


def test_a_wider_radius_forgives_what_a_narrow_one_does_not(nucloop, models, brca, tmp_path):
    nucloop("detect", brca / "images" / "TCGA-C3-03.png", "--mpp", 0.5, "--out", tmp_path, *models)
    yx = read_nuclei(tmp_path / "TCGA-C3-03.csv", SCHEME).yx
    (brca / LABELS).write_text("".join(f"{y + 2} {x} 1\n" for y, x in yx))  # one micron off
    recall = []
    for radius in (0.9, 1.1):
        options = ["--radius-um", radius, "--json", tmp_path / "f.json"]
        nucloop("evaluate", "--data", f"brca-m2c:{brca}", "--split", "val", *options, *models)
        recall.append(json.loads((tmp_path / "f.json").read_text())["detection"]["recall"])

    assert recall == [0.0, 1.0]


def test_hospitals_can_be_chosen_and_left_out(nucloop, models, brca, tmp_path):
    counted = []
    for option in (["--only", "A1"], ["--leave-out", "A1"], []):
        run = nucloop(
            "evaluate", "--data", f"brca-m2c:{brca}", "--split", "train", *option, "--json", tmp_path / "f", *models
        )
        assert run.code == 0
        counted.append(list(json.loads((tmp_path / "f").read_text())["images"]))

    assert counted == [["TCGA-A1-01"], ["TCGA-B2-02"], ["TCGA-A1-01", "TCGA-B2-02"]]


def test_classes_are_joined_by_name_and_detection_alone_is_measured_where_none_is_common(
    nucloop, models, tmp_path, brca
):
    folder = tmp_path / "monuseg"
    (folder / "labels").mkdir(parents=True)
    (brca / "images").rename(folder / "images")
    (folder / "images.csv").write_text("image,mpp\nTCGA-A1-01.png,0.5\n")
    with (folder / "labels" / "TCGA-A1-01.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("x", "y"), (40, 30), (100, 90)])

    run = nucloop("evaluate", "--data", f"monuseg:{folder}", "--split", "test", "--json", tmp_path / "f.json", *models)

    assert run.code == 0
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["classes"] == {}
    assert report["mean_f1"] is None
    assert report["detection"]["tp"] + report["detection"]["fn"] == 2


def test_counts_of_nothing_are_zeros():
    assert Counts().f1 == Counts().precision == Counts().recall == 0


def _spoil(brca: Path, what: str) -> None:
    image, labels = brca / "images" / "TCGA-C3-03.png", brca / LABELS
    if what == "no image":
        image.unlink()
    elif what == "half an image":
        image.write_bytes(image.read_bytes()[:300])
    elif what == "no labels":
        labels.unlink()
    else:
        labels.write_text(what)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("no image", "Cannot read the image"),
        ("half an image", "Cannot read the image"),
        ("no labels", "TCGA-C3-03_gt_class_coords.txt is missing. Is"),
        ("here are words only\n", "cannot be read"),
        ("1 2\n", "cannot be read"),
        ("5 5 9\n", "the labels of TCGA-C3-03.png hold a class or a place that does not exist"),
        ("nan 5 1\n", "the labels of TCGA-C3-03.png hold a class or a place that does not exist"),
    ],
)
def test_a_damaged_data_set_names_the_file(nucloop, models, brca, what, sentence):
    _spoil(brca, what)

    run = nucloop("evaluate", "--data", f"brca-m2c:{brca}", "--split", "val", *models)

    assert run.code == 1
    assert sentence in run.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--data", "brca:BRCA"], "Data set 'brca:BRCA' is not of the form NAME:PATH with NAME one of nucloop, "),
        (["--data", "brca-m2c:/nowhere"], "is missing. Is /nowhere the data set's folder?"),
        (["--data", "brca-m2c:BRCA", "--split", "all"], "brca-m2c has no split 'all'; choose one of train, val, test."),
        (["--data", "brca-m2c:BRCA", "--only", "Z9"], "No image of brca-m2c val is left. Check the names given to"),
    ],
)
def test_a_wrong_question_says_what_can_be_asked(nucloop, models, brca, options, sentence):
    run = nucloop("evaluate", *(o.replace("BRCA", str(brca)) for o in options), *models)

    assert run.code == 1
    assert sentence.replace("BRCA", str(brca)) in run.err


def test_a_report_that_cannot_be_written_is_said_before_the_work(nucloop, models, brca, tmp_path):
    (tmp_path / "file").write_text("not a folder")

    run = nucloop("evaluate", "--data", f"brca-m2c:{brca}", "--json", tmp_path / "file" / "f.json", *models)

    assert run.code == 1
    assert f"Cannot write to {tmp_path / 'file'}: File exists. Choose another folder." in run.err
