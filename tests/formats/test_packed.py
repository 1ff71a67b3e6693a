"""A file as people have it: packed, in another encoding, one object a line, with numbers that are none."""

from __future__ import annotations

import gzip
import json
import zipfile
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest

from nucloop.classes import builtin_schemes
from nucloop.errors import DataError
from nucloop.formats import FORMATS, read_document, read_regions, read_slide_info, write_nuclei
from nucloop.formats.slide_info import SlideInfo
from nucloop.formats.source import json_records, plain
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.formats import Document

SLIDE = SlideInfo(name="s", height=100, width=100, mpp=0.25)
TEXTS = sorted(name for name, one in FORMATS.items() if one.suffixes[0] not in {".parquet", ".npz", ".db"})
JSONS = [name for name in TEXTS if "json" in FORMATS[name].suffixes[0]]


def feature(x: float, **properties: object) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x + 0.5, 8.5]}, "properties": properties}


def places(document: Document) -> list[list[float]]:
    return document.nuclei.yx.tolist()


def written(folder: Path, name: str) -> Path:
    """Three nuclei in a format, all of which they can carry."""
    scheme = builtin_schemes()[FORMATS[name].carries.classes or "ocelot"]
    path = folder / f"nuclei{FORMATS[name].suffixes[0]}"
    write_nuclei(path, Nuclei.from_points(scheme, [[1, 2], [3, 4], [5, 6]], label=[0, 1, 1]), SLIDE)
    return path


PACK = {
    ".gz": gzip.compress,
    ".snappy": lambda data: bytes(imagecodecs.snappy_encode(data)),
}


def packed(path: Path, ending: str) -> Path:
    """The file packed, and only that."""
    data, there = path.read_bytes(), path.with_name(path.name + ending)
    if ending == ".zip":
        there = path.with_name("nuclei.zip")
        with zipfile.ZipFile(there, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("__MACOSX/._" + path.name, b"\0")
            archive.writestr("from the scanner/" + path.name, data)
    else:
        there.write_bytes(PACK[ending](data))
    path.unlink()
    return there


@pytest.mark.parametrize("ending", [".gz", ".zip", ".snappy"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_packed_file_of_any_format_is_what_it_was_before(tmp_path: Path, name: str, ending: str) -> None:
    path = written(tmp_path, name)
    before = read_document(path)

    after = read_document(packed(path, ending))

    assert places(after) == places(before)
    assert after.class_counts == before.class_counts


def test_a_packed_file_says_which_slide_it_is_of_and_gives_its_regions(tmp_path: Path) -> None:
    assert read_slide_info(packed(written(tmp_path, "csv"), ".gz")) == SLIDE
    area = {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}
    (tmp_path / "areas.geojson").write_text(json.dumps(area))

    [region] = read_regions(packed(tmp_path / "areas.geojson", ".zip"))

    assert region.area == pytest.approx(40.5)


def test_of_several_packed_files_none_is_chosen_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "y,x\n1,2\n")
        archive.writestr("b.csv", "y,x\n3,4\n")

    with pytest.raises(DataError, match=r"all\.zip holds 2 files \(a\.csv, b\.csv\).*Unpack it"):
        read_document(path)


@pytest.mark.parametrize("ending", [".gz", ".zip", ".snappy"])
def test_a_damaged_packing_is_refused_in_a_sentence(tmp_path: Path, ending: str) -> None:
    path = packed(written(tmp_path, "geojson"), ending)
    path.write_bytes(path.read_bytes()[:40] + b"\xff" * 30)

    with pytest.raises(DataError, match=rf"{path.name}.*(damaged|cut off)"):
        read_document(path)


@pytest.mark.parametrize("ending", [".gz", ".zip"])
def test_a_file_that_unpacks_without_end_is_refused(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "_SMALL", 1_000_000)
    (tmp_path / "bomb.csv").write_bytes(b"y,x\n" + b"1,2\n" * 3_000_000)

    with pytest.raises(DataError, match="more than nuclei can be"):
        read_document(packed(tmp_path / "bomb.csv", ending))


ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_in_another_encoding_is_read(tmp_path: Path, name: str, encoding: str) -> None:
    path = written(tmp_path, name)
    before = read_document(path)
    path.write_bytes(path.read_text().encode(encoding))

    after = read_document(path)

    assert places(after) == places(before)
    assert after.class_counts == before.class_counts


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8"])
@pytest.mark.parametrize("ending", [".csv", ".geojson"])
def test_letters_of_other_encodings_stay_what_they_are(tmp_path: Path, ending: str, encoding: str) -> None:
    path = tmp_path / f"a{ending}"
    text = "y,x,class\n8,1,Drüse µ\n"
    if ending == ".geojson":
        text = json.dumps([feature(1, classification={"name": "Drüse µ"})], ensure_ascii=False)
    path.write_bytes(text.encode(encoding))

    document = read_document(path)

    assert document.class_counts == {"Drüse µ": 1}


@pytest.mark.parametrize("ending", [".ndjson", ".jsonl", ".geojsonl", ".geojson", ".json"])
def test_objects_one_a_line_are_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"lines{ending}"
    path.write_text("\n".join(json.dumps(feature(k, name='a "}{" b')) for k in range(5)) + "\n")

    assert places(read_document(path)) == [[8, k] for k in range(5)]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_geojson_text_sequence_is_read(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "a.geojsonseq"
    path.write_text("".join(f"\x1e{json.dumps(feature(k), indent=indent)}\n" for k in range(5)))

    assert places(read_document(path)) == [[8, k] for k in range(5)]


def test_long_sequences_are_read_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "_BLOCK", 500)
    path = tmp_path / "a.geojsonl"
    path.write_text("\n".join(json.dumps(feature(k)) for k in range(50)))

    assert places(read_document(path)) == [[8, k] for k in range(50)]


@pytest.mark.parametrize("tail", ['{"type": "Feat', "hello", '{"type": "Feature", "geometry": {"type": "Point"}}'])
def test_a_sequence_that_breaks_off_is_refused(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "a.geojsonl"
    path.write_text(json.dumps(feature(1)) + "\n" + tail)

    with pytest.raises(DataError, match=r"a\.geojsonl"):
        read_document(path)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("name", JSONS)
def test_numbers_that_are_none_may_stand_bare_where_nobody_needs_them(tmp_path: Path, name: str, word: str) -> None:
    path = written(tmp_path, name)
    before = read_document(path)
    text = path.read_text()
    for bracket in ('{"type":"Feature",', '{"center"', '{"bbox"', '{"id":', '{"name":"image_0"'):
        text = text.replace(bracket, f'{{"measured":[1, {word}],"said":"no {word}, \\" {word}",{bracket[1:]}')
    path.write_text(text)

    after = read_document(path)

    assert places(after) == places(before)


def test_a_class_may_be_called_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps([feature(1, classification={"name": "NaN"}, measurements={"Area": float("nan")})]))

    assert read_document(path).class_counts == {"NaN": 1}


def test_measurements_that_are_no_numbers_leave_those_that_are(tmp_path: Path) -> None:
    measured = {"NucLoop score": 0.5, "Area": float("inf")}, {"NucLoop score": float("nan"), "Area": float("-inf")}
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps([feature(1, measurements=one) for one in measured]))

    np.testing.assert_array_equal(read_document(path).nuclei.score, [0.5, np.nan])
