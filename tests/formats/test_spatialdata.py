"""SpatialData stores, written and read with the library itself where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from tests.formats.tables import ODD, same_outlines, tables

from nucloop.classes import builtin_schemes
from nucloop.errors import DataError
from nucloop.formats import SlideInfo, read_document, write_nuclei
from nucloop.nuclei import Nuclei, Origin

SCHEME = builtin_schemes()["brca-m2c"]
SLIDE = SlideInfo(name="a.svs", height=500, width=600, mpp=0.25, sha256="ab" * 32)
THERE = importlib.util.find_spec("spatialdata") is not None
needs_it = pytest.mark.skipif(
    not THERE, reason="SpatialData is not installed: pip install 'napari-nucloop[spatialdata]'"
)
# its own dependencies warn while they are imported
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def nuclei() -> Nuclei:
    return Nuclei.from_points(
        SCHEME,
        [[10.5, 20.25], [30, 40], [50, 60]],
        label=[0, -1, 2],
        ids=[3, 7, 5],
        score=[0.5, np.nan, 0.75],
        probability=[[0.5, 0.25, 0.25], [np.nan] * 3, [0.1, 0.1, 0.8]],
        origin=[Origin.PREDICTED, Origin.ADDED, Origin.CORRECTED],
    )


@needs_it
def test_nuclei_come_back_with_everything(tmp_path: Path, nuclei: Nuclei) -> None:
    path = tmp_path / "a.spatialdata.zarr"
    notes = {"author": np.array(["", "A", "B"], object)}

    assert write_nuclei(path, nuclei, SLIDE, notes=notes) == []
    document = read_document(path)

    assert document.slide == SLIDE
    for name in ("ids", "yx", "score", "label", "probability", "origin"):
        np.testing.assert_array_equal(getattr(document.nuclei, name), getattr(nuclei, name), err_msg=name)
    assert document.notes["author"].tolist() == ["", "A", "B"]


@needs_it
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(nuclei=tables(ODD))
def test_whatever_nuclei_there_are_they_come_back(nuclei: Nuclei) -> None:
    assume(len(nuclei))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.spatialdata.zarr"
        write_nuclei(path, nuclei, SLIDE)
        found = read_document(path).nuclei

    numbered = nuclei.ids.any()
    for name in ("ids", "yx", "score", "label", "probability", "origin") if numbered else ("yx", "label", "origin"):
        np.testing.assert_array_equal(getattr(found, name), getattr(nuclei, name), err_msg=name)
    for name in ("outlines", "cell_outlines"):
        same_outlines(getattr(found, name), getattr(nuclei, name), len(nuclei))
    assert found.scheme.names == nuclei.scheme.names


@needs_it
def test_the_library_reads_circles_their_table_and_micrometres(tmp_path: Path, nuclei: Nuclei) -> None:
    import spatialdata

    write_nuclei(tmp_path / "a.spatialdata.zarr", nuclei, SLIDE)

    store = spatialdata.read_zarr(tmp_path / "a.spatialdata.zarr")
    moved = spatialdata.transform(store["nuclei"], to_coordinate_system="micrometers")

    np.testing.assert_allclose(moved.geometry.x, nuclei.yx[:, 1] * 0.25)
    assert store["nuclei_table"].obs["class"].tolist() == ["lymphocyte", "", "stromal"]


@needs_it
def test_a_store_is_not_written_over_and_another_folder_is_refused(tmp_path: Path, nuclei: Nuclei) -> None:
    path = tmp_path / "a.spatialdata.zarr"
    path.mkdir()

    with pytest.raises(DataError, match="is there already"):
        write_nuclei(path, nuclei)
    with pytest.raises(DataError, match=r"is not a SpatialData store|holds 0 elements"):
        read_document(path)


@needs_it
def test_no_nuclei_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no nuclei to write"):
        write_nuclei(tmp_path / "a.spatialdata.zarr", Nuclei.empty(SCHEME), SLIDE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(THERE, reason="SpatialData is installed")
def test_without_the_extra_its_name_is_said(tmp_path: Path, nuclei: Nuclei) -> None:
    with pytest.raises(DataError, match=r"napari-nucloop\[spatialdata\]"):
        write_nuclei(tmp_path / "a.spatialdata.zarr", nuclei)
