"""``nucloop classify`` on cells as QuPath exports them: classes come, ids and outlines stay."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nucloop.formats import read_document
from nucloop.learning.featurise import encoder_stage, features_at
from nucloop.models.files.cards import load_encoder, load_head
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], float)
PLACES = [(20.5, 30.25), (100.0, 40.5), (60.125, 120.0), (150.5, 90.0)]


def polygon(x: float, y: float, side: float) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [(np.array([x, y]) + side * (SQUARE - 0.5)).tolist()]}


def cells() -> list[dict[str, Any]]:
    """Cells with their nuclei, as QuPath's and InstanSeg's exports have them; the last is a detection without class."""
    rng = np.random.default_rng(0)
    features = []
    for k, (x, y) in enumerate(PLACES):
        one = {
            "type": "Feature",
            "id": str(uuid.UUID(bytes=rng.bytes(16), version=4)),
            "geometry": polygon(x, y, 12),
            "nucleusGeometry": polygon(x, y, 7),
            "properties": {
                "objectType": "cell",
                "classification": {"name": "Positive", "color": [250, 62, 62]},
                "measurements": {"Nucleus: Area": 49.0},
            },
        }
        if k == len(PLACES) - 1:
            one["properties"] = {"objectType": "detection"}
            del one["nucleusGeometry"]
        features.append(one)
    return features


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cells.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": cells()}))
    return path


@pytest.fixture
def options(slide: Path, weights: Path) -> list[object]:
    models = ["--encoder", weights / "encoder.safetensors", "--head", weights / "head.safetensors"]
    return ["--slide", slide, "--mpp", 0.5, "--device", "torch-cpu", *models]


def features_of(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["features"]


def shapes(features: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    kind = [one["properties"]["objectType"] for one in features]
    return [
        (one["id"], kind, one["geometry"], one.get("nucleusGeometry")) for one, kind in zip(features, kind, strict=True)
    ]


def test_cells_of_qupath_get_the_classes_of_the_head_and_go_back_as_they_came(
    nucloop, file, options, slide, weights, tmp_path
):
    out = tmp_path / "classified.geojson"
    run = nucloop("classify", file, "--out", out, *options)

    assert run.code == 0, run.err
    assert f"{out}: 4 nuclei (" in run.out
    assert shapes(features_of(out)) == shapes(cells())

    net, card = load_encoder(str(weights / "encoder.safetensors"))
    head, _ = load_head(str(weights / "head.safetensors"))
    with open_slide(slide, mpp=0.5) as picture:
        features = np.zeros((4, 8), np.float32)
        for part in features_at(picture, encoder_stage(net, card, "torch-cpu"), read_document(file).nuclei.yx):
            features[part.rows] = part.features
    wanted = [head.scheme.classes[k].qupath for k in head.classify(features)[0]]
    assert [one["properties"]["classification"]["name"] for one in features_of(out)] == wanted
    assert {one["properties"]["metadata"]["NucLoop origin"] for one in features_of(out)} == {"predicted"}


def test_what_a_person_said_is_kept_and_the_others_lose_their_authors_name(nucloop, file, options, tmp_path):
    table = tmp_path / "said.csv"
    assert nucloop("convert", file, table).code == 0
    header, *rows = table.read_text().splitlines()
    names = header.split(",")
    origin, label = names.index("origin"), names.index("class")
    lines = [row.split(",", max(origin, label) + 1) for row in rows]
    for line, said in zip(lines, ("corrected", "predicted", "imported", "imported"), strict=True):
        line[origin], line[label] = said, "stromal" if said == "corrected" else "Positive"
    header = header.replace('""Positive""', '""stromal""')
    text = [f"author,{header}", *("Ann," + ",".join(line) for line in lines)]
    table.write_text("\n".join(text) + "\n")

    run = nucloop("classify", table, "--out", tmp_path / "out.csv", *options)

    assert run.code == 0, run.err
    assert "1 keep the class that a person gave" in run.out
    document = read_document(tmp_path / "out.csv")
    assert document.nuclei.scheme.names[document.nuclei.label[0]] == "stromal"
    assert document.notes["author"].tolist() == ["Ann", "", "", ""]
    assert document.notes["uuid"].tolist() == [one["id"] for one in cells()]


def test_a_file_without_cells_is_a_sentence(nucloop, options, tmp_path):
    empty = tmp_path / "none.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    run = nucloop("classify", empty, "--out", tmp_path / "out.geojson", *options)
    assert run.code == 1
    assert "There are no cells to classify in none.geojson" in run.err


def test_cells_that_lie_outside_the_slide_are_refused_unless_one_insists(nucloop, options, tmp_path):
    there = cells()
    there[0]["geometry"] = polygon(900, 900, 12)
    del there[0]["nucleusGeometry"]
    path = tmp_path / "far.geojson"
    path.write_text(json.dumps(there))
    run = nucloop("classify", path, "--out", tmp_path / "out.geojson", *options)
    assert run.code == 1
    assert "Give the right slide, or --anyway." in run.err

    run = nucloop("classify", path, "--out", tmp_path / "out.geojson", *options, "--anyway")
    assert run.code == 0, run.err
    assert len(features_of(tmp_path / "out.geojson")) == 4


def test_a_head_of_another_encoder_is_refused(nucloop, file, slide, weights, tmp_path):
    more = ["--slide", slide, "--mpp", 0.5, "--encoder", weights / "encoder.safetensors"]
    run = nucloop("classify", file, "--out", tmp_path / "out.geojson", "--head", "brca-m2c", *more)
    assert run.code == 1
    assert "another encoder" in run.err
    run = nucloop("classify", file, "--out", tmp_path / "out.geojson", *more)
    assert run.code == 1
    assert "No head ships for the encoder encoder. Give one that you learned, with --head." in run.err
