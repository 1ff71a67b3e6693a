"""GeoJSON as it comes: QuPath of every version, hierarchies, planes, TIAToolbox, geopandas, CellViT."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest

from nucloop.errors import DataError, RegionError
from nucloop.formats import Asked, read_document, read_regions

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.formats import Document

AREAS = Asked(areas_are_nuclei=True)
LARGE = {"type": "Polygon", "coordinates": [[[0, 0], [400, 0], [400, 300], [0, 300], [0, 0]]]}


def square(x: float, y: float, half: float = 4) -> dict[str, Any]:
    """A nucleus as QuPath draws it, with its centre at (x, y) of ours."""
    left, top, right, bottom = x + 0.5 - half, y + 0.5 - half, x + 0.5 + half, y + 0.5 + half
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry: object, **others: object) -> dict[str, Any]:
    top = {key: others.pop(key) for key in ("id", "nucleusGeometry", "childObjects") if key in others}
    return {"type": "Feature", "geometry": geometry, "properties": others, **top}


def read(folder: Path, content: object, name: str = "a.geojson", asked: Asked | None = None) -> Document:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_document(path) if asked is None else read_document(path, asked=asked)


@pytest.mark.parametrize(
    ("identity", "is_nucleus"),
    [
        ("PathDetectionObject", True),
        ("PathCellObject", True),
        ("PathAnnotationObject", False),
        ("PathTileObject", False),
        ("TMACoreObject", False),
        ("0f2b7a35-1d5c-4d4e-9b39-4d5ac4a7d0f1", False),
        (17, False),
    ],
)
def test_the_kind_of_an_object_may_stand_in_its_id(tmp_path: Path, identity: object, is_nucleus: bool) -> None:
    document = read(tmp_path, [feature(square(30, 20), id=identity, classification={"name": "Tumor"})])

    assert (len(document.nuclei), len(document.regions)) == (is_nucleus, not is_nucleus)


def test_a_kind_that_is_said_goes_before_the_id(tmp_path: Path) -> None:
    document = read(tmp_path, [feature(square(30, 20), id="PathAnnotationObject", objectType="detection")])

    assert len(document.nuclei) == 1


@pytest.mark.parametrize("within", ["feature", "properties"])
def test_what_lies_below_an_object_in_the_hierarchy_is_read(tmp_path: Path, within: str) -> None:
    cells = [feature(square(x, 20), objectType="detection", classification={"name": "Tumor"}) for x in (30, 60, 90)]
    inner = feature(square(60, 20, half=50), objectType="annotation")
    outer = feature(LARGE, objectType="annotation")
    for parent, below in ((inner, cells), (outer, [inner])):
        (parent if within == "feature" else parent["properties"])["childObjects"] = below

    document = read(tmp_path, {"type": "FeatureCollection", "features": [outer]})

    np.testing.assert_allclose(document.nuclei.yx, [[20, 30], [20, 60], [20, 90]])
    assert document.class_counts == {"Tumor": 3}
    assert len(document.regions) == 2
    assert len(read_regions(tmp_path / "a.geojson")) == 2


def test_points_with_others_below_them_are_no_plain_points(tmp_path: Path) -> None:
    point = {"type": "Point", "coordinates": [1.5, 2.5]}
    parent = feature(point, measurements={"NucLoop score": 0.5}, childObjects=[feature(point, measurements={})])

    assert len(read(tmp_path, [parent]).nuclei) == 2


def on(plane: dict[str, int], x: float) -> dict[str, Any]:
    return feature({**square(x, 20), "plane": {"c": -1, "z": 0, "t": 0, **plane}}, objectType="detection")


@pytest.mark.parametrize(
    ("planes", "kept", "said"),
    [
        ([{"z": 1}, {"z": 1}, {}], [10, 20], r"2 planes \(z 0: 1 nuclei; z 1: 2 nuclei\).*those on z 1 were read"),
        ([{"t": 3}, {}, {}], [20, 30], r"2 planes .*t 3: 1 nuclei.*those on t 0"),
        ([{"z": 1, "t": 1}, {"z": 2}, {"z": 1, "t": 1}, {}], [10, 30], r"3 planes .*those on z 1, t 1"),
        ([{"z": 4}, {"z": 4}], [10, 20], None),
    ],
)
def test_of_objects_on_several_planes_one_is_read_and_named(
    tmp_path: Path, planes: list[dict[str, int]], kept: list[int], said: str | None
) -> None:
    document = read(tmp_path, [on(plane, 10 * k) for k, plane in enumerate(planes, 1)])

    np.testing.assert_allclose(document.nuclei.yx[:, 1], kept)
    outlines = document.nuclei.outlines
    assert outlines is not None
    assert len(outlines) == len(kept)
    remarks = " ".join(document.remarks)
    assert re.search(said or r"\A\Z", remarks)


def test_points_on_planes_are_told_apart_too(tmp_path: Path) -> None:
    points = [{"type": "Point", "coordinates": [k + 0.5, 0.5], "plane": {"z": k % 3}} for k in range(4)]

    document = read(tmp_path, [feature(point, measurements={}) for point in points])

    assert document.nuclei.yx[:, 1].tolist() == [0, 3]


def test_of_areas_on_several_planes_those_of_one_are_regions(tmp_path: Path) -> None:
    areas = [feature({**square(10 * k, 20), "plane": {"z": k // 2}}) for k in range(3)]
    told: list[str] = []

    document = read(tmp_path, areas)

    assert len(document.regions) == 2
    assert len(read_regions(tmp_path / "a.geojson", told.append)) == 2
    assert "those on z 0 were read" in told[0]


EMPTY = [
    None,
    {"type": "Polygon", "coordinates": []},
    {"type": "Polygon", "coordinates": [[]]},
    {"type": "MultiPolygon", "coordinates": []},
    {"type": "Polygon", "coordinates": [[[1, 1], [2, 2], [1, 1]]]},
    {"type": "Polygon", "coordinates": [[[1, 1], [1, 1], [1, 1], [1, 1]]]},
]


@pytest.mark.parametrize("kind", ["detection", "annotation", "cell"])
@pytest.mark.parametrize("geometry", EMPTY[:5])
def test_an_empty_outline_leaves_out_that_object_alone_and_is_said(tmp_path: Path, geometry: object, kind: str) -> None:
    document = read(tmp_path, [feature(geometry, objectType=kind), feature(square(30, 20), objectType=kind)])

    assert len(document.nuclei) + len(document.regions) == 1
    assert "1 objects have an outline that encloses nothing" in " ".join(document.remarks)


@pytest.mark.parametrize("geometry", EMPTY)
def test_an_empty_area_leaves_the_others(tmp_path: Path, geometry: object) -> None:
    told: list[str] = []
    read(tmp_path, [feature(geometry), feature(LARGE)])

    assert len(read_regions(tmp_path / "a.geojson", told.append)) == 1
    assert len(told) == (geometry is not None)


def test_an_area_of_pieces_of_which_one_is_empty_keeps_the_other(tmp_path: Path) -> None:
    several = {"type": "MultiPolygon", "coordinates": [[[[1, 1], [2, 2], [1, 1]]], LARGE["coordinates"]]}
    read(tmp_path, [feature(several)])

    [region] = read_regions(tmp_path / "a.geojson")

    assert region.area == 400 * 300


@pytest.mark.parametrize(
    "content",
    [
        LARGE,
        [LARGE],
        {"type": "GeometryCollection", "geometries": [LARGE]},
        {"type": "MultiPolygon", "coordinates": [LARGE["coordinates"]]},
        feature({"type": "GeometryCollection", "geometries": [LARGE]}),
        {"type": "FeatureCollection", "features": [LARGE]},
    ],
)
def test_bare_geometries_are_regions(tmp_path: Path, content: object) -> None:
    document = read(tmp_path, content)

    assert [region.area for region in document.regions] == [400 * 300]
    assert [region.area for region in read_regions(tmp_path / "a.geojson")] == [400 * 300]


def test_a_bare_point_is_a_nucleus(tmp_path: Path) -> None:
    points = [{"type": "Point", "coordinates": [3.5, 2.5]}, {"type": "MultiPoint", "coordinates": [[1.5, 1.5]]}]

    assert read(tmp_path, points).nuclei.yx.tolist() == [[2, 3], [1, 1]]


@pytest.mark.parametrize(
    "properties",
    [
        {"type": "Tumor"},
        {"class": "Tumor"},
        {"label": "Tumor", "area": 3.5},
        {"class_name": "Tumor"},
        {"classification": "Tumor"},
        {"classification": json.dumps({"name": "Tumor", "color": [1, 2, 3]})},
        {"classification": {"name": "Tumor", "colorRGB": -1}},
    ],
)
@pytest.mark.parametrize("shape", ["Point", "Polygon"])
def test_the_class_of_other_programs_is_found(tmp_path: Path, properties: dict[str, object], shape: str) -> None:
    geometry = square(30, 20) if shape == "Polygon" else {"type": "Point", "coordinates": [30.5, 20.5]}
    content = {"type": "FeatureCollection", "features": [feature(geometry, measurements={}, **properties)]}

    document = read(tmp_path, content, asked=AREAS)

    np.testing.assert_allclose(document.nuclei.yx, [[20, 30]])
    assert document.class_counts == {"Tumor": 1}


@pytest.mark.parametrize(("number", "name"), [(2, "2"), (2.0, "2"), (0, "0")])
def test_a_class_may_be_a_number(tmp_path: Path, number: float, name: str) -> None:
    assert read(tmp_path, [feature(square(30, 20), type=number)], asked=AREAS).class_counts == {name: 1}


def test_areas_are_nuclei_with_outlines_where_a_person_says_so(tmp_path: Path) -> None:
    drawn = [feature(square(x, 20), objectType="annotation", classification={"name": "Tumor"}) for x in (30, 60)]

    assert len(read(tmp_path, drawn).regions) == 2
    document = read(tmp_path, drawn, asked=AREAS)

    np.testing.assert_allclose(document.nuclei.yx, [[20, 30], [20, 60]])
    assert document.regions == ()
    outlines = document.nuclei.outlines
    assert outlines is not None
    np.testing.assert_allclose(outlines[0], np.array([[16, 26], [16, 34], [24, 34], [24, 26]]))


NAMES = ["cells.geojson", "slide_cells.geojson", "cell_detection.geojson", "other.cellvit.geojson"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_cellvits_own_files_are_known_by_their_names(tmp_path: Path, name: str, packed: bool) -> None:
    ring = [[102.0, 52.0], [110.0, 52.0], [110.0, 60.0], [102.0, 60.0], [102.0, 52.0]]
    geometry = {"type": "MultiPolygon", "coordinates": [[ring]]}
    if "detection" in name:
        geometry = {"type": "MultiPoint", "coordinates": [[106, 56]]}
    text = json.dumps([feature(geometry, objectType="annotation", classification={"name": "Neoplastic"})]).encode()
    path = tmp_path / (f"{name}.snappy" if packed else name)
    path.write_bytes(imagecodecs.snappy_encode(text) if packed else text)

    document = read_document(path)

    np.testing.assert_allclose(document.nuclei.yx, [[56, 106]])
    assert document.class_counts == {"Neoplastic": 1}


@pytest.mark.parametrize("name", ["cells.geojson", "slide_cells.geojson"])
def test_qupaths_cells_may_be_called_like_cellvits_file(tmp_path: Path, name: str) -> None:
    document = read(tmp_path, [feature(square(30, 20), objectType="cell")], name)

    np.testing.assert_allclose(document.nuclei.yx, [[20, 30]])


def test_an_outline_far_from_any_slide_still_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere near a slide"):
        read(tmp_path, [feature({"type": "Polygon", "coordinates": [[[0, 0], [1e300, 0], [5, 5]]]})])
    with pytest.raises(RegionError, match="nowhere near a slide"):
        read_regions(tmp_path / "a.geojson")
