import json
import uuid
from pathlib import Path

import numpy as np
import pytest

from nucloop.classes import ClassScheme, NucleusClass, builtin_schemes
from nucloop.errors import DataError
from nucloop.formats import SlideInfo, read_document, read_nuclei, read_slide_info, write_document, write_nuclei
from nucloop.formats.source import json_records
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

SLIDE = SlideInfo(name="s", height=100, width=100)


@pytest.fixture
def scheme() -> ClassScheme:
    return builtin_schemes()["brca-m2c"]


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def feature(geometry: object, **properties: object) -> dict[str, object]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def test_a_nucleus_is_a_qupath_detection_half_a_pixel_from_the_corner(tmp_path: Path, scheme: ClassScheme) -> None:
    path = tmp_path / "nuclei.geojson"
    nuclei = Nuclei.from_points(scheme, [[10, 20]], label=[1], score=[0.5], probability=[[0.25, 0.5, 0.25]], ids=[3])

    write_nuclei(path, nuclei, SLIDE)

    [one] = json.loads(path.read_text())["features"]
    tumour = scheme.classes[1]
    assert one["geometry"] == {"type": "Point", "coordinates": [20.5, 10.5]}
    assert one["properties"]["objectType"] == "detection"
    assert one["properties"]["classification"] == {"name": tumour.qupath, "color": list(tumour.rgb)}
    measurements = one["properties"]["measurements"]
    assert [measurements[f"NucLoop p({name})"] for name in scheme.names] == [0.25, 0.5, 0.25]
    assert measurements["NucLoop confidence"] == 0.5


def test_identifiers_are_valid_unique_and_the_same_each_time(tmp_path: Path, scheme: ClassScheme) -> None:
    nuclei = Nuclei.from_points(scheme, np.ones((4, 2)), ids=[0, 0, 5, 2])
    texts = []
    for name in ("one.geojson", "two.geojson"):
        write_nuclei(tmp_path / name, nuclei, SLIDE)
        texts.append((tmp_path / name).read_text())

    identifiers = {uuid.UUID(one["id"]) for one in json.loads(texts[0])["features"]}

    assert len(identifiers) == 4
    assert texts[0] == texts[1]


def test_a_cell_of_qupath_is_read_at_the_centre_of_its_nucleus(tmp_path: Path, scheme: ClassScheme) -> None:
    cell = feature(
        {"type": "Polygon", "coordinates": [[[0, 0], [90, 0], [90, 90], [0, 90], [0, 0]]]}, objectType="cell"
    )
    cell["nucleusGeometry"] = {"type": "Polygon", "coordinates": [[[10, 20], [14, 20], [14, 30], [10, 30], [10, 20]]]}

    nuclei = read_nuclei(written(tmp_path / "cells.geojson", [cell]), scheme)

    np.testing.assert_allclose(nuclei.yx, [[24.5, 11.5]])
    assert nuclei.origin.tolist() == [Origin.IMPORTED]


def test_many_points_of_one_object_share_its_class(tmp_path: Path, scheme: ClassScheme) -> None:
    points = feature(
        {"type": "MultiPoint", "coordinates": [[1.5, 2.5], [3.5, 4.5]]}, classification={"name": scheme.names[2]}
    )

    nuclei = read_nuclei(written(tmp_path / "points.json", {"type": "FeatureCollection", "features": [points]}), scheme)

    np.testing.assert_array_equal(nuclei.yx, [[2, 1], [4, 3]])
    assert nuclei.label.tolist() == [2, 2]


def test_the_layouts_of_older_qupath_versions_are_read(tmp_path: Path, scheme: ClassScheme) -> None:
    old = feature(
        {"type": "Point", "coordinates": [1, 1]},
        object_type="detection",
        classification={"name": scheme.classes[0].qupath, "colorRGB": -3140401},
        measurements=[{"name": "NucLoop score", "value": 0.5}, {"name": "Area", "value": "NaN"}],
    )

    nuclei = read_nuclei(written(tmp_path / "old.json", old), scheme)

    assert nuclei.label.tolist() == [0]
    assert nuclei.score.tolist() == [0.5]


