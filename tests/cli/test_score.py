import csv
import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.export.build import DatasetConfig, export_dataset
from nucloop.export.cutting import CutConfig
from nucloop.export.sources import Source
from nucloop.formats import Document, SlideInfo, write_document, write_nuclei
from nucloop.geometry import Region
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array

SCHEME = ClassScheme.named("brca-m2c")
SLIDE = SlideInfo(name="slide", height=1000, width=1000, mpp=0.5)


def table(path, rows):
    """Write rows (y, x, class) as the plainest table there is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("y", "x", "class"), *rows])
    return path


def square(path, *boxes):
    """Write areas (y, x, height, width) as QuPath does."""
    features = []
    for y, x, h, w in boxes:
        ring = [[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]]
        features.append({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def files(tmp_path):
    """Three references a, b, a; predictions: one right, one of the wrong class, one nowhere near."""
    truth = table(tmp_path / "truth.csv", [(0, 0, "a"), (0, 100, "b"), (0, 200, "a")])
    return table(tmp_path / "found.csv", [(0, 2, "a"), (0, 102, "a"), (500, 0, "b")]), truth


@pytest.mark.parametrize("name", ["[red]", "[/red]", ":heart:"])
def test_classes_are_called_in_the_tables_what_they_are_called(nucloop, tmp_path, name):
    # the terminal's own language ate the first, ended the command in a traceback at the second, drew the third
    both = [table(tmp_path / file, [(0, 0, name), (0, 100, "b")]) for file in ("found.csv", "truth.csv")]

    run = nucloop("score", *both, "--mpp", 0.5)

    assert (run.code, run.err.strip()) == (0, "")
    assert name in run.out


def test_two_bare_tables_are_scored_and_the_file_says_all(nucloop, files, tmp_path):
    run = nucloop("score", *files, "--mpp", 0.5, "--json", tmp_path / "f.json")

    assert run.code == 0
    assert "truth.csv: 1 images, boolean one-to-one, pooled over images, radius 3 µm" in run.out
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["detection"] == {"f1": 2 / 3, "precision": 2 / 3, "recall": 2 / 3, "tp": 2, "fp": 1, "fn": 1}
    assert {name: (c["tp"], c["fp"], c["fn"]) for name, c in report["classes"].items()} == {
        "a": (1, 1, 1),
        "b": (0, 1, 1),
    }
    assert report["mean_f1"] == pytest.approx(0.25)
    assert report["confusion"]["names"] == ["a", "b", "no class", "nothing"]
    assert report["confusion"]["reference_by_predicted"] == [[1, 0, 0, 1], [1, 0, 0, 0], [0] * 4, [0, 1, 0, 0]]
    assert report["f1_interval_95"] is None
    [file] = report["files"]
    assert (file["name"], file["mpp"]) == ("truth", 0.5)
    for kind, path in zip(("predicted", "reference"), files, strict=True):
        assert file[f"{kind}_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {"napari-nucloop", "numpy", "scipy"} <= set(report["versions"])


def test_every_rule_can_be_asked_for_and_flawed_ones_say_so(nucloop, tmp_path):
    # as drawn in the manual
    truth = table(tmp_path / "truth.csv", [(0, 0, "a"), (0, 20, "a")])
    found = table(tmp_path / "found.csv", [(0, 4, "a"), (0, -8, "a"), (0, 5, "a")])
    f1 = {}
    for rule in ("boolean", "score-greedy", "hungarian-distance", "greedy-many"):
        run = nucloop("score", found, truth, "--mpp", 0.5, "--rule", rule, "--json", tmp_path / "f.json")
        report = json.loads((tmp_path / "f.json").read_text())
        assert (report["rule_name"], report["rule"].split(",")[0] in run.out) == (rule, True)
        f1[rule] = (report["detection"]["f1"], report["rule_flaw"])

    assert f1["boolean"] == (0.4, None)
    assert f1["score-greedy"] == (0.4, None)
    assert f1["hungarian-distance"] == (0.4, "underestimates")
    assert f1["greedy-many"] == (pytest.approx(2 / 3), "overestimates")


def test_the_resolution_is_taken_from_the_files_when_they_state_one(nucloop, tmp_path):
    nuclei = Nuclei.from_points(SCHEME, [[10, 10], [50, 50]], label=[0, 1])
    write_nuclei(tmp_path / "truth.geojson", nuclei, SLIDE)
    write_nuclei(tmp_path / "found.csv", nuclei.take([0]), SLIDE)

    run = nucloop("score", tmp_path / "found.csv", tmp_path / "truth.geojson", "--json", tmp_path / "f.json")

    assert run.code == 0
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["files"][0]["mpp"] == 0.5
    assert report["classes"]["lymphocyte"]["f1"] == 1
    assert report["classes"]["stromal"]["tp"] == 0

    other = SlideInfo(name="slide", height=1000, width=1000, mpp=0.25)
    write_nuclei(tmp_path / "found.csv", nuclei, other)
    run = nucloop("score", tmp_path / "found.csv", tmp_path / "truth.geojson")
    assert run.code == 1
    assert "found.csv and truth.geojson state different resolutions (0.25 and 0.5 µm per pixel)" in run.err


def test_only_what_lies_inside_regions_and_outside_ignored_ones_counts(nucloop, files, tmp_path):
    regions = square(tmp_path / "r.geojson", (-10, -10, 30, 60), (-10, 90, 30, 60))
    nucloop("score", *files, "--mpp", 0.5, "--regions", regions, "--json", tmp_path / "f.json")
    report = json.loads((tmp_path / "f.json").read_text())
    assert (report["detection"]["tp"], report["detection"]["fp"], report["detection"]["fn"]) == (2, 0, 0)
    assert list(report["images"]) == ["truth, region 1", "truth, region 2"]
    assert report["f1_interval_95"]["detection"] == [1, 1]

    ignored = square(tmp_path / "i.geojson", (490, -10, 20, 20))
    nucloop("score", *files, "--mpp", 0.5, "--ignore", ignored, "--json", tmp_path / "f.json")
    assert json.loads((tmp_path / "f.json").read_text())["detection"]["fp"] == 0


def test_ignored_areas_of_the_files_are_left_out_over_the_whole_slide_and_that_is_said(nucloop, tmp_path):
    truth = Nuclei.from_points(SCHEME, [[10, 10], [50, 50], [90, 90]], label=[0, 1, 1])
    found = Nuclei.from_points(SCHEME, [[10, 10], [52, 50], [55, 90]], label=[0, 1, 1])
    fold = Region(np.array([[45, 45], [45, 99], [99, 99], [99, 45]]), kind="ignore")
    tumour = Region(np.array([[0, 0], [0, 99], [99, 99], [99, 0]]), kind="tumour")
    write_document(tmp_path / "truth.geojson", Document(nuclei=truth, slide=SLIDE, regions=(fold, tumour)), "geojson")
    write_nuclei(tmp_path / "found.csv", found, SLIDE)

    run = nucloop("score", tmp_path / "found.csv", tmp_path / "truth.geojson", "--json", tmp_path / "f.json")

    report = json.loads((tmp_path / "f.json").read_text())
    assert (report["detection"]["tp"], report["detection"]["fp"], report["detection"]["fn"]) == (1, 0, 0)
    assert report["ignored_regions"] == 1
    words = "1 ignored area is left out, with 2 found nuclei and 2 of the reference"
    assert words in " ".join(run.out.split())
    # a file of nothing but such areas is what --ignore is for
    write_document(tmp_path / "folds.geojson", Document(nuclei=truth.take([]), slide=SLIDE, regions=(fold,)), "geojson")
    write_nuclei(tmp_path / "plain.csv", truth, SLIDE)
    files = tmp_path / "found.csv", tmp_path / "plain.csv"
    run = nucloop("score", *files, "--ignore", tmp_path / "folds.geojson", "--json", tmp_path / "f.json")
    assert run.code == 0, run.err
    assert json.loads((tmp_path / "f.json").read_text())["detection"]["tp"] == 1
    assert words in " ".join(run.out.split())


def test_folders_are_paired_by_name_and_tabulated(nucloop, tmp_path):
    for name, shift in (("one", 0), ("two", 50)):
        table(tmp_path / "truth" / f"{name}.csv", [(0, 0, "a"), (100, 0, "b")])
        table(tmp_path / "found" / f"{name}.csv", [(0, shift, "a"), (100, 0, "b")])

    run = nucloop(
        "score", tmp_path / "found", tmp_path / "truth", "--mpp", 0.5,
        "--json", tmp_path / "f.json", "--table", tmp_path / "t.md",
    )  # fmt: skip

    assert run.code == 0
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["n_images"] == 2
    assert report["per_image_f1"] == {"detection": 0.75, "mean": 0.75, "classes": {"a": 0.5, "b": 1.0}}
    low, high = report["f1_interval_95"]["detection"]
    assert low <= 0.75 <= high
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines[0].startswith("| run | dataset | images | what | f1 |")
    assert len(lines) == 2 + 4
    (tmp_path / "found" / "two.csv").unlink()
    run = nucloop("score", tmp_path / "found", tmp_path / "truth", "--mpp", 0.5)
    assert run.code == 1
    assert "has no predictions for two. An image without nuclei needs a file without rows" in run.err


def test_classes_unknown_to_the_reference_are_named(nucloop, tmp_path):
    truth = table(tmp_path / "truth.csv", [(0, 0, "Tumor")])
    found = table(tmp_path / "found.csv", [(0, 0, "tumor"), (0, 50, "fat")])
    run = nucloop("score", found, truth, "--mpp", 0.5, "--json", tmp_path / "f.json")
    assert "found.csv: fat counted as detections, not as a class" in run.out
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["classes"]["Tumor"]["f1"] == 1
    assert report["detection"]["fp"] == 1


def test_points_without_classes_are_scored_as_detections(nucloop, tmp_path):
    for name in ("truth", "found"):
        (tmp_path / f"{name}.csv").write_text("y,x\n1,1\n50,50\n")
    run = nucloop("score", tmp_path / "found.csv", tmp_path / "truth.csv", "--mpp", 1, "--json", tmp_path / "f.json")
    assert run.code == 0
    report = json.loads((tmp_path / "f.json").read_text())
    assert (report["detection"]["f1"], report["classes"], report["mean_f1"]) == (1.0, {}, None)


def test_evaluate_and_score_give_the_same_figures_for_the_same_nuclei(nucloop, models, brca, tmp_path):
    nucloop("evaluate", "--data", f"brca-m2c:{brca}", "--split", "val", "--json", tmp_path / "e.json", *models)
    nucloop("detect", brca / "images" / "TCGA-C3-03.png", "--mpp", 0.5, "--out", tmp_path, *models)
    labels = np.loadtxt(brca / "labels" / "TCGA-C3-03_gt_class_coords.txt", int)
    rows = [(y, x, SCHEME.names[c - 1]) for y, x, c in labels]
    truth = table(tmp_path / "truth.csv", rows)

    nucloop("score", tmp_path / "TCGA-C3-03.csv", truth, "--json", tmp_path / "s.json", "--radius-um", 3)

    one, other = (json.loads((tmp_path / f"{k}.json").read_text()) for k in "es")
    for key in ("detection", "classes", "rule", "radius_um", "n_images"):
        assert one[key] == other[key]
    assert one["mean_f1"] == pytest.approx(other["mean_f1"])


def test_evaluate_and_score_count_the_same_classes_when_the_data_write_them_otherwise(nucloop, models, brca, tmp_path):
    names = ("Immune cells", "TUMOR", "Stroma")
    scheme = ClassScheme("otherwise", tuple(NucleusClass(name, "#123456") for name in names))
    x, y, label = np.loadtxt(brca / "labels" / "TCGA-C3-03_gt_class_coords.txt", int)[:, [1, 0, 2]].T
    pixels = np.asarray(Image.open(brca / "images" / "TCGA-C3-03.png"))
    truth = Nuclei.from_points(scheme, np.stack([y, x], 1), label=label - 1)
    source = Source(slide_from_array(pixels, mpp=0.5, name="one"), truth, (), "patient")
    config = DatasetConfig(name="set", cut=CutConfig(size=None), group_by="slide", folds=1)
    list(export_dataset([source], tmp_path / "set", config))
    [image], [points] = ((tmp_path / "set" / part).iterdir() for part in ("images", "points"))

    data = f"nucloop:{tmp_path / 'set'}"
    run = nucloop("evaluate", "--data", data, "--split", "train", "--json", tmp_path / "e.json", *models)
    assert run.code == 0, run.err
    nucloop("detect", image, "--mpp", 0.5, "--out", tmp_path / "found", "--format", "geojson", *models)
    found = tmp_path / "found" / f"{image.stem}.geojson"
    nucloop("score", found, points, "--mpp", 0.5, "--json", tmp_path / "s.json")

    one, other = (json.loads((tmp_path / f"{k}.json").read_text()) for k in "es")
    assert list(one["classes"]) == list(other["classes"]) == list(names)
    assert one["classes"] == other["classes"]
    assert one["mean_f1"] > 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Neither found.csv nor truth.csv says how many µm a pixel is. Give it, for example --mpp 0.25"),
        (["--mpp", 0.5, "--rule", "best"], "There is no matching rule 'best'. Choose one of boolean, score-greedy"),
        (["--mpp", 0.5, "--table", "t.xls"], "A table is written as .md or .csv, not as t.xls."),
    ],
)
def test_a_wrong_question_says_what_can_be_asked(nucloop, files, options, sentence):
    run = nucloop("score", *files, *options)
    assert run.code == 1
    assert sentence in run.err


def test_missing_files_and_unequal_kinds_are_named(nucloop, files, tmp_path):
    found, truth = files
    assert "There is no file or folder" in nucloop("score", tmp_path / "no.csv", truth).err
    assert "must both be files or both be folders" in nucloop("score", found, tmp_path).err
    (tmp_path / "empty").mkdir()
    assert "holds no file of nuclei" in nucloop("score", tmp_path / "empty", tmp_path / "empty").err
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert nucloop("score", tmp_path / "a.png", truth, "--mpp", 1).code == 1
    table(tmp_path / "d" / "one.csv", [])
    table(tmp_path / "d" / "one.geojson", [])
    assert "holds two files for one" in nucloop("score", tmp_path / "d", tmp_path / "d").err
