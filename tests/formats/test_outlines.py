"""Outlines of nuclei and of cells in files of other programs: kept as they are, and what is not kept is said."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nucloop.classes import builtin_schemes
from nucloop.errors import DataError
from nucloop.formats import FORMATS, Document, SlideInfo, adopt, read_document, write_document, write_nuclei
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.session import Session, SlideIdentity
from nucloop.session.exchange import document_of

if TYPE_CHECKING:
    from pathlib import Path

SCHEME = builtin_schemes()["brca-m2c"]
SLIDE = SlideInfo(name="s", height=100, width=100, mpp=0.25)
NUCLEUS = [[10, 20], [14, 20], [14, 30], [10, 30], [10, 20]]
CELL = [[6, 16], [20, 16], [20, 36], [6, 36], [6, 16]]
HOLE = [[11, 22], [12, 22], [12, 23], [11, 22]]
SMALL = [[50, 50], [51, 50], [51, 51], [50, 50]]
OUTLINED = [name for name, kind in FORMATS.items() if kind.carries.outlines]


def polygon(*rings: list[list[int]]) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": list(rings)}


def qupath(kind: str, geometry: object, nucleus: object = None, **properties: object) -> dict[str, object]:
    """An object as QuPath writes it."""
    inner = {} if nucleus is None else {"nucleusGeometry": nucleus}
    return {"type": "Feature", "geometry": geometry, **inner, "properties": {"objectType": kind, **properties}}


def read(path: Path, content: object) -> Document:
    path.write_text(json.dumps(content))
    return read_document(path)


def corners(outlines: Outlines | None, row: int = 0) -> list[list[float]] | None:
    """An outline as QuPath counts, x before y."""
    assert outlines is not None
    ring = outlines[row]
    return None if ring is None else (ring[:, ::-1] + 0.5).tolist()


CELLS = [
    qupath("cell", polygon(CELL), polygon(NUCLEUS), classification={"name": SCHEME.classes[1].qupath}),
    qupath("cell", polygon(CELL)),
    qupath("detection", polygon(NUCLEUS)),
    qupath("detection", {"type": "Point", "coordinates": [3.5, 4.5]}),
]


def test_a_cell_of_qupath_has_the_outline_of_its_nucleus_and_that_of_the_cell(tmp_path: Path) -> None:
    document = read(tmp_path / "cells.geojson", CELLS)

    nuclei = document.nuclei
    assert [corners(nuclei.outlines, k) for k in range(4)] == [NUCLEUS[:4], None, NUCLEUS[:4], None]
    assert [corners(nuclei.cell_outlines, k) for k in range(4)] == [CELL[:4], CELL[:4], None, None]
    np.testing.assert_allclose(nuclei.yx, [[24.5, 11.5], [25.5, 12.5], [24.5, 11.5], [4, 3]])
    assert document.remarks == ()


def test_cells_of_qupath_that_were_in_a_session_come_back_as_cells(tmp_path: Path) -> None:
    nuclei = adopt(read(tmp_path / "in.geojson", CELLS).nuclei, SCHEME)
    with Session.open(tmp_path / "s.nucloop", slide=SlideIdentity(SLIDE), scheme=SCHEME) as session:
        session.import_nuclei(nuclei)
    with Session.open(tmp_path / "s.nucloop") as session:
        assert write_document(tmp_path / "out.geojson", document_of(session)) == []

    features = json.loads((tmp_path / "out.geojson").read_text())["features"]
    assert [one["properties"]["objectType"] for one in features] == ["cell", "cell", "detection", "detection"]
    for before, after in zip(CELLS, features, strict=True):
        assert after["geometry"] == before["geometry"]
        assert after.get("nucleusGeometry") == before.get("nucleusGeometry")
    assert features[0]["properties"]["classification"]["name"] == SCHEME.classes[1].qupath
    again = read_document(tmp_path / "out.geojson").nuclei
    np.testing.assert_allclose(again.yx, nuclei.yx, atol=1e-3)


def test_holes_and_further_pieces_of_a_nucleus_are_left_out_with_a_remark(tmp_path: Path) -> None:
    pieces = {"type": "MultiPolygon", "coordinates": [[[*SMALL[:3], [50, 51], SMALL[3]]], [NUCLEUS, HOLE]]}

    document = read(tmp_path / "a.geojson", [qupath("detection", pieces), qupath("cell", polygon(CELL, HOLE))])

    assert corners(document.nuclei.outlines) == NUCLEUS[:4]
    assert document.remarks == (
        "The holes of 1 outlines were left out.",
        "1 nuclei are in several pieces; the largest was taken.",
        "Whole cells: The holes of 1 outlines were left out.",
    )


@pytest.mark.parametrize(
    ("cell", "remark"),
    [
        (polygon(CELL[:2]), "Whole cells: 1 outlines have fewer than 3 corners"),
        ({"type": "Polygon", "coordinates": []}, "Whole cells: 1 outlines have fewer than 3 corners"),
        ({"type": "LineString", "coordinates": CELL}, "Whole cells: 1 outlines are no polygons"),
    ],
)
def test_a_malformed_membrane_does_not_cost_the_nucleus(tmp_path: Path, cell: object, remark: str) -> None:
    document = read(tmp_path / "a.geojson", [qupath("cell", cell, polygon(NUCLEUS))])

    assert corners(document.nuclei.outlines) == NUCLEUS[:4]
    assert document.nuclei.cell_outlines is None
    assert document.remarks[0].startswith(remark)


def test_an_outline_of_too_many_corners_is_left_out_and_its_nucleus_is_not(tmp_path: Path) -> None:
    around = np.linspace(0, 2 * np.pi, 10_002, endpoint=False)
    ring = (50 + 40 * np.column_stack([np.sin(around), np.cos(around)])).tolist()

    document = read(tmp_path / "a.geojson", [qupath("detection", polygon([*ring, ring[0]]))])

    np.testing.assert_allclose(document.nuclei.yx, [[49.5, 49.5]], atol=0.01)
    assert document.nuclei.outlines is None
    assert "more than 10,000" in document.remarks[0]


def outlined(count: int = 3) -> Nuclei:
    yx = np.arange(2.0 * count).reshape(-1, 2) * 10
    rings = [place + np.array([[-2, -2], [-2, 2.5], [2, 0.25]]) for place in yx]
    return Nuclei.from_points(SCHEME, yx, label=0, ids=np.arange(1, count + 1), outlines=Outlines.of(rings))


@pytest.mark.parametrize("name", OUTLINED)
def test_a_file_of_more_corners_than_memory_should_hold_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    write_nuclei(path, outlined(), SLIDE)
    monkeypatch.setattr("nucloop.formats.rings.MOST_CORNERS", 5)

    with pytest.raises(DataError, match=f"{path.name}.*more than 5 corners in all"):
        read_document(path, name)


@pytest.mark.parametrize("name", OUTLINED)
def test_outlines_are_enlarged_with_their_nuclei(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    write_nuclei(path, outlined(), SLIDE)

    document = read_document(path, name).scaled(2)

    assert document.nuclei.outlines is not None
    np.testing.assert_allclose(document.nuclei.outlines[1], (outlined().outlines[1] + 0.5) * 2 - 0.5)


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_outlines_go_into_micrometres_and_back_as_places_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a.{name}"
    assert write_document(path, Document(nuclei=outlined(), slide=SLIDE, microns=True)) == []

    found = read_document(path).nuclei

    np.testing.assert_allclose(found.outlines.corners, outlined().outlines.corners, atol=1e-3)
    np.testing.assert_allclose(found.yx, outlined().yx, atol=1e-3)


def test_the_outlines_of_a_table_are_polygons_for_other_programs(tmp_path: Path) -> None:
    write_nuclei(tmp_path / "a.csv", outlined(1), SLIDE)
    write_nuclei(tmp_path / "a.parquet", outlined(1), SLIDE)

    assert '"POLYGON ((8.0 -2.0, 12.5 -2.0, 10.25 2.0, 8.0 -2.0))"' in (tmp_path / "a.csv").read_text()
    assert pq.read_table(tmp_path / "a.parquet")["outline"].to_pylist() == [[8, -2, 12.5, -2, 10.25, 2]]


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("POLYGON ((1 1, 2", "1 outlines have fewer than 3 corners"),
        ("POLYGON ((1 1, 2 2, 1 1, 1 1))", ""),
        ("POLYGON ((1 1, 1e300 2, 3 3, 1 1))", "1 outlines have fewer than 3 corners"),
        ("POLYGON ((1 1, nan 2, 3 3, 1 1))", "1 outlines have fewer than 3 corners"),
        ("POINT (1 1)", "1 outlines are no polygons"),
        ("POLYGON EMPTY", ""),
        ("MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((0 0, 9 0, 9 9, 0 0)))", "1 nuclei are in several pieces"),
        ("=HYPERLINK()", "1 outlines have fewer than 3 corners"),
    ],
)
def test_whatever_stands_for_an_outline_in_a_table_the_nucleus_is_read(tmp_path: Path, text: str, remark: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'y,x,outline\n1,2,"{text}"\n3,4,\n')

    document = read_document(path)

    assert len(document.nuclei) == 2
    assert " ".join(document.remarks).startswith(remark)
    assert bool(document.remarks) == bool(remark)


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (pa.array(["POLYGON EMPTY"]), "holds no lists of numbers"),
        (pa.array([["a", "b"]]), "holds no lists of numbers"),
        (pa.array([[[1.0, 2.0]]]), "holds no lists of numbers"),
        (pa.array([[1.0, 2.0, 3.0]]), "x without a y"),
    ],
)
def test_a_parquet_column_that_holds_no_outlines_is_refused(tmp_path: Path, column: pa.Array, sentence: str) -> None:
    pq.write_table(pa.table({"y": [1.0], "x": [2.0], "outline": column}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=sentence):
        read_document(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    "numbers", [[1, 1, None, 1, 3, 3], [1e300, 1, 2, 1, 3, 3], [1, 1, float("inf"), 1, 3, 3], [1, 1]]
)
def test_a_parquet_outline_that_is_none_is_left_out(tmp_path: Path, numbers: list[float]) -> None:
    table = {"y": [1.0, 2.0], "x": [2.0, 3.0], "outline": [[1.0, 1, 2, 1, 3, 3], numbers]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")

    document = read_document(tmp_path / "a.parquet")

    assert document.nuclei.outlines.there.tolist() == [True, False]
    assert document.remarks[0].startswith("1 outlines")


@pytest.mark.parametrize(
    "others",
    [
        {"outlines_ends": np.array([0, 4])},
        {"outlines_ends": np.array([0, 4, 2])},
        {"outlines_ends": np.array([1, 2, 4])},
        {"outlines_ends": np.array([[0, 2, 4]])},
        {"outlines_ends": np.array([0.0, 2.0, 4.0])},
        {"outlines_ends": np.array([0, 2, 4]), "outlines_corners": np.zeros((4, 3))},
        {"outlines_ends": np.array([0, 2, 4]), "outlines_corners": np.array(["a"])},
    ],
)
def test_arrays_that_are_no_outlines_are_refused(tmp_path: Path, others: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "a.npz", **{"yx": np.zeros((2, 2)), "outlines_corners": np.zeros((4, 2)), **others})
    with pytest.raises(DataError, match="do not fit each other"):
        read_document(tmp_path / "a.npz")


def test_ends_without_corners_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", yx=np.zeros((2, 2)), outlines_ends=np.zeros(3, int))
    with pytest.raises(DataError, match="do not fit each other"):
        read_document(tmp_path / "a.npz")


def element(points: list[list[int]], **others: object) -> dict[str, object]:
    return {"type": "polyline", "closed": True, "points": [[*point, 0] for point in points], **others}


@pytest.mark.parametrize("behind", [False, True])
def test_a_document_of_histomicstks_nucleus_detection_holds_nuclei(tmp_path: Path, behind: bool) -> None:
    box = {"type": "rectangle", "center": [30, 40, 0], "width": 8, "height": 8, "rotation": 0}
    elements = {"elements": [element(NUCLEUS[:4], group="tumour"), box]}
    name = {"name": "slide-nuclei-boundary"}

    document = read(tmp_path / "a.dsa.json", elements | name if behind else name | elements)

    np.testing.assert_allclose(document.nuclei.yx, [[24.5, 11.5], [39.5, 29.5]])
    assert [corners(document.nuclei.outlines, k) for k in range(2)] == [NUCLEUS[:4], None]
    assert document.regions == ()
    assert document.nuclei.counts() == {"tumour": 1}


def test_a_closed_line_that_nobody_calls_a_nucleus_is_a_region(tmp_path: Path) -> None:
    document = read(tmp_path / "a.dsa.json", {"name": "fields", "elements": [element(CELL[:4])]})
    assert (len(document.nuclei), len(document.regions)) == (0, 1)


@pytest.mark.parametrize(
    ("segmentation", "ring", "remark"),
    [
        ([[10, 20, 14, 20, 14, 30, 10, 30]], NUCLEUS[:4], ""),
        ([[1, 1, 2, 1, 2, 2], [10, 20, 14, 20, 14, 30, 10, 30]], NUCLEUS[:4], "1 nuclei are in several pieces"),
        ({"counts": "abc", "size": [9, 9]}, None, "1 outlines are no polygons"),
        ([], None, ""),
        ([[]], None, ""),
        ([[1, 1, 2, 2]], None, "1 outlines have fewer than 3 corners"),
    ],
)
def test_polygons_of_coco_are_outlines(
    tmp_path: Path, segmentation: object, ring: list[list[int]] | None, remark: str
) -> None:
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 4, 10], "segmentation": segmentation}
    coco = {"images": [], "categories": [{"id": 1, "name": "tumour"}], "annotations": [one]}

    document = read(tmp_path / "a.coco.json", coco)

    assert document.nuclei.yx.tolist() == [[25, 12]]
    outlines = document.nuclei.outlines
    assert (None if outlines is None else outlines[0][:, ::-1].tolist()) == ring
    assert " ".join(document.remarks).startswith(remark)
    assert bool(document.remarks) == bool(remark)


@pytest.mark.parametrize("segmentation", [[[1, 2, 3]], [["a", "b"]], [[None, 1]], ["abc"], [[1e300, 1, 2, 2, 3, 3]]])
def test_polygons_that_hold_no_numbers_are_refused(tmp_path: Path, segmentation: object) -> None:
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 4, 10], "segmentation": segmentation}
    with pytest.raises(DataError, match=r"Annotation 1 of a\.coco\.json"):
        read(tmp_path / "a.coco.json", {"images": [], "categories": [], "annotations": [one]})


def test_a_segmentation_says_box_and_area_to_programs_of_coco(tmp_path: Path) -> None:
    write_nuclei(tmp_path / "a.coco.json", outlined(2), SLIDE)
    second = json.loads((tmp_path / "a.coco.json").read_text())["annotations"][1]
    assert second["segmentation"] == [[28, 18, 32.5, 18, 30.25, 22]]
    assert second["bbox"] == [28, 18, 4.5, 4]
    assert second["area"] == 9
    assert second["keypoints"] == [30, 20, 2]


def test_a_contour_of_cellvit_with_two_corners_does_not_cost_the_nucleus(tmp_path: Path) -> None:
    cells = [{"centroid": [5, 6], "contour": ring, "type": 1} for ring in ([[1, 1], [2, 2]], [[1, 1], [2, 2], [3, 1]])]

    document = read(tmp_path / "cells.json", {"type_map": {"1": "tumour"}, "cells": cells})

    assert document.nuclei.outlines.there.tolist() == [False, True]
    assert document.remarks[0].startswith("1 outlines have fewer than 3 corners")


def test_a_store_that_unpacks_to_a_huge_outline_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    path = tmp_path / "a.db"
    write_nuclei(path, outlined(1), SLIDE)
    with closing(sqlite3.connect(path)) as store:
        store.execute("UPDATE annotations SET geometry = ?", (zlib.compress(bytes(100_000_000)),))
        store.commit()
    tracemalloc.start()

    with pytest.raises(DataError, match="outline is too large"):
        read_document(path)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150_000_000


def test_what_has_no_place_for_outlines_says_so(tmp_path: Path) -> None:
    nuclei = replace(outlined(2), cell_outlines=outlined(2).outlines)
    assert "the outlines of the cells around 2 nuclei" in write_nuclei(tmp_path / "a.coco.json", nuclei, SLIDE)
    lost = write_nuclei(tmp_path / "a.txt", nuclei, SLIDE)
    assert {"the outlines of 2 nuclei", "the outlines of the cells around 2 nuclei"} <= set(lost)


def test_an_outline_on_no_slide_is_not_written(tmp_path: Path) -> None:
    far = replace(outlined(1), outlines=Outlines.of([[[0, 0], [0, 2e9], [5, 5]]]))
    with pytest.raises(DataError, match="outside any slide"):
        write_nuclei(tmp_path / "a.geojson", far, SLIDE)
