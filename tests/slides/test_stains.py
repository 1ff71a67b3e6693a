import numpy as np
import pytest

from nucloop.errors import SlideError
from nucloop.slides import stains


def test_density_and_back_changes_no_pixel() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)

    np.testing.assert_array_equal(stains.od_to_rgb(stains.rgb_to_od(rgb)), rgb)


def test_white_holds_no_stain() -> None:
    assert np.abs(stains.separate(np.full((2, 2, 3), 255, np.uint8))).max() < 1e-6


@pytest.mark.parametrize("matrix", [stains.H_AND_E, stains.H_DAB, stains.H_E_DAB])
def test_a_mixture_is_separated_into_its_parts(matrix: np.ndarray) -> None:
    amounts = np.array([[0.8, 0.0, 0.0], [0.0, 0.7, 0.0], [0.5, 0.4, 0.0]], np.float32)

    found = stains.separate(stains.od_to_rgb(amounts @ matrix), matrix)

    assert np.abs(found - amounts).max() < 0.03


def test_a_slides_own_stains_are_found() -> None:
    true = stains.stain_matrix((0.55, 0.75, 0.36), (0.15, 0.95, 0.27))
    rng = np.random.default_rng(0)
    amounts = np.zeros((20_000, 3), np.float32)
    amounts[:, 0], amounts[:, 1] = rng.uniform(0.05, 1.2, 20_000), rng.uniform(0.05, 1.2, 20_000)

    found = stains.estimate_stains(stains.od_to_rgb(amounts @ true))

    angles = np.degrees(np.arccos(np.clip((found[:2] * true[:2]).sum(axis=1), -1, 1)))
    assert angles.max() < 6


def test_stains_of_an_empty_field_are_not_guessed() -> None:
    with pytest.raises(SlideError, match="too little tissue"):
        stains.estimate_stains(np.full((64, 64, 3), 250, np.uint8))


def test_one_vector_is_no_stain_matrix() -> None:
    with pytest.raises(ValueError, match="two or three"):
        stains.stain_matrix((1.0, 0.0, 0.0))
