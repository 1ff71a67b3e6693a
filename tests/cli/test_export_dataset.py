from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nucloop.classes import builtin_schemes
from nucloop.formats import write_nuclei
from nucloop.nuclei import Nuclei
from nucloop.training.datasets import open_dataset

SCHEME = builtin_schemes()["brca-m2c"]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Two images with nuclei and a list of them."""
    rows = ["slide,nuclei,patient,mpp"]
    for k in range(2):
        pixels = np.random.default_rng(k).integers(0, 255, (200, 240, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"s{k}.png")
        nuclei = Nuclei.from_points(SCHEME, [[20 + k, 30], [100, 110], [150, 220]], label=[0, 1, 2], ids=[1, 2, 3])
        write_nuclei(tmp_path / f"s{k}.geojson", nuclei)
        rows.append(f"s{k}.png,s{k}.geojson,patient {k},0.5")
    path = tmp_path / "sources.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_list_of_slides_becomes_a_training_set(tmp_path: Path, sources: Path, nucloop: Callable) -> None:
    outcome = nucloop(
        "export-dataset", sources, "--out", tmp_path / "set", "--scheme", "brca-m2c", "--size", 100, "--licence", "CC0"
    )

    assert outcome.code == 0
    assert "fold 1: 6 images, 1 lymphocyte, 1 tumour, 1 stromal, 0 without a class" in outcome.out
    dataset = open_dataset(f"nucloop:{tmp_path / 'set'}", "val")
    assert sum(len(field.yx) for field in dataset.fields) == 3
    assert {field.group for field in dataset.fields} < {"patient 0", "patient 1"}


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("a,b\n1,2\n", [], "must be a table with the columns slide and nuclei"),
        ("slide,nuclei\n", [], "must be a table with the columns slide and nuclei"),
        ("slide,nuclei\ns0.png,\n", [], "Row 1 of list.csv names no slide or no nuclei"),
        ("slide,nuclei,mpp\ns0.png,s0.geojson,fine\n", [], "which is no number"),
        ("slide,nuclei,mpp\ns0.png,s0.geojson,0.5\n", ["--folds", "2"], "1 group(s) cannot be divided into 2 fold(s)"),
        ("slide,nuclei,mpp\ns0.png,s0.geojson,0.5\n", ["--layout", "xml"], "There is no layout 'xml'"),
        ("slide,nuclei,mpp\ns0.png,s0.geojson,0.5\n", ["--group-by", "day"], "Nothing is grouped by 'day'"),
        ("slide,nuclei,mpp\ns0.png,s0.geojson,0.5\n", ["--size", "8"], "Patches of 8 pixels are not possible"),
        ("slide,nuclei,mpp\ns0.png,gone.geojson,0.5\n", [], "gone.geojson"),
    ],
)
def test_what_cannot_become_a_training_set_is_said_in_a_sentence(
    tmp_path: Path, sources: Path, nucloop: Callable, text: str, options: list[str], sentence: str
) -> None:
    path = sources.with_name("list.csv")
    path.write_text(text)

    outcome = nucloop("export-dataset", path, "--out", tmp_path / "set", "--scheme", "brca-m2c", *options)

    assert outcome.code == 1
    assert sentence in outcome.err
    assert not (tmp_path / "set").exists()
