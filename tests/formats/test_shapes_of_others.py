"""COCO's masks and crowds, Digital Slide Archive's lists and round shapes, HoVer-Net's cells, markers in XML."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nucloop.errors import DataError
from nucloop.formats import Asked, read_document
from nucloop.formats.source import json_records

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.formats import Document

AREAS = Asked(areas_are_nuclei=True)


def read(folder: Path, content: object, name: str, asked: Asked | None = None) -> Document:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_document(path) if asked is None else read_document(path, asked=asked)


# COCO


def coco(*annotations: dict[str, Any]) -> dict[str, Any]:
    """Annotations of one image and one class."""
    some = [{"id": k, "image_id": 1, "category_id": 1, **one} for k, one in enumerate(annotations, 1)]
    return {"images": [], "annotations": some, "categories": [{"id": 1, "name": "tumour"}]}


BOX = {"bbox": [10, 20, 4, 10]}
POLYGON = {"segmentation": [[10, 20, 14, 20, 14, 30, 10, 30]]}
# columns 3 to 6 and rows 2 to 5 of an image of 10 x 12: 32 pixels outside, then four down, six between, ...
RUNS = {"segmentation": {"size": [10, 12], "counts": [32, 4, 6, 4, 6, 4, 6, 4, 54]}}


def packed(runs: list[int]) -> str:
    """The runs as pycocotools writes them: five bits a letter, differences from the third on."""
    text = ""
    for k, run in enumerate(runs):
        value = run - runs[k - 2] if k > 2 else run
        more = True
        while more:
            part, value = value & 31, value >> 5
            more = value != (-1 if part & 16 else 0)
            text += chr((part | (32 if more else 0)) + 48)
    return text


PACKED = {"segmentation": {"size": [10, 12], "counts": packed(RUNS["segmentation"]["counts"])}}


@pytest.mark.parametrize(
    ("annotation", "place"),
    [
        ({"keypoints": [5, 6, 2], "num_keypoints": 1, **BOX}, [6, 5]),
        ({"keypoints": [5, 6, 1], "num_keypoints": 1, **BOX}, [6, 5]),
        ({"keypoints": [0, 0, 0], "num_keypoints": 0, **BOX}, [25, 12]),
        ({"keypoints": [0, 0, 0, 7, 8, 2], "num_keypoints": 1, **BOX}, [8, 7]),
        ({"keypoints": [0, 0, 0], "num_keypoints": 0, **POLYGON}, [25, 12]),
        (BOX, [25, 12]),
        (POLYGON, [25, 12]),
        ({**POLYGON, "bbox": []}, [25, 12]),
        (RUNS, [3.5, 4.5]),
        (PACKED, [3.5, 4.5]),
        ({**RUNS, "bbox": [0, 0, 0, 0]}, [3.5, 4.5]),
    ],
)
def test_a_nucleus_of_coco_is_where_its_keypoint_box_polygon_or_mask_is(
    tmp_path: Path, annotation: dict[str, Any], place: list[float]
) -> None:
    document = read(tmp_path, coco(annotation), "a.coco.json")

    assert document.nuclei.yx.tolist() == [place]
    assert document.class_counts == {"tumour": 1}


@pytest.mark.parametrize("annotation", [RUNS, PACKED])
def test_a_mask_of_coco_gives_an_outline(tmp_path: Path, annotation: dict[str, Any]) -> None:
    outlines = read(tmp_path, coco(annotation), "a.coco.json").nuclei.outlines

    assert outlines is not None
    ring = outlines[0]
    assert ring is not None
    np.testing.assert_allclose([ring.min(axis=0), ring.max(axis=0)], [[1.5, 2.5], [5.5, 6.5]])


def test_masks_are_those_of_pycocotools(tmp_path: Path) -> None:
    masks = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(20):
        pixels = np.asfortranarray(rng.random((30, 50)) < 0.4, dtype=np.uint8)
        encoded = masks.encode(pixels)
        segmentation = {"size": list(map(int, encoded["size"])), "counts": encoded["counts"].decode()}

        document = read(tmp_path, coco({"segmentation": segmentation}), "a.coco.json")

        np.testing.assert_allclose(document.nuclei.yx[0], np.mean(np.nonzero(pixels), axis=1), rtol=1e-6)


def test_crowds_and_what_has_no_place_are_left_out_and_said(tmp_path: Path) -> None:
    crowd = {"iscrowd": 1, **RUNS, **BOX}
    nowhere = {"keypoints": [0, 0, 0], "num_keypoints": 0}

    document = read(tmp_path, coco(crowd, BOX, nowhere), "a.coco.json")

    assert document.nuclei.yx.tolist() == [[25, 12]]
    assert "1 crowds" in " ".join(document.remarks)
    assert "1 annotations without any place" in " ".join(document.remarks)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [9, 9], "counts": [0, 1000]},
        {"size": [9, 9], "counts": [-1, 1]},
        {"size": [10**7, 10**7], "counts": [0, 10**13]},
        {"size": [9, 9], "counts": "\x00\x7f"},
        {"size": [9, 9], "counts": "o" * 100},
        {"size": "large", "counts": None},
        {},
        {"size": [9, 9], "counts": []},
    ],
)
def test_a_mask_that_is_none_leaves_the_nucleus_its_box(tmp_path: Path, segmentation: object) -> None:
    document = read(tmp_path, coco({**BOX, "segmentation": segmentation}), "a.coco.json")

    assert document.nuclei.yx.tolist() == [[25, 12]]
    assert document.nuclei.outlines is None


# Digital Slide Archive


def point(x: float, group: str = "tumour") -> dict[str, Any]:
    return {"type": "point", "center": [x, 20, 0], "group": group}


def line(x: float) -> dict[str, Any]:
    corners = [[x, 0, 0], [x + 8, 0, 0], [x + 8, 8, 0], [x, 8, 0]]
    return {"type": "polyline", "closed": True, "points": corners, "group": "tumour"}


def document(elements: list[dict[str, Any]], name: str = "a", *, behind: bool = False) -> dict[str, Any]:
    inner = {"elements": elements, "name": name} if behind else {"name": name, "elements": elements}
    return {"_id": "5f0000000000000000000001", "groups": ["x"], "annotation": inner}


@pytest.mark.parametrize("portion", [1, 1_000_000])
def test_a_list_of_documents_is_read_whole(tmp_path: Path, portion: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "_BLOCK", portion)
    several = [document([point(1), point(2)]), document([]), document([point(3, "lymphocyte"), line(0)]), {"a": 1}]

    found = read(tmp_path, several, "a.json")

    assert found.class_counts == {"tumour": 2, "lymphocyte": 1}
    assert len(found.regions) == 1


@pytest.mark.parametrize("behind", [False, True])
def test_only_the_documents_of_a_nucleus_detection_have_outlines_for_areas(tmp_path: Path, behind: bool) -> None:
    several = [
        document([line(0)], "fields", behind=behind),
        document([line(10), line(20)], "slide-nuclei-boundary", behind=behind),
        document([line(30)], "more", behind=behind),
    ]

    found = read(tmp_path, several, "a.dsa.json")

    assert found.nuclei.yx[:, 1].tolist() == [13.5, 23.5]
    assert len(found.regions) == 2


def test_a_list_without_any_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='no list called "elements"'):
        read(tmp_path, [{"annotation": {"name": "a"}}], "a.dsa.json")


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_a_list_of_documents_that_breaks_off_is_refused(tmp_path: Path, cut: float) -> None:
    text = json.dumps([document([point(k) for k in range(9)]) for _ in range(3)])

    with pytest.raises(DataError, match=r"a\.dsa\.json"):
        read(tmp_path, text[: int(len(text) * cut)], "a.dsa.json")


ROUND = [
    {"type": "circle", "center": [30, 20, 0], "radius": 4},
    {"type": "ellipse", "center": [30, 20, 0], "width": 8, "height": 8},
    {"type": "ellipse", "center": [30, 20, 0], "width": 8, "height": 8, "rotation": 1},
]


@pytest.mark.parametrize("element", ROUND)
def test_round_shapes_are_regions_or_nuclei_with_outlines(tmp_path: Path, element: dict[str, Any]) -> None:
    one = document([{**element, "group": "tumour"}])

    assert read(tmp_path, one, "a.dsa.json").regions[0].area == pytest.approx(np.pi * 16, rel=0.02)
    found = read(tmp_path, one, "a.dsa.json", AREAS)

    np.testing.assert_allclose(found.nuclei.yx, [[19.5, 29.5]])
    assert found.class_counts == {"tumour": 1}
    assert found.nuclei.outlines is not None


def test_an_ellipse_is_turned_as_it_says(tmp_path: Path) -> None:
    element = {"type": "ellipse", "center": [30, 20, 0], "width": 40, "height": 10, "rotation": np.pi / 2}

    low, high = read(tmp_path, document([element]), "a.dsa.json").regions[0].bounds

    np.testing.assert_allclose(high - low, [40, 10], atol=0.1)


@pytest.mark.parametrize("points", [[], [[1, 1, 0]], [[1, 1, 0], [2, 2, 0], [3, 3, 0]]])
def test_a_line_that_encloses_nothing_is_left_out_and_said(tmp_path: Path, points: list[list[float]]) -> None:
    found = read(tmp_path, document([line(0), {**line(0), "points": points}]), "a.dsa.json")

    assert len(found.regions) == 1
    assert "1 areas enclose nothing" in " ".join(found.remarks)


# HoVer-Net


def cell(x: float, kind: int | None = 1) -> dict[str, Any]:
    ring = [[x - 4, 16], [x + 4, 16], [x + 4, 24], [x - 4, 24]]
    box = [[16, x - 4], [24, x + 4]]
    return {"bbox": box, "centroid": [x, 20], "contour": ring, "type_prob": 0.9, "type": kind}


@pytest.mark.parametrize("portion", [1, 300, 1_000_000])
@pytest.mark.parametrize("around", [{"mag": 40, "nuc": {}}, {"mag": None, "nuc": {}}, None])
def test_hovernets_cells_by_number_are_read(
    tmp_path: Path, around: dict[str, Any] | None, portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "_BLOCK", portion)
    cells = {str(k): cell(10.0 * k, [1, 0, None, 2, 1][k - 1]) for k in range(1, 6)}
    content = cells if around is None else {**around, "nuc": cells}

    found = read(tmp_path, content, "field.json")

    assert found.nuclei.yx.tolist() == [[20, 10 * k] for k in range(1, 6)]
    assert found.class_counts == {"class 1": 2, "class 2": 1}
    assert found.nuclei.outlines is not None
    assert bool(re.search("pixels at 40x", " ".join(found.remarks))) == bool(around and around["mag"])


@pytest.mark.parametrize("content", ['{"mag": 40, "nuc": {"1": {"bbox"', '{"mag": 40, "nuc": {"1": 7}}', '{"nuc": {}'])
def test_hovernets_file_that_is_damaged_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"a\.json"):
        read(tmp_path, content, "a.json")


# Markers


def counted(*types: tuple[str, list[tuple[int, int, int]]]) -> str:
    """A file of ImageJ's Cell Counter."""
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<CellCounter_Marker_File>\n<Image_Properties>'
    text += "<Image_Filename>field.tif</Image_Filename></Image_Properties><Marker_Data><Current_Type>1</Current_Type>"
    for head, places in types:
        markers = "".join(
            f"<Marker><MarkerX>{x}</MarkerX><MarkerY>{y}</MarkerY><MarkerZ>{z}</MarkerZ></Marker>" for x, y, z in places
        )
        text += f"<Marker_Type>{head}{markers}</Marker_Type>"
    return text + "</Marker_Data></CellCounter_Marker_File>"


