import os
from pathlib import Path

import numpy as np
import pytest

from nucloop.errors import DataError
from nucloop.ki67.dab import DabConfig, dab_at, dab_of_slide, slide_stains, stains_of
from nucloop.ki67.dab_threshold import choose_threshold
from nucloop.slides import slide_from_array
from nucloop.slides.stains import DAB, H_DAB, HAEMATOXYLIN, od_to_rgb, stain_matrix
from nucloop.training.datasets import open_dataset

DATA = Path(os.environ.get("NUCLOOP_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def field(seed=0, n=60, share=0.4, matrix=H_DAB, side=400, strength=1.2):
    """Round nuclei on pale tissue: haematoxylin in all, DAB in some; the picture, centres, and which are positive."""
    rng = np.random.default_rng(seed)
    places = rng.permutation((side // 24) ** 2)[:n]
    yx = np.stack(np.divmod(places, side // 24), 1) * 24 + 14 + rng.integers(-2, 3, (n, 2))
    positive = np.arange(n) < share * n
    amounts = np.zeros((side, side, 3))
    amounts[..., 0] = 0.12
    amounts[..., 1] = rng.normal(0.05, 0.01, (side, side))
    rows, columns = np.mgrid[:side, :side]
    for (y, x), stained in zip(yx, positive, strict=True):
        disk = (rows - y) ** 2 + (columns - x) ** 2 <= 64
        amounts[disk, 0] = rng.uniform(0.4, 0.9)
        amounts[disk, 1] = strength * rng.lognormal(0, 0.5) if stained else rng.uniform(0.02, 0.12)
    return od_to_rgb(np.maximum(amounts, 0) @ matrix), yx, positive


def test_positive_nuclei_are_told_from_negative_ones_without_training():
    rgb, yx, positive = field()
    density = dab_at(rgb, yx, stains_of(rgb), 9)
    for method in ("otsu", "valley"):
        threshold = choose_threshold(density, method)
        assert threshold.certain
        assert threshold.method == method
        assert (threshold.positive(density) == positive).all()


def test_the_threshold_is_shown_on_a_histogram_and_can_be_moved():
    rgb, yx, positive = field()
    density = dab_at(rgb, yx, stains_of(rgb), 9)
    found = choose_threshold(density)
    assert found.counts.sum() == len(yx)
    assert len(found.edges) == len(found.counts) + 1
    assert found.edges[0] < found.value < found.edges[-1]
    by_hand = found.moved(100.0)
    assert by_hand.method == "chosen"
    assert not by_hand.positive(density).any()
    assert positive.any()


@pytest.mark.parametrize("seed", range(5))
def test_nuclei_that_are_all_negative_are_not_split_in_two(seed):
    rgb, yx, _ = field(seed, n=120, share=0, side=500)
    density = dab_at(rgb, yx, stains_of(rgb), 9)
    threshold = choose_threshold(density + np.random.default_rng(seed).normal(0, 0.03, len(density)))
    assert not threshold.certain
    assert threshold.method == "default"
    assert not threshold.positive(density).any()


def test_a_slides_own_stains_are_estimated_and_drawn_to_the_textbooks():
    # a browner DAB than the textbook's
    other = stain_matrix(HAEMATOXYLIN, (0.32, 0.60, 0.70))
    rgb, _, _ = field(matrix=other)
    stains = stains_of(rgb)
    assert stains.estimated
    assert 1 < stains.degrees < 15
    to_own, to_textbook = (float(stains.matrix[1] @ m[1]) for m in (other, H_DAB))
    assert min(to_own, to_textbook) > float(other[1] @ H_DAB[1])


def test_too_little_tissue_or_another_stain_falls_back_on_the_textbook():
    white = np.full((50, 50, 3), 255, np.uint8)
    assert (stains_of(white).estimated, np.isnan(stains_of(white).degrees)) == (False, True)
    eosin, _, _ = field(matrix=stain_matrix(HAEMATOXYLIN, (0.07, 0.99, 0.11)))
    stains = stains_of(eosin)
    assert not stains.estimated
    np.testing.assert_allclose(stains.matrix, stain_matrix(HAEMATOXYLIN, DAB))


def test_a_slide_is_measured_window_by_window_as_one_picture_is():
    rgb, yx, positive = field()
    slide = slide_from_array(rgb, mpp=0.25)
    config = DabConfig(tile=100)
    stains = slide_stains(slide, config)
    density = np.full(len(yx), np.nan)
    windows = 0
    for rows, values in dab_of_slide(slide, yx, stains, config):
        density[rows] = values
        windows += 1
    assert windows > 4
    np.testing.assert_allclose(density, dab_at(rgb, yx, stains, 9), atol=1e-6)
    assert (choose_threshold(density).positive(density) == positive).all()
    assert list(dab_of_slide(slide, np.zeros((0, 2)))) == []


def test_a_slides_stains_come_from_its_tissue_wherever_that_lies():
    other = stain_matrix(HAEMATOXYLIN, (0.25, 0.60, 0.70))
    rgb, _, _ = field(matrix=other)
    whole = np.full((3200, 3200, 3), 250, np.uint8)
    whole[2000:2800, 300:1100] = np.tile(rgb, (2, 2, 1))
    stains = slide_stains(slide_from_array(whole, mpp=0.25))
    assert stains.estimated
    assert float(stains.matrix[1] @ stains_of(rgb).matrix[1]) > np.cos(np.radians(0.5))


def test_the_working_resolution_decides_not_the_slides():
    rgb, yx, positive = field()
    twice = rgb.repeat(2, 0).repeat(2, 1)
    slide = slide_from_array(twice, mpp=0.125)
    density = np.full(len(yx), np.nan)
    for rows, values in dab_of_slide(slide, (yx + 0.5) * 2 - 0.5):
        density[rows] = values
    assert (choose_threshold(density).positive(density) == positive).all()


def test_no_nuclei_have_no_threshold_and_a_square_must_fit():
    with pytest.raises(DataError, match="Detect nuclei first"):
        choose_threshold(np.zeros(0))
    with pytest.raises(ValueError, match="cannot be averaged"):
        DabConfig(side_um=0.1)
    assert not choose_threshold(np.full(20, 0.05)).certain


@pytest.mark.real_data
def test_on_real_ki67_the_program_chooses_a_good_threshold_by_itself():
    folder = DATA / "bcdata-ki67-sample"
    if not folder.exists():
        pytest.skip(f"BCData's sample is not in {folder}")
    right, errors = [], []
    for image in open_dataset(f"bcdata:{folder}", "test").fields:
        density = dab_at(image.pixels, image.yx, stains_of(image.pixels), DabConfig().size)
        found = choose_threshold(density).positive(density)
        right.append(found == (image.label == 0))
        errors.append(abs(found.mean() - (image.label == 0).mean()))
    assert np.concatenate(right).mean() >= 0.94
    assert np.mean(errors) < 0.05