def test_an_unclassified_object_stays_unlabelled_beside_a_drawn_area(tmp_path: Path, scheme: ClassScheme) -> None:
    area = feature({"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}, objectType="annotation")
    point = feature({"type": "Point", "coordinates": [5, 5, 0]}, objectType="annotation")

    nuclei = read_nuclei(written(tmp_path / "mixed.geojson", [area, point]), scheme)

    assert nuclei.label.tolist() == [UNLABELLED]


def test_brackets_and_quotes_inside_a_name_do_not_confuse_the_reader(tmp_path: Path, scheme: ClassScheme) -> None:
    named = feature({"type": "Point", "coordinates": [1, 1]}, name='a ] "features": [ } \\" {')
    collection = {"note": '"features": [', "features": [named, named], "type": "FeatureCollection"}

    assert len(read_nuclei(written(tmp_path / "names.geojson", json.dumps(collection, indent=2)), scheme)) == 2


def test_more_nuclei_than_one_portion_come_back_in_order(tmp_path: Path, scheme: ClassScheme) -> None:
    path = tmp_path / "many.geojson"
    yx = np.random.default_rng(1).integers(0, 50_000, (20_001, 2)).astype(np.float32)

    write_nuclei(path, Nuclei.from_points(scheme, yx, ids=np.arange(1, 20_002)), SLIDE)

    nuclei = read_nuclei(path, scheme)
    np.testing.assert_array_equal(nuclei.yx, yx)
    np.testing.assert_array_equal(nuclei.ids, np.arange(1, 20_002))


def test_a_file_of_another_program_says_nothing_about_its_slide(tmp_path: Path) -> None:
    assert read_slide_info(written(tmp_path / "a.geojson", {"type": "FeatureCollection", "features": []})) is None
    assert read_slide_info(written(tmp_path / "b.geojson", [])) is None


POINT = {"type": "Point", "coordinates": [1, 1]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("hello", "not whole JSON"),
        ('{"type": "FeatureCollection", "features": [{"type": "Feat', "not whole JSON"),
        ('[{"type": "Feature", "geometry": {"type": "Point", "coordinates": [NaN, 1]}}]', "is no place"),
        ('[{"geometry": ' + "[" * 5000 + "]" * 5000 + "}]", "Feature 1"),
        ({"some": "settings"}, "no geometry"),
        ([feature({"type": "Point", "coordinates": [1e300, 1]})], "outside any slide"),
        ([feature({"type": "Point", "coordinates": ["a", 1]})], "not an object as QuPath writes"),
        ([feature({"type": "Point"})], "not an object as QuPath writes"),
        ([feature(None)], "encloses nothing, or none"),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, objectType="cell")], "encloses nothing"),
        ([feature(POINT, classification={"name": "unicorn"})], r"'unicorn' \(1\) is not in scheme"),
        ([feature(POINT, classification=["tumour"])], "not an object as QuPath writes"),
        ([feature(POINT, metadata={"NucLoop origin": "guessed"})], "not an object as QuPath writes"),
        (
            [feature({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]})],
            "1 drawn area .*--areas-are nuclei",
        ),
    ],
)
def test_malformed_or_hostile_geojson_is_refused_in_a_sentence(
    tmp_path: Path, scheme: ClassScheme, content: object, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        read_nuclei(written(tmp_path / "wrong.geojson", content), scheme)


def test_features_inside_a_feature_do_not_confuse_the_fast_reader(
    tmp_path: Path, scheme: ClassScheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "_BLOCK", 1)
    inner = feature(POINT)
    nested = feature({"type": "Point", "coordinates": [2, 2]}, parts=[inner, inner, inner])
    path = written(tmp_path / "nested.geojson", [inner, inner, nested, inner])

    assert read_nuclei(path, scheme).yx[:, 0].tolist() == [0.5, 0.5, 1.5, 0.5]


def test_damage_far_behind_in_a_file_is_found_and_numbered(
    tmp_path: Path, scheme: ClassScheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "_BLOCK", 1)
    text = json.dumps([feature(POINT)] * 5).replace("[1, 1]", "[1, 1 1]", 4).replace("[1, 1 1]", "[1, 1]", 3)

    with pytest.raises(DataError, match=r"Feature 4 .* not valid JSON"):
        read_nuclei(written(tmp_path / "damaged.geojson", text), scheme)


def test_the_ids_that_qupath_gave_come_back_also_by_way_of_a_table(tmp_path: Path) -> None:
    ids = [str(uuid.UUID(int=k, version=4)) for k in (5, 6)]
    square = {"type": "Polygon", "coordinates": [[[10, 20], [14, 20], [14, 30], [10, 30], [10, 20]]]}
    point = feature({"type": "Point", "coordinates": [4.5, 5.5]}, objectType="detection")
    for name, features in (
        ("plain", [{**point, "id": one} for one in ids]),
        ("outlined", [{**point, "id": ids[0]}, {**feature(square, objectType="detection"), "id": ids[1]}]),
        ("some", [{**point, "id": ids[0]}, {**point, "id": "7"}]),
    ):
        document = read_document(written(tmp_path / f"{name}.geojson", features))
        write_document(tmp_path / f"{name}.csv", document)
        write_document(tmp_path / f"{name}-2.geojson", read_document(tmp_path / f"{name}.csv"))
        again = [one["id"] for one in json.loads((tmp_path / f"{name}-2.geojson").read_text())["features"]]
        assert again[0] == ids[0]
        assert uuid.UUID(again[1]).version == (8 if name == "some" else 4)
        assert name == "some" or again[1] == ids[1]


def test_ids_of_our_own_are_no_news_when_they_come_back(tmp_path: Path, scheme: ClassScheme) -> None:
    write_nuclei(tmp_path / "own.geojson", Nuclei.from_points(scheme, [[1, 2], [3, 4]], ids=[1, 2]), SLIDE)
    assert "uuid" not in read_document(tmp_path / "own.geojson").notes


def test_the_points_of_one_object_do_not_share_its_id(tmp_path: Path) -> None:
    many = feature({"type": "MultiPoint", "coordinates": [[1.5, 2.5], [3.5, 4.5]]})
    document = read_document(written(tmp_path / "many.geojson", [{**many, "id": str(uuid.UUID(int=9, version=4))}]))
    assert "uuid" not in document.notes


@pytest.mark.parametrize("name", ["cells.geojson", "my_cells.geojson", "cell_detection.geojson"])
def test_nuclei_written_under_a_name_of_cellvits_stay_one_object_each_and_come_back(tmp_path, name):
    scheme = ClassScheme.named("brca-m2c")
    nuclei = Nuclei.from_points(scheme, [[5, 5], [9, 9]], label=[0, 0], ids=[1, 2])
    write_nuclei(tmp_path / name, nuclei, SLIDE)
    assert len(json.loads((tmp_path / name).read_text())["features"]) == 2
    assert read_nuclei(tmp_path / name, scheme).yx.tolist() == [[5, 5], [9, 9]]


def test_classes_that_share_their_name_in_qupath_come_back_as_two_and_are_two_there(tmp_path: Path) -> None:
    scheme = ClassScheme("s", (NucleusClass("sure", "#ff0000", "Tumor"), NucleusClass("unsure", "#ff8800", "Tumor")))
    path = tmp_path / "two.geojson"
    write_nuclei(path, Nuclei.from_points(scheme, [[5, 5], [9, 9]], label=[0, 1]), SLIDE)
    features = json.loads(path.read_text())["features"]
    assert [one["properties"]["classification"]["name"] for one in features] == ["sure", "unsure"]
    back = read_document(path).nuclei
    assert [back.scheme.names[k] for k in back.label] == ["sure", "unsure"]


def test_a_slide_whose_name_is_not_in_utf_8_can_be_named_in_a_file(tmp_path: Path, scheme: ClassScheme) -> None:
    slide = SlideInfo(name=b"pr\xe9paration.svs".decode("utf-8", "surrogateescape"), height=100, width=100)
    path = tmp_path / "named.geojson"
    write_nuclei(path, Nuclei.from_points(scheme, [[5, 5]], label=0), slide)
    found = read_slide_info(path)
    assert found is not None
    assert found.name == "pr?paration.svs"
