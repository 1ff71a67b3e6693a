import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from nucloop.errors import SlideError
from nucloop.slides import Box, open_slide
from nucloop.slides.tile_cache import TileCache, keep_decoded

BASE = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)


def multiscales(axes: str, unit: str | None, size: float) -> dict[str, Any]:
    kinds = {"t": "time", "c": "channel"}
    described = []
    for axis in axes:
        entry = {"name": axis, "type": kinds.get(axis, "space")}
        if unit and axis in "zyx":
            entry["unit"] = unit
        described.append(entry)
    datasets = []
    for level in range(3):
        scale = [size * 2**level if axis in "yx" else 1.0 for axis in axes]
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    return {"axes": described, "datasets": datasets}


def write_zarr(
    store: Any, axes: str = "tczyx", version: str = "0.5", unit: str | None = "micrometer", size: float = 0.25
) -> None:
    group = zarr.open_group(store, mode="w", zarr_format=2 if version == "0.4" else 3)
    for level in range(3):
        pixels = BASE[:: 2**level, :: 2**level]
        if axes != "yxc":
            pixels = np.moveaxis(pixels, -1, 0)
            pixels = pixels.reshape(*(1 for _ in range(len(axes) - 3)), *pixels.shape)
            if axes == "tczyx":
                pixels = np.moveaxis(pixels, 1, 2).reshape(1, 3, 1, *pixels.shape[-2:])
        chunks = tuple(min(64, n) for n in pixels.shape)
        array = group.create_array(str(level), shape=pixels.shape, chunks=chunks, dtype="uint8")
        array[...] = pixels
    described = multiscales(axes, unit, size)
    if version == "0.4":
        group.attrs["multiscales"] = [described | {"version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [described]}


def test_windows_are_the_same_whatever_was_kept_before(tmp_path: Path) -> None:
    write_zarr(tmp_path / "a.zarr", "yxc")
    source, rng = open_slide(tmp_path / "a.zarr").levels[0].source, np.random.default_rng(1)
    kept = keep_decoded(source, TileCache(40_000))

    for _ in range(80):
        (y0, y1), (x0, x1) = np.sort(rng.integers(0, 201, 2)), np.sort(rng.integers(0, 301, 2))
        np.testing.assert_array_equal(kept.read(y0, x0, y1, x1), BASE[y0:y1, x0:x1])


class OneColour:
    """A level of one chunk."""

    shape, chunk = (8, 8), (8, 8)

    def __init__(self, value: int) -> None:
        self._value = value

    def read(self, y0: int, x0: int, y1: int, x1: int) -> np.ndarray:
        return np.full((y1 - y0, x1 - x0, 3), self._value, np.uint8)


def test_a_level_never_shows_what_was_kept_of_another_that_is_gone() -> None:
    cache = TileCache(1_000_000)

    # Python soon gives a new level the place in memory of one that is gone
    assert [int(keep_decoded(OneColour(k), cache).read(0, 0, 8, 8)[0, 0, 0]) for k in range(50)] == [*range(50)]


def test_chunks_are_kept_once_decoded(tmp_path: Path) -> None:
    write_zarr(tmp_path / "a.zarr", "yxc")
    kept = keep_decoded(open_slide(tmp_path / "a.zarr").levels[0].source, TileCache(1_000_000))
    kept.read(10, 10, 100, 100)
    shutil.rmtree(tmp_path / "a.zarr" / "0" / "c")

    np.testing.assert_array_equal(kept.read(20, 30, 128, 128), BASE[20:128, 30:128])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["tczyx", "cyx", "yxc"])
def test_both_versions_and_all_orders_of_axes_are_read(tmp_path: Path, version: str, axes: str) -> None:
    write_zarr(tmp_path / "a.ome.zarr", axes, version)

    slide = open_slide(tmp_path / "a.ome.zarr")

    assert [level.shape for level in slide.levels] == [(200, 300), (100, 150), (50, 75)]
    assert slide.mpp == 0.25
    np.testing.assert_array_equal(slide.read_region(Box(13, 17, 150, 200)), BASE[13:163, 17:217])


@pytest.mark.parametrize(
    ("unit", "size", "mpp"),
    [("micrometer", 0.5, 0.5), ("millimeter", 0.0005, 0.5), ("nanometer", 500.0, 0.5), (None, 0.5, None)],
)
def test_the_unit_of_the_axes_counts(tmp_path: Path, unit: str | None, size: float, mpp: float | None) -> None:
    write_zarr(tmp_path / "a.zarr", "cyx", "0.5", unit, size)

    assert open_slide(tmp_path / "a.zarr").mpp == (None if mpp is None else pytest.approx(mpp))


def test_a_zipped_ome_zarr_is_read_from_many_threads(tmp_path: Path) -> None:
    write_zarr(tmp_path / "folder")
    shutil.make_archive(str(tmp_path / "a.ome.zarr"), "zip", tmp_path / "folder")
    boxes = [Box(11 * k % 100, 23 * k % 200, 60, 70) for k in range(30)]

    with open_slide(tmp_path / "a.ome.zarr.zip") as slide, ThreadPoolExecutor(6) as pool:
        for box, pixels in zip(boxes, pool.map(slide.read_region, boxes), strict=True):
            np.testing.assert_array_equal(pixels, BASE[box.y : box.y + 60, box.x : box.x + 70])


def test_a_folder_of_pictures_opens_the_first(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    write_zarr(tmp_path / "a.zarr" / "0", "tczyx", "0.4")

    assert open_slide(tmp_path / "a.zarr").shape == (200, 300)


def test_a_plain_zarr_array_is_a_slide_of_unknown_resolution(tmp_path: Path) -> None:
    zarr.save_array(tmp_path / "a.zarr", BASE)

    slide = open_slide(tmp_path / "a.zarr")

    assert slide.mpp is None
    np.testing.assert_array_equal(slide.read_region(slide.box), BASE)


def test_fluorescence_is_refused(tmp_path: Path) -> None:
    write_zarr(tmp_path / "a.zarr", "cyx", "0.4")
    group = zarr.open_group(tmp_path / "a.zarr", mode="a")
    group.attrs["omero"] = {"channels": [{"label": "DAPI"}, {"label": "FITC"}, {"label": "Cy3"}]}

    with pytest.raises(SlideError, match=r"fluorescence image \(channels DAPI, FITC, Cy3\)"):
        open_slide(tmp_path / "a.zarr")


def test_a_damaged_chunk_is_reported_with_its_place(tmp_path: Path) -> None:
    write_zarr(tmp_path / "a.zarr", "yxc", "0.5")
    chunk = tmp_path / "a.zarr" / "0" / "c" / "1" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    slide = open_slide(tmp_path / "a.zarr")

    with pytest.raises(SlideError, match=r"Cannot read a\.zarr at rows 70-90, columns 70-90 .* copy it again"):
        slide.read_region(Box(70, 70, 20, 20))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"ome": {"multiscales": [{"axes": [], "datasets": [{"path": "nothing"}]}]}},
        {"ome": {"multiscales": [{}]}},
        {"ome": {"multiscales": "x" * 50}},
    ],
)
def test_metadata_that_lies_is_refused_clearly(tmp_path: Path, attributes: dict[str, Any]) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.attrs.update(attributes)

    with pytest.raises(SlideError, match=r"a\.zarr"):
        open_slide(tmp_path / "a.zarr")


def test_pieces_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=(100_000, 100_000, 3), chunks=(100_000, 100_000, 3), dtype="uint8")

    with pytest.raises(SlideError, match=r"a\.zarr is stored in pieces of 30\.0 GB"):
        open_slide(tmp_path / "a.zarr")


def test_an_empty_folder_is_no_slide(tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()

    with pytest.raises(SlideError, match=r"Cannot open empty\.zarr"):
        open_slide(tmp_path / "empty.zarr")
    with pytest.raises(SlideError, match="does not know files like"):
        open_slide(tmp_path)