def test_markers_of_the_cell_counter_and_of_cellfinder_are_nuclei(tmp_path: Path) -> None:
    text = counted(
        ("<Type>1</Type><Name>Tumor</Name>", [(10, 20, 1), (30, 20, 1)]), ("<Type>2</Type>", [(50, 20, 1)]), ("", [])
    )

    found = read(tmp_path, text, "CellCounter_field.xml")

    assert found.nuclei.yx.tolist() == [[20, 10], [20, 30], [20, 50]]
    assert found.class_counts == {"Tumor": 2, "type 2": 1}


def test_of_markers_on_several_planes_those_of_one_are_read_and_named(tmp_path: Path) -> None:
    found = read(tmp_path, counted(("<Type>1</Type>", [(10, 20, 1), (30, 20, 2), (50, 20, 2)])), "a.xml")

    assert found.nuclei.yx[:, 1].tolist() == [30, 50]
    assert "those on z 2 were read" in " ".join(found.remarks)


def asap(*annotations: tuple[str, str, list[tuple[float, float]]]) -> str:
    """A file of ASAP."""
    text = '<?xml version="1.0"?>\n<ASAP_Annotations><Annotations>'
    for kind, group, places in annotations:
        corners = "".join(f'<Coordinate Order="{k}" X="{x}" Y="{y}"/>' for k, (x, y) in enumerate(places))
        text += f'<Annotation Name="A" Type="{kind}" PartOfGroup="{group}" Color="#F4FA58"><Coordinates>{corners}'
        text += "</Coordinates></Annotation>"
    groups = '<AnnotationGroups><Group Name="Tumor" Color="#ff0000"/></AnnotationGroups>'
    return f"{text}</Annotations>{groups}</ASAP_Annotations>"


