"""Our files in the hands of the programs they are meant for, where these are installed."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nucloop.classes import builtin_schemes
from nucloop.formats import Region, SlideInfo, write_nuclei
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from pathlib import Path

SCHEME = builtin_schemes()["brca-m2c"]
SLIDE = SlideInfo(name="slide.svs", height=5000, width=5000, mpp=0.25)
REGION = Region(np.array([[1.0, 2.0], [1.0, 50.0], [60.0, 50.0]]), name="field 1")
POINT_KEYS = {"type", "center", "id", "label", "user", "group", "lineColor", "lineWidth", "fillColor"}
LINE_KEYS = POINT_KEYS - {"center"} | {"points", "closed", "holes"}


@pytest.fixture
def nuclei() -> Nuclei:
    rng = np.random.default_rng(0)
    probability = rng.dirichlet([1, 1, 1], 60)
    return Nuclei.from_points(
        SCHEME,
        rng.uniform(0, 5000, (60, 2)),
        label=rng.integers(-1, 3, 60),
        probability=probability,
        score=rng.random(60),
        ids=np.arange(1, 61),
    )


@pytest.fixture
def outlined(nuclei: Nuclei) -> Nuclei:
    """Every other one has a square around it."""
    corners = np.array([[-8, -8], [-8, 8], [8, 8], [8, -8]])
    rings = [place + corners if k % 2 else None for k, place in enumerate(nuclei.yx)]
    return replace(nuclei, outlines=Outlines.of(rings))


def test_annotations_for_histomicsui_have_no_property_that_its_schema_refuses(tmp_path: Path, outlined: Nuclei) -> None:
    path = tmp_path / "nuclei.dsa.json"

    write_nuclei(path, outlined, SLIDE, regions=[REGION])

    document = json.loads(path.read_text())
    assert set(document) == {"name", "description", "attributes", "elements"}
    for element in document["elements"]:
        assert set(element) <= (POINT_KEYS if element["type"] == "point" else LINE_KEYS)
        assert len(element.get("id", "0" * 24)) == 24
        assert all(len(point) == 3 for point in element.get("points", [element.get("center")]))
    schema = pytest.importorskip("girder_large_image_annotation.models.annotation").AnnotationSchema.annotationSchema
    pytest.importorskip("jsonschema").Draft6Validator(schema).validate(document)


def test_tiatoolbox_opens_a_store_and_finds_what_lies_in_a_box(tmp_path: Path, nuclei: Nuclei) -> None:
    storage = pytest.importorskip("tiatoolbox.annotation.storage")
    path = tmp_path / "nuclei.db"
    write_nuclei(path, nuclei, SLIDE, regions=[REGION])

    store = storage.SQLiteStore(path)

    assert len(store) == len(nuclei) + 1
    inside = int(((nuclei.yx > 1000) & (nuclei.yx < 3000)).all(axis=1).sum())
    assert len(store.query((1000, 1000, 3000, 3000))) == inside
    assert len(store.query(where="props['type'] == 'tumour'")) == nuclei.counts()["tumour"]
    store.close()


def test_an_r_tree_is_part_of_this_pythons_sqlite() -> None:
    with sqlite3.connect(":memory:") as store:
        assert ("ENABLE_RTREE",) in store.execute("PRAGMA compile_options").fetchall()
    store.close()


# pycocotools' own, where it hands a mask to NumPy
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_pycocotools_reads_images_categories_keypoints_and_outlines(tmp_path: Path, outlined: Nuclei) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    path, nuclei = tmp_path / "nuclei.coco.json", outlined
    write_nuclei(path, nuclei, SLIDE)

    found = coco.COCO(str(path))

    names = [one["name"] for one in found.loadCats(found.getCatIds())]
    assert names == [*SCHEME.names, "unlabelled"]
    assert len(found.getAnnIds(catIds=[2])) == nuclei.counts()["tumour"]
    assert len(found.loadRes(found.loadAnns(found.getAnnIds())).anns) == len(nuclei)
    row = int(np.argmin(np.abs(nuclei.yx - 2500).max(1) + 1e6 * ~nuclei.outlines.there))
    mask = found.annToMask(found.anns[int(nuclei.ids[row])])
    assert mask.shape == (5000, 5000)
    np.testing.assert_allclose(np.argwhere(mask).mean(0), nuclei.yx[row], atol=1)
