"""napari's side of slides, on layers and a ViewerModel: no window is needed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture

pytest.importorskip("napari", reason="napari is not installed: pip install 'napari-nucloop[app]'")

from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.notifications import notification_manager
from tests.slides.written import ome_xml, write_pages

from nucloop.errors import SlideError
from nucloop.gui.canvas.layer_slide import mpp_of_layer, set_layer_mpp, slide_of_layer
from nucloop.gui.plugin.reader import NO_LAYER, get_reader
from nucloop.slides import slide_from_levels

BASE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)


def write_slide(path: Path, resolution: int | None = 20_000) -> None:
    with tifffile.TiffWriter(path) as file:
        for level in range(2):
            options: dict[str, Any] = {"resolution": (resolution,) * 2, "resolutionunit": 3} if resolution else {}
            pixels = np.ascontiguousarray(BASE[:: 2**level, :: 2**level])
            file.write(
                pixels,
                photometric="rgb",
                tile=(128, 128),
                compression="deflate",
                subfiletype=min(level, 1),
                metadata=None,
                **options,
            )


def opened(path: Path) -> Image:
    reader = get_reader(str(path))
    assert reader is not None
    [(data, options, kind)] = reader(str(path))
    assert kind == "image"
    viewer = ViewerModel()
    return viewer.add_image(data, **options)


def test_a_slide_opens_as_one_multiscale_layer_in_microns(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.tif")

    layer = opened(tmp_path / "a.tif")

    assert layer.multiscale
    assert layer.rgb
    assert layer.name == "a.tif"
    assert [level.shape for level in layer.data] == [(300, 400, 3), (150, 200, 3)]
    assert tuple(layer.scale) == (0.5, 0.5)
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    assert layer.metadata["nucloop"]["mpp"] == 0.5
    assert layer.metadata["nucloop"]["path"] == str(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.asarray(layer.data[0][10:50, 20:90]), BASE[10:50, 20:90])


def test_a_slide_without_resolution_opens_in_pixels(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.tif", None)

    layer = opened(tmp_path / "a.tif")

    assert tuple(layer.scale) == (1.0, 1.0)
    assert layer.metadata["nucloop"]["mpp"] is None
    assert slide_of_layer(layer).mpp is None


def test_a_large_flat_picture_gets_coarser_levels(tmp_path: Path) -> None:
    Picture.fromarray(np.zeros((3000, 4500, 3), np.uint8)).save(tmp_path / "a.png")

    layer = opened(tmp_path / "a.png")

    assert [level.shape[:2] for level in layer.data] == [(3000, 4500), (1500, 2250), (750, 1125)]
    assert slide_of_layer(layer).shape == (3000, 4500)


@pytest.mark.parametrize("path", ["notes.txt", "photos.zip", ["a.png", "b.png"]])
def test_other_files_are_left_to_other_readers(path: str | list[str]) -> None:
    assert get_reader(path) is None


def test_a_damaged_file_is_said_in_one_sentence_and_adds_no_layer(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_bytes(b"II*\x00")
    reader = get_reader(str(tmp_path / "a.svs"))
    assert reader is not None
    notification_manager.records.clear()

    assert reader(str(tmp_path / "a.svs")) == NO_LAYER

    [notification] = notification_manager.records
    assert "a.svs" in notification.message
    assert "Copy or export" in notification.message


def test_of_several_images_the_window_says_which_was_opened(tmp_path: Path) -> None:
    described = ({"name": "macro", "shape": (500, 600)}, {"name": "tissue", "shape": BASE.shape[:2]})
    write_pages(tmp_path / "a.ome.tif", [np.zeros((500, 600, 3), np.uint8), BASE], ome_xml(*described))
    notification_manager.records.clear()

    layer = opened(tmp_path / "a.ome.tif")

    [notification] = notification_manager.records
    assert "Image 1 'tissue' (300 x 400) was opened" in notification.message
    assert layer.data.shape == BASE.shape
    assert slide_of_layer(layer).shape == BASE.shape[:2]


@pytest.mark.parametrize(
    "index",
    [
        np.s_[:],
        np.s_[17],
        np.s_[-3, 5],
        np.s_[::7, 10:300:13],
        np.s_[250:20:-9, ::-1, 1],
        np.s_[..., :2],
        np.s_[10:20, ..., 0],
        np.s_[40:40, 3],
        np.s_[280:999, -20:],
        np.s_[np.int64(3), np.int64(4) : np.int64(90)],
    ],
)
def test_a_level_is_sliced_as_an_array_is(tmp_path: Path, index: Any) -> None:
    write_slide(tmp_path / "a.tif")

    level = opened(tmp_path / "a.tif").data[0]

    np.testing.assert_array_equal(level[index], BASE[index])
    assert (level.shape, level.ndim, level.size, level.dtype) == (BASE.shape, BASE.ndim, BASE.size, BASE.dtype)
    np.testing.assert_array_equal(np.asarray(level), BASE)
    with pytest.raises(IndexError):
        level[300]


def test_only_the_damaged_piece_of_a_view_is_white(tmp_path: Path) -> None:
    path, picture = tmp_path / "a.tif", np.full((1100, 1300, 3), 90, np.uint8)
    tifffile.imwrite(path, picture, photometric="rgb", tile=(256, 256), compression="deflate")
    with tifffile.TiffFile(path) as file:
        offset, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + size] = bytes(size)
    path.write_bytes(data)

    pixels = np.asarray(opened(path).data[100:1000, 200:1200])

    assert (pixels[:156, :56] == 255).all()
    assert (pixels[412:] == 90).all()
    assert (pixels[:, 312:] == 90).all()


def test_a_damaged_tile_is_white_and_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_slide(path)
    with tifffile.TiffFile(path) as file:
        offset, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + size] = bytes(size)
    path.write_bytes(data)
    notification_manager.records.clear()

    layer = opened(path)
    pixels = [np.asarray(layer.data[0][:20, :20]) for _ in range(3)]

    assert all((block == 255).all() for block in pixels)
    [notification] = notification_manager.records
    assert "tile 0 of level 0" in notification.message
    assert "shown white" in notification.message


def test_the_layer_of_a_file_gives_that_file_back(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.tif")

    slide = slide_of_layer(opened(tmp_path / "a.tif"))

    assert slide.path == tmp_path / "a.tif"
    assert slide.mpp == 0.5
    np.testing.assert_array_equal(slide.levels[0].read(0, 0, 300, 400), BASE)


def test_the_layer_of_a_deleted_file_is_read_from_the_layer(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.tif")
    layer = opened(tmp_path / "a.tif")
    (tmp_path / "a.tif").unlink()

    slide = slide_of_layer(layer)

    assert slide.path is None
    np.testing.assert_array_equal(slide.levels[0].read(0, 0, 300, 400), BASE)


@pytest.mark.parametrize("data", [BASE, BASE[..., 0]], ids=["rgb", "grey"])
def test_a_plain_layer_is_a_slide(data: np.ndarray) -> None:
    slide = slide_of_layer(Image(data, name="field", scale=(0.25, 0.25), units=("um", "um")))

    assert slide.name == "field"
    assert slide.mpp == pytest.approx(0.25)
    assert slide.levels[0].read(0, 0, 300, 400).shape == (300, 400, 3)


def test_a_multiscale_layer_of_arrays_is_a_slide() -> None:
    slide = slide_of_layer(Image([BASE, BASE[::2, ::2]], rgb=True, multiscale=True))

    assert [level.downsample for level in slide.levels] == [1.0, 2.0]
    expected = slide_from_levels([BASE, BASE[::2, ::2]], mpp=0.25).read_working(0, 0, 50, 50, 0.5)
    np.testing.assert_array_equal(slide.with_mpp(0.25).read_working(0, 0, 50, 50, 0.5), expected)


def test_a_stack_is_refused_with_a_sentence() -> None:
    with pytest.raises(SlideError, match="volume holds 8 pictures"):
        slide_of_layer(Image(np.zeros((8, 64, 64), np.uint8), name="volume"))


@pytest.mark.parametrize(
    ("scale", "units", "mpp"),
    [
        ((0.5, 0.5), ("um", "um"), 0.5),
        ((0.0005, 0.0005), ("mm", "mm"), 0.5),
        ((0.5, 0.5), None, None),
        ((1.0, 1.0), ("pixel", "pixel"), None),
        ((0.5, 0.25), ("um", "um"), None),
    ],
)
def test_scale_is_a_resolution_only_in_units_of_length(
    scale: tuple[float, float], units: tuple[str, str] | None, mpp: float | None
) -> None:
    layer = Image(BASE, scale=scale, units=units)

    assert mpp_of_layer(layer) == (None if mpp is None else pytest.approx(mpp))


def test_the_answer_to_the_question_stays_with_the_layer() -> None:
    layer = Image(BASE)

    set_layer_mpp(layer, 0.25)

    assert slide_of_layer(layer).mpp == 0.25
    assert tuple(layer.scale) == (0.25, 0.25)
    assert layer.metadata["nucloop"]["mpp"] == 0.25
