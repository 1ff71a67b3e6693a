"""Files that are damaged, absurd or malicious: one sentence, bounded memory, and nothing imported by half."""

from __future__ import annotations

import json
import sqlite3
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nucloop.classes import builtin_schemes
from nucloop.errors import DataError
from nucloop.formats import FORMATS, SlideInfo, read_document, write_nuclei
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEME = builtin_schemes()["ocelot"]
SLIDE = SlideInfo(name="s", height=100, width=100, mpp=0.25)
JSON_FORMATS = ("geojson", "dsa", "cellvit", "cellvit-geojson", "coco", "ocelot-json")
LIST_NAME = {"dsa": "elements", "cellvit": "cells", "coco": "annotations", "ocelot-json": "points"}


def fitting(name: str) -> Nuclei:
    scheme = SCHEME if FORMATS[name].carries.classes is None else builtin_schemes()[FORMATS[name].carries.classes]
    return Nuclei.from_points(scheme, [[1, 2], [3, 4], [5, 6]], label=[0, 1, 1], ids=[1, 2, 3])


def written(folder: Path, name: str) -> Path:
    path = folder / f"nuclei{FORMATS[name].suffixes[0]}"
    write_nuclei(path, fitting(name), SLIDE)
    return path


def begun(name: str) -> bytes:
    """A file of a JSON format up to the first object of its list."""
    return b"[" if "geojson" in name else json.dumps({LIST_NAME[name]: []}).encode()[:-2]


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_an_empty_and_a_foreign_file_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"x{FORMATS[name].suffixes[0]}"
    with pytest.raises(DataError, match="x"):
        read_document(path, name)
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(DataError, match="x"):
        read_document(path, name)


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in {"csv", "ocelot-csv", "brca-m2c"}])
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    whole = path.read_bytes().rstrip()

    for length in np.linspace(0, len(whole) - 1, 7).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="nuclei"):
            read_document(path, name)


@pytest.mark.parametrize("name", JSON_FORMATS)
@pytest.mark.parametrize(
    "rest",
    [
        b"[" * 3_000_000,
        b'{"a":' * 3_000_000,
        b'[{"a":' + b"[" * 3_000_000,
        b"[]," * 1_000_000,
        b"}" * 3_000_000,
        b'{"a":"' + b'\\"' * 3_000_000,
        b'"' * 3_000_001,
        b"1," * 2_000_000,
        b" " * 3_000_000,
        b'{"a":1},' * 10 + b"7]}",
    ],
    ids=["lists", "objects", "inside", "empties", "closings", "string", "quotes", "numbers", "spaces", "number"],
)
def test_brackets_without_end_take_neither_memory_nor_time(tmp_path: Path, name: str, rest: bytes) -> None:
    path = tmp_path / "bomb.json"
    path.write_bytes(begun(name) + rest)
    tracemalloc.start()

    with pytest.raises(DataError, match=r"bomb\.json"):
        read_document(path, name)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


PLACES = {
    "csv": ("1,1.0,2.0", "1,{},2.0"),
    "geojson": ("[2.5,1.5]", "[2.5,{}]"),
    "dsa": ("[2.5,1.5,0]", "[2.5,{},0]"),
    "cellvit": ('"centroid":[2.0,1.0]', '"centroid":[2.0,{}]'),
    "cellvit-geojson": ("[2.0,1.0]", "[2.0,{}]"),
    "coco": ("[2.0,1.0,2]", "[2.0,{},2]"),
    "ocelot-json": ("[2,1,1]", "[2,{},1]"),
    "ocelot-csv": ("2,1,1", "2,{},1"),
    "brca-m2c": ("1 2 1", "{} 2 1"),
}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e300", '"1"', "null", "true", "[1]", "{}"])
@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_is_no_number_on_a_slide_is_refused(tmp_path: Path, name: str, value: str) -> None:
    if name in {"csv", "ocelot-csv", "brca-m2c"} and value == '"1"':
        pytest.skip("in a table, quotes may stand around any value")
    path = written(tmp_path, name)
    old, new = PLACES[name]
    replaced(path, old, new.replace("{}", value, 1))

    with pytest.raises(DataError, match="nuclei"):
        read_document(path, name)


