import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nucloop.errors import SlideError
from nucloop.slides import Box, Slide, slide_from_array, slide_from_levels


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] + 0.5
    waves = [np.sin(y / 17 + k) + np.cos(x / 23 - k) for k in range(3)]
    return (127 + 60 * np.stack(waves, axis=-1)).astype(np.uint8)


def pyramid(height: int = 512, width: int = 640, mpp: float = 0.25) -> Slide:
    base = textured(height, width)
    levels = [base, base[::2, ::2], base[::4, ::4]]
    return slide_from_levels(levels, mpp=mpp)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [(0.499, 0.25), (0.25, 0.499), (0.25, 0.5), (0.5, 0.25), (0.25, 0.25), (0.2277, 0.5), (0.25, 1.07), (0.25, 3.0)],
)
def test_overlapping_windows_agree_to_the_last_bit(own: float, wanted: float) -> None:
    slide = pyramid(mpp=own)
    height, width = slide.working_shape(wanted)
    whole = slide.read_working(-3, -2, height + 7, width + 5, wanted)
    rng = np.random.default_rng(1)

    for _ in range(12):
        top, left = int(rng.integers(-3, height - 4)), int(rng.integers(-2, width - 4))
        h, w = int(rng.integers(1, height - top + 3)), int(rng.integers(1, width - left + 2))
        window = slide.read_working(top, left, h, w, wanted)
        np.testing.assert_array_equal(window, whole[top + 3 : top + 3 + h, left + 2 : left + 2 + w])


def test_windows_far_from_the_origin_agree_too() -> None:
    slide = slide_from_array(np.broadcast_to(textured(1, 3000), (90_000, 3000, 3)), mpp=0.499)

    one = slide.read_working(170_001, 5003, 120, 200, 0.25)
    other = slide.read_working(170_033, 5100, 80, 64, 0.25)

    np.testing.assert_array_equal(one[32:112, 97:161], other)


def test_a_read_at_the_slides_own_resolution_changes_no_pixel() -> None:
    pixels = textured(100, 120)
    slide = slide_from_array(pixels, mpp=0.5)

    np.testing.assert_array_equal(slide.read_working(10, 20, 30, 40, 0.5), pixels[10:40, 20:60])
    np.testing.assert_array_equal(slide.read_region(Box(10, 20, 30, 40), 0.5), pixels[10:40, 20:60])
    np.testing.assert_array_equal(slide.read_region(Box(10, 20, 30, 40)), pixels[10:40, 20:60])


@pytest.mark.parametrize(("own", "wanted"), [(0.5, 0.25), (0.25, 0.5), (0.499, 0.3), (0.25, 0.61)])
def test_working_pixels_lie_where_the_grid_says(own: float, wanted: float) -> None:
    step = wanted / own
    slide = slide_from_array(smooth(400, 400), mpp=own)

    read = slide.read_working(20, 30, 50, 60, wanted).astype(float)

    y = ((np.arange(20, 70) + 0.5) * step)[:, None]
    x = ((np.arange(30, 90) + 0.5) * step)[None, :]
    expected = 127 + 60 * np.stack([np.sin(y / 17 + k) + np.cos(x / 23 - k) for k in range(3)], axis=-1)
    assert np.abs(read - np.floor(np.clip(expected, 0, 255))).max() <= 2


def test_a_coarser_level_lies_where_level_0_does() -> None:
    base = smooth(512, 512)
    halved = base.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    one, two = slide_from_array(base, mpp=0.25), slide_from_levels([base, halved], mpp=0.25)

    difference = one.read_working(10, 10, 80, 80, 0.6).astype(int) - two.read_working(10, 10, 80, 80, 0.6)

    assert np.abs(difference).max() <= 2


def test_shrinking_averages_and_does_not_alias() -> None:
    checkers = (np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)
    slide = slide_from_array(checkers, mpp=0.25)

    inner = slide.read_working(10, 10, 50, 50, 1.0)

    assert np.abs(inner.astype(int) - 127).max() <= 2


