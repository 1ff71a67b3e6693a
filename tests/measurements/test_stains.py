"""Stains inside nuclei and in the rings around them, against a count pixel by pixel."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage.measure import regionprops

from nucloop.measurements.stains import STAIN_FIGURES, StainConfig, stain_figures
from nucloop.metrics.label_images import label_image
from nucloop.outlines import Outlines
from nucloop.slides import slide_from_array
from nucloop.slides.stains import H_E_DAB, od_to_rgb, separate


def discs(count: int = 12, seed: int = 0, side: int = 240) -> Outlines:
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.sin(angle), np.cos(angle)], 1)
    return Outlines.of(
        [circle * rng.uniform(5, 12) + rng.uniform(2, side - 2, 2) if k % 5 else None for k in range(1, count + 1)]
    )


def noise(side: int = 240) -> np.ndarray:
    return np.random.default_rng(1).integers(20, 250, (side, side, 3)).astype(np.uint8)


def measured(pixels: np.ndarray, outlines: Outlines, **config: float) -> dict[str, np.ndarray]:
    slide = slide_from_array(pixels, mpp=0.25, name="noise")
    found = {name: np.full(len(outlines), np.nan) for name in STAIN_FIGURES}
    for rows, figures in stain_figures(slide, outlines, StainConfig(**config)):
        for name, values in figures.items():
            assert np.isnan(found[name][rows]).all()
            found[name][rows] = values
    return found


def test_the_figures_of_nuclei_are_those_of_regionprops():
    outlines, pixels = discs(), noise()
    found = measured(pixels, outlines)
    stains = separate(pixels)
    labels = label_image(outlines, pixels.shape[:2])
    for region in regionprops(labels, intensity_image=stains):
        for k, stain in enumerate(("haematoxylin", "eosin", "dab")):
            row = region.label - 1
            inside = stains[labels == region.label, k]
            assert found[f"nucleus_{stain}_mean"][row] == pytest.approx(region.intensity_mean[k], abs=1e-4)
            assert found[f"nucleus_{stain}_sd"][row] == pytest.approx(inside.std(), abs=1e-4)
    assert np.isnan(found["nucleus_dab_mean"]).tolist() == (~outlines.there).tolist()


def test_a_ring_holds_what_lies_near_and_in_no_nucleus():
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.sin(angle), np.cos(angle)], 1)
    outlines, pixels = Outlines.of([circle * 10 + [60, 60], circle * 8 + [60, 84]]), noise(120)
    found = measured(pixels, outlines, ring_um=1.5)
    stains, labels = separate(pixels), label_image(outlines, (120, 120))
    away = [distance_transform_edt(labels != k) for k in (1, 2)]
    ring = (labels == 0) & (away[0] <= 6) & (away[0] < away[1])
    assert found["ring_eosin_mean"][0] == pytest.approx(stains[ring, 1].mean(), abs=0.01)
    assert found["ring_eosin_sd"][0] == pytest.approx(stains[ring, 1].std(), abs=0.01)


@pytest.mark.parametrize("tile", [64, 100])
def test_the_figures_do_not_depend_on_where_windows_end(tile):
    outlines, pixels = discs(40), noise()
    whole, cut = measured(pixels, outlines), measured(pixels, outlines, tile=tile)
    for name in STAIN_FIGURES:
        # a pixel as near to one nucleus as to another may be in the ring of either
        np.testing.assert_allclose(cut[name], whole[name], atol=1e-6 if name.startswith("nucleus") else 0.02)


def test_a_stain_of_known_strength_is_found_at_another_resolution():
    amount = np.zeros((200, 200, 3), np.float32)
    amount[..., 0], amount[60:120, 70:130, 2] = 0.3, 0.9
    pixels = od_to_rgb(amount @ H_E_DAB)
    square = np.array([[64, 74], [64, 125], [115, 125], [115, 74]])
    found = measured(pixels, Outlines.of([square]), mpp=0.5, ring_um=1.0)
    assert found["nucleus_haematoxylin_mean"][0] == pytest.approx(0.3, abs=0.02)
    assert found["nucleus_dab_mean"][0] == pytest.approx(0.9, abs=0.02)
    assert found["nucleus_dab_sd"][0] < 0.02


def test_what_lies_beyond_the_slide_is_no_part_of_a_nucleus_or_a_ring():
    corner = np.array([[-9, -9], [-9, 8.5], [8.5, 8.5], [8.5, -9]])
    pixels = np.full((64, 64, 3), 90, np.uint8)
    found = measured(pixels, Outlines.of([corner]))
    for part in ("nucleus", "ring"):
        assert found[f"{part}_haematoxylin_mean"][0] == pytest.approx(separate(pixels)[0, 0, 0], abs=1e-4)
        assert found[f"{part}_haematoxylin_sd"][0] == pytest.approx(0, abs=1e-4)


def test_nuclei_without_outlines_are_not_measured():
    assert all(np.isnan(values).all() for values in measured(noise(), Outlines.none(4)).values())


def test_an_outline_larger_than_any_nucleus_is_not_measured_and_takes_nothing_from_the_others():
    # drawn by a slip of the hand, zoomed out: the window was as large as it, gigabytes
    outlines, pixels = discs(), noise()
    square = np.array([[-1.0, -1], [-1, 1], [1, 1], [1, -1]]) * 40_000
    found = measured(pixels, Outlines.of([square, *outlines]))
    alone = measured(pixels, outlines)
    for name in STAIN_FIGURES:
        assert np.isnan(found[name][0])
        np.testing.assert_array_equal(found[name][1:], alone[name])