@pytest.mark.parametrize("name", ["csv", "geojson", "dsa", "cellvit", "coco", "parquet", "npz", "tiatoolbox"])
def test_an_id_given_twice_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nuclei = Nuclei.from_points(SCHEME, [[1, 2], [3, 4]], label=[0, 1], ids=[7, 7])
    path = tmp_path / f"nuclei{FORMATS[name].suffixes[0]}"
    monkeypatch.setattr("nucloop.formats.checked", lambda document, _: document)
    if name == "tiatoolbox":
        with pytest.raises(DataError, match="UNIQUE"):
            write_nuclei(path, nuclei, SLIDE)
        assert not path.exists()
        return
    write_nuclei(path, nuclei, SLIDE)
    monkeypatch.undo()

    with pytest.raises(DataError, match="id 7 to more than one nucleus"):
        read_document(path)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("geojson", '"NucLoop origin":"predicted"', '"NucLoop origin":["predicted"]'),
        ("geojson", '"NucLoop id":"1"', '"NucLoop id":"99999999999999999999"'),
        ("geojson", '"type":"Point"', '"type":["Point"]'),
        ("geojson", '"classification":{"name":"Other"', '"classification":{"name":["Other"]'),
        ("geojson", '"scheme":{', '"scheme":{"more":1,'),
        ("dsa", '"origin":"predicted"', '"origin":"guessed"'),
        ("dsa", '"type":"point"', '"type":["point"]'),
        ("dsa", '"group":"background cell"', '"group":17'),
        ("cellvit", '"type":1', '"type":"one"'),
        ("cellvit", '"type_map":{', '"type_map":["a"],"b":{'),
        ("coco", '"category_id":1', '"category_id":null'),
        ("coco", '"image_id":1', '"image_id":{}'),
        ("coco", '"categories":[', '"categories":[1,'),
        ("ocelot-json", '"probability":1.0', '"probability":"high"'),
        ("ocelot-json", '"probability":1.0', '"probability":7'),
        ("ocelot-json", "[2,1,1]", "[2,1,0]"),
        ("ocelot-csv", "2,1,1", "2,1,1.5"),
        ("brca-m2c", "1 2 1", "1 2 100000"),
        ("csv", '""width"":100', '""width"":""wide""'),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(tmp_path: Path, name: str, old: str, new: str) -> None:
    path = written(tmp_path, name)
    replaced(path, old, new)

    with pytest.raises(DataError, match=r"nuclei|class"):
        read_document(path, name)


def test_sql_in_names_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "x'; DROP TABLE annotations; --?mode=rwc.db"
    nuclei = Nuclei.from_points(SCHEME, [[1, 2]], label=[0], ids=[1])

    write_nuclei(path, nuclei, SlideInfo(name="'; DELETE FROM annotations; --", height=1, width=1))

    document = read_document(path)
    assert len(document.nuclei) == 1
    assert document.slide is not None
    assert document.slide.name == "'; DELETE FROM annotations; --"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_path_in_the_name_of_a_slide_or_an_image_leads_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "out" / "nuclei.coco.json"

    write_nuclei(path, fitting("coco"), SlideInfo(name="../../../etc/passwd", height=1, width=1))

    assert [one.name for one in tmp_path.rglob("*")] == ["out", "nuclei.coco.json"]
    assert read_document(path).slide is not None


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE metadata (key, value); CREATE VIEW annotations AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL "
        "SELECT n + 1 FROM r) SELECT n AS id, n AS cx, n AS cy, NULL AS geometry, '{}' AS properties FROM r;",
        "CREATE TABLE metadata (key, value); CREATE TABLE annotations (id INTEGER PRIMARY KEY, cx, cy, geometry, "
        "properties TEXT GENERATED ALWAYS AS (hex(zeroblob(500000000))));",
        "CREATE TABLE metadata (key, value); CREATE TABLE annotations (id); INSERT INTO annotations VALUES (1);",
        "CREATE TABLE metadata (key, value); INSERT INTO metadata VALUES ('compression', '[[[');"
        "CREATE TABLE annotations (id, cx, cy, geometry, properties);",
        "CREATE TABLE metadata (key, value); INSERT INTO metadata VALUES ('compression', '\"lzma\"');"
        "CREATE TABLE annotations (id, cx, cy, geometry, properties);",
        "CREATE TABLE metadata (key, value); CREATE TABLE annotations (id, cx, cy, geometry, properties);"
        "INSERT INTO annotations VALUES (1, 'here', 'there', NULL, '{}');",
        "CREATE TABLE metadata (key, value); CREATE TABLE annotations (id, cx, cy, geometry, properties);"
        "INSERT INTO annotations VALUES (1, 1.0, 1.0, x'0102', '{}');",
        "CREATE TABLE metadata (key, value); CREATE TABLE annotations (id, cx, cy, geometry, properties);"
        "INSERT INTO annotations VALUES (1, 1.0, 1.0, NULL, '[1]');",
    ],
    ids=["view", "computed", "columns", "metadata", "compression", "text", "geometry", "properties"],
)
def test_a_database_that_is_no_store_is_refused_and_not_run(tmp_path: Path, script: str) -> None:
    path = tmp_path / "trap.db"
    with sqlite3.connect(path) as store:
        store.executescript(script)
    store.close()

    with pytest.raises(DataError, match=r"trap\.db"):
        read_document(path)


