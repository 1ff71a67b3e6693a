"""A nucleus is darker than its surroundings; points on bare glass and specks of dust are left out, and counted."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Outcome, nucloop
from tests.test_new_family import SCHEME, spec, toy
from tests.toy_family import ToyConfig, ToyDetector, ToyRecipe, ToyTask

from nucloop.detection.contrast import REACH_UM, contrast_at
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import CONTRAST, InferenceConfig
from nucloop.models.files.cards import load_detector
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array
from nucloop.training.product import Origins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Outcome", "nucloop", "toy"]

MPP = 0.5
MIDDLE = np.array([[40.0, 40.0]])
GLASS, PALE, STROMA, NUCLEUS = 240, 205, 180, 90
SPOTS = [(60, 60), (60, 132), (132, 92), (188, 188)]


def ellipse(picture: NDArray[np.uint8], grey: int, height_um: float, width_um: float, yx: tuple[int, int]) -> None:
    """Draw a filled ellipse."""
    y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
    inside = ((y - yx[0]) / (height_um / 2 / MPP)) ** 2 + ((x - yx[1]) / (width_um / 2 / MPP)) ** 2 <= 1
    picture[inside] = grey


def contrast_of(ground: int, *ellipses: tuple[int, float, float, tuple[int, int]]) -> float:
    """Contrast in the middle of a field of 40 µm with ellipses on it."""
    picture = np.full((81, 81, 3), ground, np.uint8)
    for one in ellipses:
        ellipse(picture, *one)
    return float(contrast_at(picture, MIDDLE, MPP)[0])


@pytest.mark.parametrize(
    "drawn",
    [
        (GLASS, (PALE, 7.0, 7.0, (40, 40))),
        (GLASS, (NUCLEUS, 8.5, 2.5, (40, 40))),
        (STROMA, (NUCLEUS, 6.0, 6.0, (40, 40))),
        # dark rim, pale inside
        (STROMA, (NUCLEUS, 9.0, 9.0, (40, 40)), (STROMA, 5.0, 5.0, (40, 40))),
        # four fifths of what is around are nuclei
        (NUCLEUS, (STROMA, 14.0, 6.0, (40, 58))),
    ],
    ids=["pale", "spindle", "round", "hollow", "in a crowd"],
)
def test_a_nucleus_has_contrast(drawn: tuple) -> None:
    assert contrast_of(*drawn) > 2 * CONTRAST


@pytest.mark.parametrize(
    "drawn",
    [
        (GLASS,),
        (STROMA,),
        (GLASS, (10, 2.0, 2.0, (40, 40))),
        (GLASS, (NUCLEUS, 1.0, 12.0, (40, 40))),
        (GLASS, (NUCLEUS, 8.0, 8.0, (40, 64))),
    ],
    ids=["glass", "even ground", "a speck", "a scratch", "glass beside a nucleus"],
)
def test_glass_specks_and_scratches_have_none(drawn: tuple) -> None:
    assert contrast_of(*drawn) < CONTRAST / 2


def test_noise_of_a_camera_is_no_contrast() -> None:
    noisy = np.random.default_rng(0).normal(GLASS, 2.0, (400, 400, 3)).clip(0, 255).astype(np.uint8)
    points = np.random.default_rng(1).uniform(0, 399, (500, 2))
    assert contrast_at(noisy, points, MPP).max() < CONTRAST


def test_a_nucleus_cut_by_the_edge_has_contrast_and_glass_there_has_none() -> None:
    picture = np.full((81, 81, 3), GLASS, np.uint8)
    ellipse(picture, NUCLEUS, 7.0, 7.0, (0, 40))
    at_edge = contrast_at(picture, np.array([[1.0, 40.0], [0.0, 0.0], [80.0, 80.0]]), MPP)
    assert (at_edge >= CONTRAST).tolist() == [True, False, False]


def test_the_contrast_of_a_nucleus_is_the_same_at_another_resolution() -> None:
    picture = np.full((81, 81, 3), GLASS, np.uint8)
    ellipse(picture, PALE, 7.0, 7.0, (40, 40))
    finer = contrast_at(picture.repeat(2, 0).repeat(2, 1), 2 * MIDDLE + 0.5, MPP / 2)
    np.testing.assert_allclose(finer, contrast_at(picture, MIDDLE, MPP), rtol=0.05)


def test_no_points_no_contrast() -> None:
    assert contrast_at(np.zeros((9, 9, 3), np.uint8), np.zeros((0, 2)), MPP).shape == (0,)


def spotted() -> NDArray[np.uint8]:
    """An even ground, dark enough for the toy detector to call all of it nuclei, with a few dark squares on it."""
    picture = np.full((256, 256, 3), 150, np.uint8)
    for y, x in SPOTS:
        picture[y - 4 : y + 4, x - 4 : x + 4] = 20
    return picture


def found(toy: Path, tile: int = 1024, **config: float) -> tuple[Nuclei, int]:
    pipeline = Pipeline.open(spec(toy, tile=tile, **config))  # type: ignore[arg-type]
    parts = list(pipeline.run(slide_from_array(spotted(), mpp=MPP, name="spots")))
    return Nuclei.concatenate([part.nuclei for part in parts], SCHEME), sum(part.without_contrast for part in parts)


@pytest.mark.parametrize("tile", [1024, 64])
def test_points_without_contrast_are_left_out_and_counted_whatever_the_tiling(toy: Path, tile: int) -> None:
    every, none_left_out = found(toy, tile, contrast=0)
    dark, left_out = found(toy, tile)
    assert none_left_out == 0
    assert len(every) == 32 * 32
    assert sorted(map(tuple, (dark.yx + 0.5).tolist())) == SPOTS
    assert left_out == len(every) - len(dark)


@pytest.mark.usefixtures("toy")
def test_a_network_that_sees_less_far_than_surroundings_reach_finds_the_same_in_every_tile(tmp_path: Path) -> None:
    fine = tmp_path / "fine.safetensors"
    model = ToyConfig(mpp=0.25)
    ToyTask(ToyRecipe(name="toy", model=model), SCHEME).save(ToyDetector(model), {"detector": fine}, Origins())
    picture = np.full((256, 256, 3), 150, np.uint8)
    # bright surroundings of points beside the border between two tiles, farther than the network sees
    picture[:, 90:104] = 235
    slide = slide_from_array(picture, mpp=0.25, name="stripe")

    def found_in(tile: int) -> list[list[float]]:
        parts = list(Pipeline.open(spec(fine, tile=tile, suppression_um=0)).run(slide))
        return sorted(yx for part in parts for yx in part.nuclei.yx.tolist())

    assert load_detector(str(fine))[1].halo * 0.25 < REACH_UM
    assert found_in(64) == found_in(1024)
    assert any(x < 64 for _, x in found_in(64))


def test_the_command_says_how_many_it_left_out_and_keeps_them_when_told_to(
    toy: Path, tmp_path: Path, nucloop: Callable[..., Outcome]
) -> None:
    slide = tmp_path / "spots.png"
    Image.fromarray(spotted()).save(slide)
    command = ("detect", slide, "--mpp", MPP, "--out", tmp_path / "out", "--detector", toy, "--device", "torch-cpu")
    assert "4 nuclei (4 red, 0 blue); 1,020 points without contrast left out" in " ".join(nucloop(*command).out.split())
    all_of_it = nucloop(*command, "--contrast", 0).out
    assert "1,024 nuclei" in all_of_it
    assert "left out" not in all_of_it


@pytest.mark.parametrize("wrong", [-0.1, 1.5])
def test_a_contrast_that_cannot_be_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="contrast"):
        InferenceConfig(contrast=wrong)


def test_labels_made_by_eye_name_places_on_the_slide() -> None:
    from tools.contrast_check import LABELS

    with LABELS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"glass", "dust", "ink", "keratin", "nucleus", "unsure"}
    assert all(0 <= float(row["y"]) < 2967 and 0 <= float(row["x"]) < 2220 for row in rows)
