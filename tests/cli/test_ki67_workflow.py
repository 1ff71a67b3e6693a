"""Patherea's Ki-67 workflow on a drawn section, as docs/ki67-workflow.md walks through it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SLIDE = ROOT / "sample_data" / "synthetic_ki67.ome.tif"
FIRST = ROOT / "sample_data" / "synthetic_ki67.csv"
CORNERS = {"north west": (150, 150), "north east": (150, 1400), "south west": (1400, 150), "south east": (1400, 1400)}
SIDE = 1000

RECIPE = """
name: ki67-tiny
model: {backbone: shufflenet_v2_x0_5, strides: [8, 16], channels: 16, mpp: 0.5}
crop: 96
threshold: 0.6
beta: 2
loop: {steps: 250, batch: 4, lr: 1.0e-2, backbone_lr: 4.0e-3, average: 0.9}
augment: {scale: 1.1, stain_amount: 0.05, stain_colour: 0, density: 0, blur: 0, noise: 0}
"""


@pytest.fixture
def regions(tmp_path):
    """Four areas chosen by a pathologist, in QuPath's GeoJSON: x before y."""
    features = []
    for name, (y, x) in CORNERS.items():
        ring = [[x, y], [x + SIDE, y], [x + SIDE, y + SIDE], [x, y + SIDE], [x, y]]
        area = {"type": "Polygon", "coordinates": [ring]}
        about = {"objectType": "annotation", "name": name}
        features.append({"type": "Feature", "geometry": area, "properties": about})
    path = tmp_path / "regions.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def second(tmp_path):
    """Another reader: a twentieth of the nuclei left out, a tenth of the tumour nuclei counted the other way."""
    rng = np.random.default_rng(0)
    other = {"tumour positive": "tumour negative", "tumour negative": "tumour positive"}
    path = tmp_path / "reader-2.csv"
    with FIRST.open(newline="") as source, path.open("w", newline="") as target:
        rows = csv.DictReader(source)
        writer = csv.DictWriter(target, rows.fieldnames)
        writer.writeheader()
        for row in rows:
            if rng.random() < 0.1:
                row["class"] = other.get(row["class"], row["class"])
            if rng.random() > 0.05:
                writer.writerow(row)
    return path


def index_by_region(nucloop, nuclei, regions, folder) -> dict[str, float]:
    path = folder / f"index-{Path(nuclei).stem}.json"
    run = nucloop("ki67", nuclei, "--slide", SLIDE, "--regions", regions, "--json", path)
    assert run.code == 0, run.err
    report = json.loads(path.read_text())
    assert len(report["regions"]) == len(CORNERS)
    for one in report["regions"]:
        low, high = one["wilson_95"]
        assert low <= one["index"] <= high
    return {one["name"]: one["index"] for one in report["regions"]}


def test_from_two_readers_to_a_network_that_counts(nucloop, regions, second, tmp_path):
    sources = tmp_path / "sources.csv"
    sources.write_text(f"slide,nuclei,regions,mpp\n{SLIDE},{FIRST},{regions},0.25\n")
    run = nucloop(
        "export-dataset", sources, "--out", tmp_path / "set", "--scheme", "patherea-ki67", "--size", 224,
        "--mpp", 0.5, "--folds", 2, "--group-by", "region", "--licence", "ours",
    )  # fmt: skip
    assert run.code == 0, run.err

    (tmp_path / "recipe.yaml").write_text(RECIPE)
    network = tmp_path / "ki67-p2p.safetensors"
    run = nucloop(
        "train", "patherea", "--data", f"nucloop:{tmp_path / 'set'}", "--split", "train", "--scheme", "patherea-ki67",
        "--recipe", tmp_path / "recipe.yaml", "--out", network,
    )  # fmt: skip
    assert run.code == 0, run.err

    run = nucloop(
        "detect", SLIDE, "--detector", network, "--region", "0,0,2560,2560", "--out", tmp_path / "found",
        "--device", "torch-cpu",
    )  # fmt: skip
    assert run.code == 0, run.err
    (found,) = (tmp_path / "found").glob("*.csv")

    index = {who: index_by_region(nucloop, file, regions, tmp_path) for who, file in
             {"first": FIRST, "second": second, "network": found}.items()}  # fmt: skip
    for name in index["first"]:
        assert index["second"][name] == pytest.approx(index["first"][name], abs=0.15)
        assert index["network"][name] == pytest.approx(index["first"][name], abs=0.25)

    kappa = {}
    for who, other in (("second", second), ("network", found)):
        path = tmp_path / f"agreement-{who}.json"
        run = nucloop("agree", FIRST, other, "--mpp", 0.25, "--regions", regions, "--json", path)
        assert run.code == 0, run.err
        report = json.loads(path.read_text())
        assert report["first_by_second"]["detection"]["f1"] > {"second": 0.9, "network": 0.5}[who]
        assert report["ki67"] is not None
        kappa[who] = report["kappa"]
    assert kappa["second"] > 0.8
    assert kappa["network"] > 0.4