def test_outside_the_slide_is_white() -> None:
    slide = slide_from_array(np.zeros((40, 50, 3), np.uint8), mpp=0.5)

    region = slide.read_region(Box(-10, 45, 20, 10))
    assert (region[:10] == 255).all()
    assert (region[:, 5:] == 255).all()
    assert (region[10:, :5] == 0).all()
    assert (slide.read_working(-50, -50, 30, 30, 0.25) == 255).all()
    assert (slide.read_working(1000, 1000, 30, 30, 0.7) == 255).all()


def test_a_far_zoomed_out_read_is_done_in_pieces_that_join_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    slide = slide_from_array(textured(700, 900), mpp=0.25)
    at_once = slide.read_working(0, 0, 80, 100, 2.0)

    monkeypatch.setattr("nucloop.slides.slide._MAX_SOURCE_PIXELS", 20_000)

    np.testing.assert_array_equal(slide.read_working(0, 0, 80, 100, 2.0), at_once)


def test_a_region_has_its_size_at_the_wanted_resolution() -> None:
    slide = pyramid(mpp=0.25)

    assert slide.read_region(Box(0, 0, 100, 200), 0.5).shape == (50, 100, 3)
    assert slide.read_region(Box(0, 0, 0, 0), 0.5).shape == (1, 1, 3)
    assert slide.read_region(Box(0, 0, 0, 10)).shape == (0, 10, 3)


def test_a_slide_without_resolution_says_what_to_do() -> None:
    slide = slide_from_array(textured(20, 20), name="field")

    with pytest.raises(SlideError, match=r"field does not say how many µm a pixel covers. Give it with --mpp"):
        slide.read_working(0, 0, 5, 5, 0.5)
    assert slide.with_mpp(0.5).require_mpp() == 0.5
    assert slide.mpp is None


@pytest.mark.parametrize("mpp", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_resolution_is_refused(mpp: float) -> None:
    with pytest.raises(SlideError, match="µm per pixel"):
        slide_from_array(textured(20, 20), mpp=0.5).read_working(0, 0, 5, 5, mpp)
    with pytest.raises(SlideError, match="is not a size of a pixel"):
        slide_from_array(textured(20, 20), mpp=mpp)


def test_levels_of_different_fields_are_refused() -> None:
    with pytest.raises(SlideError, match="do not fit each other"):
        slide_from_levels([textured(400, 400), textured(100, 200)])


def test_a_level_that_was_cut_off_to_fit_has_a_whole_downsample() -> None:
    slide = slide_from_levels([textured(403, 401), textured(201, 200), textured(100, 100)])

    assert [level.downsample for level in slide.levels] == [2.0**k for k in range(3)]


def test_many_threads_read_what_one_reads() -> None:
    slide = pyramid(mpp=0.3)
    windows = [(37 * k % 300, 61 * k % 400) for k in range(40)]

    def read(corner: tuple[int, int]) -> np.ndarray:
        return slide.read_working(*corner, 60, 70, 0.41)

    with ThreadPoolExecutor(8) as pool:
        for corner, pixels in zip(windows, pool.map(read, windows), strict=True):
            np.testing.assert_array_equal(pixels, read(corner))


def test_a_slide_over_an_array_survives_pickling() -> None:
    slide = slide_from_array(textured(30, 30), mpp=0.5)

    again = pickle.loads(pickle.dumps(slide))

    np.testing.assert_array_equal(again.read_region(slide.box), slide.read_region(slide.box))
    assert again.mpp == 0.5


def test_boxes_that_tile_a_slide_share_no_point() -> None:
    points = np.random.default_rng(0).uniform(-0.5, 99.5, (5000, 2)).astype(np.float32)
    points[:4] = [[-0.5, -0.5], [49.5, 10.0], [49.49, 10.0], [10.0, 49.5]]
    boxes = [Box(y, x, 50, 50) for y in (0, 50) for x in (0, 50)]

    owners = sum(box.contains(points).astype(int) for box in boxes)

    assert (owners == 1).all()


def test_boxes_meet_in_a_box() -> None:
    assert Box(0, 0, 10, 10).intersect(Box(5, -5, 10, 10)) == Box(5, 0, 5, 5)
    assert Box(0, 0, 10, 10).intersect(Box(20, 20, 5, 5)).area == 0
    assert Box(5, 5, 2, 2).grow(3) == Box(2, 2, 8, 8)
    with pytest.raises(ValueError, match="does not exist"):
        Box(0, 0, -1, 5)
