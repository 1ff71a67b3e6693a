"""The synthetic slides, their lists of nuclei, and napari's samples made of them."""

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sample_data.generate import ki67_classes, synthetic_he, synthetic_ki67

from nucloop.classes import ClassScheme
from nucloop.slides import open_slide, stains

FOLDER = Path(__file__).parents[1] / "sample_data"
REAL = Path(os.environ.get("NUCLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.mark.parametrize(
    ("slide", "table", "scheme", "mpp", "levels"),
    [
        ("synthetic_he.tif", "synthetic_he.csv", "brca-m2c", 0.5, 1),
        ("synthetic_ki67.ome.tif", "synthetic_ki67.csv", "patherea-ki67", 0.25, 3),
    ],
)
def test_a_synthetic_slide_and_its_nuclei_belong_together(
    slide: str, table: str, scheme: str, mpp: float, levels: int
) -> None:
    nuclei = pd.read_csv(FOLDER / table)
    with open_slide(FOLDER / slide) as opened:
        assert opened.mpp == pytest.approx(mpp)
        assert len(opened.levels) == levels
        assert opened.box.contains(nuclei[["y", "x"]].to_numpy()).all()
        density = stains.rgb_to_od(opened.read_region(opened.box)).sum(axis=-1)
    rows, columns = nuclei[["y", "x"]].round().astype(int).clip(0, len(density) - 1).to_numpy().T
    assert np.median(density[rows, columns]) > 1.7 * np.median(density)
    assert set(nuclei["class"]) <= set(ClassScheme.named(scheme).names)
    assert (FOLDER / slide).stat().st_size < 1_500_000


def test_positive_nuclei_are_brown_and_negative_ones_blue() -> None:
    nuclei = pd.read_csv(FOLDER / "synthetic_ki67.csv")
    with open_slide(FOLDER / "synthetic_ki67.ome.tif") as opened:
        dab = stains.separate(opened.read_region(opened.box), stains.H_DAB)[..., 1]
    rows, columns = nuclei[["y", "x"]].round().astype(int).clip(0, len(dab) - 1).to_numpy().T
    positive = nuclei["class"].str.endswith("positive").to_numpy()
    at_nuclei = dab[rows, columns]

    threshold = 0.35
    assert (at_nuclei[positive] > threshold).mean() > 0.97
    assert (at_nuclei[~positive] < threshold).mean() > 0.97


def test_the_same_seed_draws_the_same_field() -> None:
    one, cells = synthetic_he(seed=3, side=256)
    other, again = synthetic_he(seed=3, side=256)

    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(cells.yx, again.yx)
    assert one.shape == (256, 256, 3)
    assert len(cells.yx) > 20


def test_a_small_ki67_field_can_be_drawn() -> None:
    picture, cells = synthetic_ki67(seed=5, side=512)

    assert picture.shape == (512, 512, 3)
    assert len(ki67_classes(cells)) == len(cells.yx) > 20


def test_every_public_slide_has_an_address_a_checksum_and_a_licence() -> None:
    slides = json.loads((FOLDER / "public_slides.json").read_text(encoding="utf-8"))

    for name, slide in slides.items():
        assert slide["url"].startswith("https://")
        assert slide["url"].endswith(name)
        assert re.fullmatch("[0-9a-f]{64}", slide["sha256"])
        assert slide["license"]


@pytest.mark.real_data
def test_the_checksum_of_the_small_public_slide_is_that_of_the_file() -> None:
    path = REAL / "sample-slides" / "CMU-1-Small-Region.svs"
    if not path.exists():
        pytest.skip("CMU-1-Small-Region.svs is not here: put it into sample-slides in the folder named by NUCLOOP_DATA")
    slides = json.loads((FOLDER / "public_slides.json").read_text(encoding="utf-8"))

    assert hashlib.sha256(path.read_bytes()).hexdigest() == slides[path.name]["sha256"]
