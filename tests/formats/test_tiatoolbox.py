import json
import sqlite3
import uuid
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import shapely

from nucloop.classes import builtin_schemes
from nucloop.formats import SlideInfo, read_document, write_nuclei
from nucloop.formats.rtree import fill_rtree
from nucloop.nuclei import Nuclei

SCHEME = builtin_schemes()["brca-m2c"]


@pytest.mark.parametrize("count", [0, 1, 51, 52, 2700, 140_000])
def test_a_tree_filled_at_once_is_sound_and_answers_as_a_search_would(count: int) -> None:
    rng = np.random.default_rng(count)
    low = rng.uniform(-10, 5000, (count, 2))
    high = low + rng.uniform(0, 30, (count, 2)) * (rng.random((count, 1)) < 0.5)
    boxes = np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]])
    with closing(sqlite3.connect(":memory:")) as store:
        store.execute("CREATE VIRTUAL TABLE tree USING rtree(id, min_x, max_x, min_y, max_y)")

        fill_rtree(store, "tree", np.arange(1, count + 1), boxes)

        assert store.execute("SELECT rtreecheck('tree')").fetchone() == ("ok",)
        question = "SELECT id FROM tree WHERE max_x >= 100 AND min_x <= 900 AND max_y >= 200 AND min_y <= 700"
        found = {number for (number,) in store.execute(question)}
        wanted = (high[:, 0] >= 100) & (low[:, 0] <= 900) & (high[:, 1] >= 200) & (low[:, 1] <= 700)
        assert found == set((np.flatnonzero(wanted) + 1).tolist())
        store.execute("INSERT INTO tree VALUES (?, 0, 1, 0, 1)", (count + 1,))
        assert store.execute("SELECT rtreecheck('tree')").fetchone() == ("ok",)


def test_a_store_has_the_layout_of_the_real_tool(tmp_path: Path) -> None:
    path = tmp_path / "nuclei.db"

    write_nuclei(
        path, Nuclei.from_points(SCHEME, [[1.5, 2.5]], label=[1], ids=[9]), SlideInfo(name="s", height=9, width=9)
    )

    with closing(sqlite3.connect(path)) as store:
        [row] = store.execute("SELECT key, objtype, cx, cy, geometry, properties, area FROM annotations").fetchall()
        assert uuid.UUID(row[0])
        assert row[1:5] == ("Point", 2.5, 1.5, None)
        assert json.loads(row[5])["type"] == "tumour"
        about = {key: json.loads(value) for key, value in store.execute("SELECT key, value FROM metadata")}
        assert about["version"] == "1.0.1"
        assert about["compression"] == "zlib"


def test_polygons_of_the_real_tool_are_nuclei_with_outlines(tmp_path: Path) -> None:
    path = tmp_path / "tool.db"
    square = shapely.box(10, 20, 14, 30)
    with closing(sqlite3.connect(path)) as store:
        store.executescript(
            "CREATE TABLE metadata (key TEXT UNIQUE, value TEXT);"
            "CREATE TABLE annotations (id INTEGER PRIMARY KEY, key TEXT UNIQUE, objtype TEXT, cx FLOAT NOT NULL,"
            " cy FLOAT NOT NULL, geometry BLOB, properties TEXT, area FLOAT NOT NULL)"
        )
        store.executemany("INSERT INTO metadata VALUES (?, ?)", [("version", '"1.0.1"'), ("compression", '"zlib"')])
        row = (1, str(uuid.uuid4()), "Polygon", 12.0, 25.0, zlib.compress(square.wkb), '{"type":2,"prob":0.5}', 40.0)
        store.execute("INSERT INTO annotations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        store.commit()

    document = read_document(path)

    np.testing.assert_array_equal(document.nuclei.yx, [[25, 12]])
    assert document.nuclei.score.tolist() == [0.5]
    assert document.nuclei.scheme.names == ("2",)
    assert document.nuclei.outlines is not None
    assert len(document.nuclei.outlines[0]) == 4