SQUARE = [(26.5, 16.5), (34.5, 16.5), (34.5, 24.5), (26.5, 24.5)]


def test_dots_of_asap_are_nuclei_and_its_polygons_regions(tmp_path: Path) -> None:
    text = asap(
        ("Dot", "Tumor", [(10.5, 20.5)]),
        ("PointSet", "None", [(30.5, 20.5), (40.5, 20.5)]),
        ("Polygon", "Tumor", SQUARE),
        ("Spline", "None", SQUARE[:2]),
    )

    found = read(tmp_path, text, "a.xml")

    assert found.nuclei.yx.tolist() == [[20, 10], [20, 30], [20, 40]]
    assert found.class_counts == {"Tumor": 1}
    assert [region.area for region in found.regions] == [64]
    assert "1 annotations are neither points nor areas" in " ".join(found.remarks)


def test_polygons_of_asap_are_nuclei_where_a_person_says_so(tmp_path: Path) -> None:
    found = read(tmp_path, asap(("Polygon", "Tumor", SQUARE), ("Rectangle", "None", SQUARE)), "a.xml", AREAS)

    np.testing.assert_allclose(found.nuclei.yx, [[20, 30], [20, 30]])
    assert found.nuclei.outlines is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<html></html>", "begins with 'html'"),
        ("hello", "not whole XML"),
        ('<!DOCTYPE a [<!ENTITY a "b">]><ASAP_Annotations/>', "declares entities"),
        ("<ASAP_Annotations>" + "<a>" * 5000, "nested too deeply"),
        ("<ASAP_Annotations>" + "<a/>" * 1_100_000, "too many elements"),
        ('<ASAP_Annotations a="' + "x" * 3_000_000, "a word without end"),
        (asap(("Dot", "Tumor", [(1, 2)]))[:-40], "not whole XML"),
        (asap(("Dot", "Tumor", [(float("nan"), 2)])), "'nan' is no place on a slide"),
        (counted(("<Type>1</Type>", [])).replace("<Marker_Type>", "<Marker_Type><Marker/>"), "is not as Cell Counter"),
    ],
)
def test_xml_that_holds_no_markers_is_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read(tmp_path, text, "a.xml")


def test_markers_are_not_written(tmp_path: Path) -> None:
    found = read(tmp_path, counted(("<Type>1</Type>", [(10, 20, 1)])), "a.xml")
    from nucloop.formats import write_document

    with pytest.raises(DataError, match="reads markers in XML and writes none"):
        write_document(tmp_path / "b.xml", found)
