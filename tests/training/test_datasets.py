"""Readers against the real folders; figures are those of each data set's own description."""

import os
from pathlib import Path

import numpy as np
import pytest

from nucloop.training.datasets import open_dataset

DATA = Path(os.environ.get("NUCLOOP_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.parametrize(
    ("name", "folder", "split", "images", "nuclei"),
    [
        ("brca-m2c", "brca-m2c", "train", 80, 18647),
        ("brca-m2c", "brca-m2c", "val", 10, 3133),
        ("consep-20x", "consep-20x", "train", 22, None),
        ("consep-20x", "consep-20x", "val", 5, None),
        ("crchisto", "crchistophenotypes", "train", 22, 8715),
        ("crchisto", "crchistophenotypes", "val", 10, 2852),
        ("nucls", "nucls-sample-cc0", "train", 10, 398),
        ("bcdata", "bcdata-ki67-sample", "test", 13, None),
        ("deepliif", "deepliif-ki67-sample", "test", 4, 346),
        ("monuseg", "monuseg-train-subset", "train", 13, None),
    ],
)
def test_a_data_set_is_read_completely_with_points_on_dark_nuclei(name, folder, split, images, nuclei):
    if not (DATA / folder).exists():
        pytest.skip(f"the data set {folder} is not in {DATA} (set NUCLOOP_DATA)")
    dataset = open_dataset(f"{name}:{DATA / folder}", split)
    assert len(dataset.fields) == images
    if nuclei is not None:
        assert sum(len(f.yx) for f in dataset.fields) == nuclei
    darker = []
    for field in dataset.fields:
        grey = field.pixels.mean(2)
        assert ((field.yx >= -0.5) & (field.yx <= np.array(grey.shape))).all()
        rows = np.clip(field.yx.round().astype(int), 0, np.array(grey.shape) - 1)
        darker.append(grey.mean() - grey[rows[:, 0], rows[:, 1]].mean())
    assert np.mean(darker) > 15
