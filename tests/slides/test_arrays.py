import dask.array as da
import numpy as np
import pytest
import zarr

from nucloop.errors import SlideError
from nucloop.slides import slide_from_array, slide_from_levels

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "array",
    [
        RGB,
        da.from_array(RGB, chunks=(16, 16, 3)),
        zarr.array(RGB, chunks=(16, 16, 3)),
        np.moveaxis(RGB, -1, 0),
        RGB[None, None],
        np.moveaxis(RGB, -1, 0)[None, :, None].squeeze(2)[:, :, :, :],
    ],
    ids=["numpy", "dask", "zarr", "channels first", "leading ones", "t, c, y, x"],
)
def test_an_array_of_any_kind_is_read_as_rgb(array: object) -> None:
    slide = slide_from_array(array)

    assert slide.shape == (60, 80)
    np.testing.assert_array_equal(slide.levels[0].read(5, 6, 25, 46), RGB[5:25, 6:46])


def test_a_grey_picture_is_read_as_rgb() -> None:
    grey = RGB[..., 0]

    pixels = slide_from_array(grey).levels[0].read(0, 0, 60, 80)

    np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))


def test_alpha_is_blended_over_white() -> None:
    rgba = np.dstack([RGB, np.full((60, 80), 255, np.uint8)])
    rgba[:30, :, 3] = 0
    rgba[30, 0] = (0, 100, 200, 51)

    pixels = slide_from_array(rgba).levels[0].read(0, 0, 60, 80)

    assert (pixels[:30] == 255).all()
    np.testing.assert_array_equal(pixels[31:], RGB[31:])
    np.testing.assert_array_equal(pixels[30, 0], [204, 224, 244])


def test_16_bits_of_full_range_become_8() -> None:
    pixels = slide_from_array(RGB.astype(np.uint16) * 257).levels[0].read(0, 0, 60, 80)

    np.testing.assert_array_equal(pixels, RGB)


def test_fractions_from_0_to_1_become_8_bits() -> None:
    pixels = slide_from_array(RGB / 255.0).levels[0].read(0, 0, 60, 80)

    np.testing.assert_array_equal(pixels, RGB)


def test_the_range_is_judged_once_for_the_whole_pyramid() -> None:
    dark = np.zeros((60, 80, 3))
    dark[0, 0] = 1.0
    slide = slide_from_levels([dark, dark[::2, ::2]])

    assert slide.levels[0].read(0, 0, 1, 1).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        ((RGB.astype(np.uint16) * 16), r"holds uint16 pixels from 0 to 4080.*Convert it to 8-bit RGB"),
        (RGB.astype(np.float32), r"holds float32 pixels.*between 0 and 1"),
        (RGB.astype(np.int64), r"holds int64 pixels.*8-bit RGB"),
        (RGB / 255.0 - 0.5, r"from -0\.5"),
        (np.zeros((60, 80, 7), np.uint8), r"has 7 channels.*fluorescence"),
        (np.zeros((5, 60, 80), np.uint8), r"holds 5 pictures.*one that is in focus"),
        (np.zeros((9, 60, 80, 3), np.uint8), r"holds 9 pictures"),
        (np.zeros(60, np.uint8), r"not a picture"),
        (np.zeros((0, 80, 3), np.uint8), r"which no slide is"),
    ],
    ids=["12 bits", "floats to 255", "int64", "negative", "7 channels", "stack", "RGB stack", "row", "empty"],
)
def test_what_is_no_brightfield_picture_is_refused_clearly(array: np.ndarray, sentence: str) -> None:
    with pytest.raises(SlideError, match=rf"(?s)the layer.*{sentence}"):
        slide_from_array(array, name="the layer")


def test_no_level_at_all_is_refused() -> None:
    with pytest.raises(SlideError, match="holds no picture"):
        slide_from_levels([])


def test_a_store_that_fails_is_reported_with_the_place() -> None:
    def broken(block: np.ndarray) -> np.ndarray:
        if block.size:
            raise OSError(5, "disk gone")
        return block

    array = da.from_array(RGB, chunks=-1).map_blocks(broken, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8))

    with pytest.raises(SlideError, match=r"Cannot read remote at rows 2-4, columns 3-9.*disk gone"):
        slide_from_array(array, name="remote").levels[0].read(2, 3, 4, 9)
