"""Files of nuclei in napari's own ways: dropped on the window, opened, saved with File > Save."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.gui.conftest import LONG_MS

from nucloop.classes import builtin_schemes
from nucloop.formats import FORMATS, read_document, write_nuclei
from nucloop.gui.files.import_dialog import ImportDialog
from nucloop.gui.plugin.annotation_files import get_annotation_reader, write_points
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
OCELOT, BRCA = builtin_schemes()["ocelot"], builtin_schemes()["brca-m2c"]
PLACES = np.array([[40, 50], [60, 80], [200, 300]], float)


def sample(name: str) -> Nuclei:
    return Nuclei.from_points(builtin_schemes()[FORMATS[name].carries.classes or "ocelot"], PLACES, label=[0, 1, 0])


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_every_format_is_known_by_what_it_holds(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"nuclei{FORMATS[name].suffixes[0]}"
    write_nuclei(path, sample(name))

    assert get_annotation_reader(str(path)) is not None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"index,axis-0,axis-1\n0,1,2\n"),
        ("a.csv", b"\xff\xfe\x00"),
        ("a.json", b'{"name": "package"}'),
        ("a.txt", b"Dear reader,\n"),
        ("a.npz", b"PK\x03\x04"),
        ("a.db", b"SQLite format 3\x00"),
        ("missing.geojson", None),
    ],
)
def test_a_file_of_something_else_is_left_to_others(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    assert get_annotation_reader(str(tmp_path / name)) is None


def test_a_file_dropped_on_a_slide_asks_what_it_is(bench: Bench, tmp_path: Path) -> None:
    write_nuclei(tmp_path / "a.geojson", sample("geojson"))

    bench.viewer.open(str(tmp_path / "a.geojson"), plugin="napari-nucloop")

    window = bench.viewer.window._qt_window
    bench.qtbot.waitUntil(lambda: bool(window.findChildren(ImportDialog)), timeout=LONG_MS)
    dialog = window.findChildren(ImportDialog)[-1]
    bench.qtbot.waitUntil(lambda: dialog._file is not None, timeout=LONG_MS)
    assert dialog.content.text().startswith("3 nuclei")
    dialog.close()


def test_without_a_slide_the_nuclei_are_a_points_layer(bench: Bench, tmp_path: Path) -> None:
    bench.viewer.layers.clear()
    write_nuclei(tmp_path / "a.csv", sample("csv"))
    read = get_annotation_reader(str(tmp_path / "a.csv"))
    assert read is not None

    data, options, kind = read(str(tmp_path / "a.csv"))[0]

    assert kind == "points"
    np.testing.assert_allclose(data, PLACES)
    assert options["features"]["class"].tolist() == [OCELOT.names[0], OCELOT.names[1], OCELOT.names[0]]


@pytest.mark.parametrize("name", ["geojson", "parquet", "dsa", "brca-m2c"])
def test_saving_the_nuclei_layer_writes_the_whole_session(bench: Bench, tmp_path: Path, name: str) -> None:
    many = np.random.default_rng(0).uniform(5, 500, (7000, 2))
    bench.find(many, np.arange(7000) % 3)
    bench.look_at(250, 250, 100)
    assert len(bench.layer.data) < 7000
    path = tmp_path / f"out{FORMATS[name].suffixes[0]}"

    saved = bench.layer.save(str(path), plugin="napari-nucloop")

    assert saved == [str(path)]
    found = read_document(path, name).nuclei
    assert len(found) == 7000
    assert found.counts() == bench.session.counts


def test_saving_any_points_layer_keeps_its_classes(bench: Bench, tmp_path: Path) -> None:
    layer = bench.viewer.add_points(PLACES, features={"class": ["b", "a", "b"]}, name="mine")

    layer.save(str(tmp_path / "mine.geojson"), plugin="napari-nucloop")

    document = read_document(tmp_path / "mine.geojson")
    np.testing.assert_allclose(document.nuclei.yx, PLACES)
    assert document.class_counts == {"a": 1, "b": 2}


def test_what_is_no_place_on_a_slide_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="holds no points on a slide"):
        write_points(str(tmp_path / "a.csv"), np.zeros((3, 1)), {"name": "line"})
