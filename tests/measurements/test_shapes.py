"""Figures from corners, against scikit-image's from pixels and against what geometry says."""

import numpy as np
import pytest
from skimage.draw import polygon
from skimage.measure import regionprops

from nucloop.measurements.shapes import SHAPE_FIGURES, shape_figures
from nucloop.outlines import Outlines


def blob(seed: int) -> np.ndarray:
    """An uneven star around a place of its own, 40 corners."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = 20 * (1 + 0.25 * np.cos(2 * angle + rng.uniform(0, 6)) + 0.12 * np.cos(3 * angle + rng.uniform(0, 6)))
    radius *= 1 + 0.08 * np.cos(5 * angle + rng.uniform(0, 6))
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1) + rng.uniform(40, 60, 2)


def test_a_rectangle_is_as_geometry_says():
    ring = np.array([1000, 2000]) + np.array([[0, 0], [0, 6], [4, 6], [4, 0]])
    figures = {name: values[0] for name, values in shape_figures(Outlines.of([ring]), 0.5).items()}
    assert figures["area_um2"] == pytest.approx(6)
    assert figures["perimeter_um"] == pytest.approx(10)
    assert figures["circularity"] == pytest.approx(4 * np.pi * 6 / 100)
    assert figures["solidity"] == pytest.approx(1)
    assert figures["eccentricity"] == pytest.approx(np.sqrt(1 - (2 / 3) ** 2))
    assert figures["major_axis_um"] == pytest.approx(4 * np.sqrt(3**2 / 12))
    assert figures["minor_axis_um"] == pytest.approx(4 * np.sqrt(2**2 / 12))
    assert figures["feret_max_um"] == pytest.approx(np.hypot(3, 2), rel=1e-4)
    assert figures["feret_min_um"] == pytest.approx(2)


def test_a_circle_is_round():
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    figures = shape_figures(Outlines.of([np.stack([np.sin(angle), np.cos(angle)], 1) * 10 + 500]), 0.25)
    assert figures["circularity"][0] == pytest.approx(1, abs=1e-3)
    assert figures["eccentricity"][0] == pytest.approx(0, abs=0.02)
    for name in ("major_axis_um", "minor_axis_um", "feret_max_um", "feret_min_um"):
        assert figures[name][0] == pytest.approx(5, rel=2e-3)


@pytest.mark.parametrize("seed", range(6))
def test_the_figures_are_those_that_regionprops_counts_in_pixels(seed):
    scale, mpp = 12, 0.25
    ring = blob(seed)
    image = np.zeros((100 * scale, 100 * scale), np.uint8)
    image[polygon(*(ring * scale).T, image.shape)] = 1
    (known,) = regionprops(image)
    figures = {name: values[0] for name, values in shape_figures(Outlines.of([ring]), mpp).items()}
    pixel = mpp / scale
    assert figures["area_um2"] == pytest.approx(known.area * pixel**2, rel=5e-3)
    assert figures["perimeter_um"] == pytest.approx(known.perimeter_crofton * pixel, rel=0.01)
    assert figures["solidity"] == pytest.approx(known.solidity, rel=5e-3)
    assert figures["eccentricity"] == pytest.approx(known.eccentricity, abs=5e-3)
    assert figures["major_axis_um"] == pytest.approx(known.axis_major_length * pixel, rel=5e-3)
    assert figures["minor_axis_um"] == pytest.approx(known.axis_minor_length * pixel, rel=5e-3)
    assert figures["feret_max_um"] == pytest.approx(known.feret_diameter_max * pixel, rel=5e-3)


def test_the_direction_in_which_corners_run_does_not_matter():
    one, other = (shape_figures(Outlines.of([ring]), 0.5) for ring in (blob(1), blob(1)[::-1]))
    for name in SHAPE_FIGURES:
        assert one[name] == pytest.approx(other[name], rel=1e-6)


def test_many_are_measured_as_one_is_and_those_without_an_outline_are_not_numbers():
    rings = [blob(1), None, blob(2)[::2], blob(3) + 1e5, None]
    figures = shape_figures(Outlines.of(rings), 0.5)
    for name, values in figures.items():
        assert np.isnan(values).tolist() == [False, True, False, False, True], name
        for row in (0, 2, 3):
            alone = shape_figures(Outlines.of([rings[row]]), 0.5)[name][0]
            assert values[row] == pytest.approx(alone, rel=1e-9)
    assert all(len(values) == 0 for values in shape_figures(Outlines.none(0), 0.5).values())
