import json
import os
from pathlib import Path

import numpy as np
import pytest

from nucloop.classes import ClassScheme, builtin_schemes
from nucloop.errors import DataError, RegionError
from nucloop.formats import (
    FORMATS,
    Format,
    SlideInfo,
    adopt,
    read_document,
    read_nuclei,
    read_regions,
    read_slide_info,
    write_nuclei,
)
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.slides import slide_from_array

SLIDE = SlideInfo(name="tiny.svs", height=3000, width=4000, mpp=0.25, sha256="ab" * 32)


@pytest.fixture
def scheme() -> ClassScheme:
    return builtin_schemes()["brca-m2c"]


@pytest.fixture
def nuclei(scheme: ClassScheme) -> Nuclei:
    return Nuclei.from_points(
        scheme,
        [[0.0, 0.0], [10.25, 20.5], [2999.0, 3999.0]],
        label=[0, 1, UNLABELLED],
        score=[0.5, 0.75, np.nan],
        probability=[[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [np.nan] * 3],
        ids=[7, 8, 12],
        origin=[Origin.PREDICTED, Origin.CORRECTED, Origin.ADDED],
    )


def sayable(nuclei: Nuclei, kind: Format) -> Nuclei:
    """The same nuclei with classes that the format knows."""
    return nuclei if kind.carries.classes is None else adopt(nuclei, builtin_schemes()[kind.carries.classes], ANY_CLASS)


ANY_CLASS = {"lymphocyte": None, "tumour": "Tumor", "stromal": None}


def test_every_format_keeps_an_empty_table(tmp_path: Path, scheme: ClassScheme) -> None:
    for kind in FORMATS.values():
        path = tmp_path / f"nothing{kind.suffixes[0]}"

        write_nuclei(path, Nuclei.empty(scheme), SLIDE)

        assert len(read_nuclei(path, scheme)) == 0


def test_every_format_says_which_slide_and_which_weights(tmp_path: Path, nuclei: Nuclei) -> None:
    for kind in FORMATS.values():
        path = tmp_path / f"nuclei{kind.suffixes[0]}"

        write_nuclei(path, sayable(nuclei, kind), SLIDE, weights={"detector": {"name": "denuc", "sha256": "cd"}})

        if kind.carries.slide:
            assert read_slide_info(path) == SLIDE
        if kind.carries.weights:
            assert read_document(path).weights == {"detector": {"name": "denuc", "sha256": "cd"}}


def test_the_fingerprint_of_a_slide_tells_two_slides_of_one_size_apart() -> None:
    other = SlideInfo(name="tiny.svs", height=3000, width=4000, sha256="cd" * 32)
    unknown = SlideInfo(name="array", height=3000, width=4000)

    assert not SLIDE.may_be(other)
    assert SLIDE.may_be(unknown)
    assert not unknown.may_be(SlideInfo(name="array", height=3000, width=4001))


def test_an_array_is_described_without_a_fingerprint() -> None:
    info = SlideInfo.of(slide_from_array(np.zeros((20, 30, 3), np.uint8), mpp=0.5, name="field"))

    assert (info.height, info.width, info.mpp, info.sha256) == (20, 30, 0.5, None)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, nuclei: Nuclei, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "nuclei.geojson"
    path.write_text("old")

    def disk_is_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_is_full)

    with pytest.raises(DataError, match="No space left on device"):
        write_nuclei(path, nuclei, SLIDE)

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["nuclei.geojson"]


def test_missing_folders_are_made(tmp_path: Path, nuclei: Nuclei) -> None:
    path = tmp_path / "new" / "folder" / "nuclei.csv"

    write_nuclei(path, nuclei, SLIDE)

    assert len(read_nuclei(path, nuclei.scheme)) == len(nuclei)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, nuclei: Nuclei) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(DataError, match=r"Cannot write .*nuclei\.csv"):
        write_nuclei(tmp_path / "file" / "nuclei.csv", nuclei, SLIDE)


def test_an_unknown_format_is_answered_with_the_known_ones(tmp_path: Path, nuclei: Nuclei) -> None:
    with pytest.raises(DataError, match=r"format of nuclei\.xls.*csv, geojson"):
        write_nuclei(tmp_path / "nuclei.xls", nuclei, SLIDE)
    with pytest.raises(DataError, match="the format 'xml'"):
        write_nuclei(tmp_path / "nuclei.csv", nuclei, SLIDE, "xml")


def test_regions_are_read_as_corners_in_our_pixels(tmp_path: Path) -> None:
    path = tmp_path / "regions.geojson"
    square = [[10.5, 20.5], [30.5, 20.5], [30.5, 40.5], [10.5, 20.5]]
    path.write_text(
        json.dumps(
            [
                {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [square]}, "properties": {}},
                {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}},
                {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [[square], [square]]}},
            ]
        )
    )

    regions = read_regions(path)

    assert [len(list(region.pieces)) for region in regions] == [1, 2]
    np.testing.assert_array_equal(regions[0].outline, [[20, 10], [20, 30], [40, 30]])


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]},
        {"type": "Polygon", "coordinates": [[[1, 2], [3, "x"], [5, 6]]]},
        {"type": "Polygon"},
        None,
    ],
)
def test_a_file_without_a_sound_area_is_refused_as_regions(tmp_path: Path, geometry: object) -> None:
    path = tmp_path / "regions.geojson"
    path.write_text(json.dumps({"type": "Feature", "geometry": geometry, "properties": {}}))

    with pytest.raises(RegionError, match=r"regions\.geojson"):
        read_regions(path)