def test_numpy_files_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "pickle.npz"
    np.savez(path, yx=np.array([{"a": 1}, None], object))

    with pytest.raises(DataError, match=r"pickle\.npz"):
        read_document(path)


def npz_of_zeros(path: Path, shape: tuple[int, ...], dtype: str) -> None:
    """An archive of one array of zeros, three thousandths of the size of what it unpacks to."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("yx.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        left = int(np.prod(shape)) * np.dtype(dtype).itemsize
        while left:
            piece = bytes(min(left, 1 << 24))
            left -= file.write(piece)


def parquet_of_zeros(path: Path, rows: int, **texts: str) -> None:
    columns = {"y": pa.array(np.zeros(rows)), "x": pa.array(np.zeros(rows))}
    for name, text in texts.items():
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=rows)


@pytest.mark.parametrize(("shape", "dtype"), [((100_000_000, 2), "|i1"), ((190_000_000, 2), "<f8")])
def test_an_archive_of_more_than_memory_is_refused_by_its_headers(
    tmp_path: Path, shape: tuple[int, int], dtype: str
) -> None:
    path = tmp_path / "bomb.npz"
    npz_of_zeros(path, (shape[0] // 100, 2), dtype)
    # the header says it, be it true or not
    whole = zipfile.ZipFile(path).read("yx.npy")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("yx.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        file.write(whole[:10_000])
    tracemalloc.start()

    with pytest.raises(DataError, match="unpacks to"):
        read_document(path)

    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()


def test_a_parquet_table_of_sixty_million_rows_in_half_a_megabyte_is_refused_by_its_headers(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    parquet_of_zeros(path, 60_000_000)
    assert path.stat().st_size < 1_000_000
    before = pa.total_allocated_bytes()
    tracemalloc.start()

    with pytest.raises(DataError, match="unpacks to"):
        read_document(path)

    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    assert pa.total_allocated_bytes() <= before + 40_000_000
    tracemalloc.stop()


def test_one_text_in_every_row_of_a_parquet_table_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "text.parquet"
    parquet_of_zeros(path, 100_000, author="x" * 100_000)
    pa.default_memory_pool().release_unused()
    peak = pa.default_memory_pool().max_memory()

    assert len(read_document(path).nuclei) == 100_000

    assert pa.default_memory_pool().max_memory() <= max(peak, 100_000_000)


@pytest.mark.parametrize(
    "arrays",
    [
        {"label": np.zeros(2, int)},
        {"yx": np.zeros(4)},
        {"yx": np.full((2, 2), np.nan)},
        {"yx": np.zeros((2, 2)), "ids": np.zeros(5, int)},
        {"yx": np.zeros((2, 2)), "origin": np.full(2, 99)},
        {"yx": np.zeros((2, 2)), "score": np.full(2, 99.0)},
        {"yx": np.zeros((2, 2)), "ids": np.full(2, -3)},
        {"yx": np.zeros((2, 2)), "header": np.zeros(9, np.uint8)},
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, **arrays)

    with pytest.raises(DataError, match=r"arrays\.npz"):
        read_document(path)


@pytest.mark.parametrize(
    "columns",
    [
        {"a": [1.0]},
        {"y": ["one"], "x": [2.0]},
        {"y": [None], "x": [2.0]},
        {"y": [float("inf")], "x": [2.0]},
        {"y": [1.0], "x": [2.0], "id": [1.5]},
        {"y": [1.0], "x": [2.0], "class": [3]},
        {"y": [1.0], "x": [2.0], "origin": ["guessed"]},
        {"y_um": [1.0], "x_um": [2.0]},
        {"y": [1.0] * 200, "x": [2.0] * 200, "class": [f"c{k}" for k in range(200)]},
    ],
)
def test_a_parquet_table_that_cannot_be_right_is_refused(tmp_path: Path, columns: dict[str, list[object]]) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), path)

    with pytest.raises(DataError, match=r"table\.parquet"):
        read_document(path)


@pytest.mark.parametrize("suffix", [".csv", ".ocelot.csv", ".txt"])
def test_a_line_without_end_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"line{suffix}"
    path.write_bytes(b"y,x\n1,2\n" + b"1" * 2_500_000)

    with pytest.raises(DataError, match="letters"):
        read_document(path)


@pytest.mark.parametrize(
    "make", [lambda path: path.mkdir(), lambda path: path.symlink_to(path)], ids=["folder", "link to itself"]
)
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    path = tmp_path / f"odd{FORMATS[name].suffixes[0]}"
    make(path)

    with pytest.raises(DataError, match="odd"):
        read_document(path)


def csv_of(text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "odd.csv").write_text(text)
        return folder / "odd.csv"

    return write


def many_in_binary(kind: int, depth: int) -> bytes:
    return struct.pack("<BII", 1, kind, 1) * depth + struct.pack("<BIdd", 1, 1, 4.0, 4.0)


def old_header(folder: Path) -> Path:
    """An array whose header is no whole piece of Python, which NumPy reads as one."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1L, (".ljust(117) + b"\n"
    with zipfile.ZipFile(folder / "odd.npz", "w") as archive:
        archive.writestr("yx.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    return folder / "odd.npz"


def compressed_by_a_list(folder: Path) -> Path:
    with sqlite3.connect(folder / "odd.db") as store:
        store.executescript(
            "CREATE TABLE metadata (key, value); INSERT INTO metadata VALUES ('compression', '[1]');"
            "CREATE TABLE annotations (id, cx, cy, geometry, properties);"
        )
    store.close()
    return folder / "odd.db"


def a_type_beyond_numbers(folder: Path) -> Path:
    path = written(folder, "cellvit").rename(folder / "odd.cellvit.json")
    replaced(path, '"type":1', f'"type":{10**19}')
    return path


@pytest.mark.parametrize(
    "make",
    [
        csv_of("index,axis-1,axis-2\n0,1e400,x\n"),
        csv_of('WKT,class\n"POLYGON EMPTY",a\n'),
        csv_of('WKT,class\n"POLYGON ((1 1, 9 NaN, 9 9, 1 1))",a\n'),
        old_header,
        compressed_by_a_list,
        a_type_beyond_numbers,
    ],
    ids=["two axes", "empty shape", "NaN in a shape", "header", "compression", "type"],
)
def test_what_changed_files_ended_in_tracebacks_is_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pytest.raises(DataError, match="odd"):
        read_document(make(tmp_path))


def said_elsewhere(path: Path) -> str:
    """What becomes of a file in a process of its own, which a library may end."""
    program = (
        "import sys; from pathlib import Path; from nucloop.errors import NucLoopError\n"
        "from nucloop.formats import read_document\n"
        "try: print('read', len(read_document(Path(sys.argv[1])).nuclei))\n"
        "except NucLoopError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-500:]
    return run.stdout


@pytest.mark.parametrize("column", ["WKT", "outline"])
def test_shapes_within_shapes_without_end_in_a_table_do_not_end_the_program(tmp_path: Path, column: str) -> None:
    path = tmp_path / "deep.csv"
    text = "GEOMETRYCOLLECTION(" * 30_000
    path.write_text(f'y,x,{column}\n1,2,"{text}"\n' if column == "outline" else f'{column}\n"{text}"\n')

    assert ("read 1" if column == "outline" else "deep.csv") in said_elsewhere(path)


@pytest.mark.parametrize("kind", [4, 6, 7], ids=["points", "areas", "anything"])
def test_shapes_within_shapes_without_end_in_binary_do_not_end_the_program(tmp_path: Path, kind: int) -> None:
    blob = many_in_binary(kind, 100_000)
    table, store = tmp_path / "deep.parquet", tmp_path / "deep.db"
    about = {b"geo": json.dumps({"primary_column": "geometry"}).encode()}
    pq.write_table(pa.table({"geometry": pa.array([blob])}).replace_schema_metadata(about), table)
    with sqlite3.connect(store) as database:
        database.executescript(
            "CREATE TABLE metadata (key, value); CREATE TABLE annotations (id, cx, cy, geometry, properties);"
        )
        database.execute("INSERT INTO annotations VALUES (1, 1.0, 1.0, ?, '{}')", (blob,))
    database.close()

    assert "deep.parquet" in said_elsewhere(table)
    assert "deep.db" in said_elsewhere(store)


def test_a_parquet_table_whose_headers_contradict_themselves_does_not_end_the_program(tmp_path: Path) -> None:
    path = written(tmp_path, "parquet")
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    start, rng = len(data) - 8 - length, np.random.default_rng(5)
    for number in range(300):
        changed = bytearray(data)
        changed[start + rng.integers(length)] = rng.integers(256)
        (tmp_path / f"{number}.parquet").write_bytes(changed)
    program = (
        "import sys; from pathlib import Path; from nucloop.errors import NucLoopError\n"
        "from nucloop.formats import read_document\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.parquet')):\n"
        "    try: read_document(path)\n"
        "    except NucLoopError: pass\n"
    )

    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=200)

    assert run.returncode == 0, run.stderr[-500:]


@pytest.mark.parametrize("value", ["int" * 300_000, "float 'a" * 100_000])
def test_a_value_of_a_megabyte_is_refused_at_once(tmp_path: Path, value: str) -> None:
    path = tmp_path / "long.csv"
    path.write_text(f"y,x\n{value},1\n")
    begun = time.process_time()

    with pytest.raises(DataError, match=r"long\.csv"):
        read_document(path)

    assert time.process_time() - begun < 5
