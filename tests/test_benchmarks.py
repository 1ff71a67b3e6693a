"""The benchmarks' own arithmetic and shape; how fast the program is depends on the machine and is no test."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from rich.console import Console
from tests.benchmarks.__main__ import main
from tests.benchmarks.report import BARS, Bar, Measurement, machine, table, taken_by_others, write_report
from tests.benchmarks.slides import field, mirrored, write_sparse_slide, write_tissue
from tests.benchmarks.subjects import STAGES, SUBJECTS, chosen
from tests.benchmarks.throughput import timed_runs

from nucloop.classes import ClassScheme
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import InferenceConfig
from nucloop.models.denuc import DenucConfig, DenucDetector
from nucloop.models.encoder import EncoderConfig, PointEncoder
from nucloop.models.files.cards import Card
from nucloop.models.heads import LinearHead
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

FOUR = Measurement.of([4.0, 1.0, 9.0, 2.0], "s")


def test_values_are_summed_up_by_median_least_most_and_number():
    assert Measurement(median=3.0, min=1.0, max=9.0, n=4, unit="s") == FOUR
    assert Measurement.of([7.0], "ms") == Measurement(7.0, 7.0, 7.0, 1, "ms")


def test_the_file_holds_every_quantity_and_the_machine(tmp_path: Path):
    write_report(tmp_path / "new" / "b.json", {"view_all_s": FOUR}, machine())

    written = json.loads((tmp_path / "new" / "b.json").read_text(encoding="utf-8"))

    assert written["view_all_s"] == {"median": 3.0, "min": 1.0, "max": 9.0, "n": 4, "unit": "s"}
    about = {"cpu", "cores", "memory_gb", "python", "torch", "onnxruntime", "napari", "load_average"}
    assert about <= set(written["machine"])


def test_what_other_machines_took_is_a_share_of_what_was_asked_for():
    before = SimpleNamespace(user=100.0, nice=5.0, system=20.0, steal=7.0, idle=50.0)
    after = SimpleNamespace(user=106.0, nice=5.0, system=22.0, steal=9.0, idle=90.0)
    assert taken_by_others(before, after) == pytest.approx(0.2)
    assert taken_by_others(before, before) == 0
    assert taken_by_others(SimpleNamespace(user=1.0), SimpleNamespace(user=2.0)) is None


@pytest.mark.parametrize(
    ("bar", "words"),
    [
        (Bar(4.0, aim=2.0), "met; the aim of 2 is not"),
        (Bar(4.0, aim=3.0), "met, and the aim"),
        (Bar(3.0), "met"),
        (Bar(2.0), "missed: 1.5 times the bar"),
        (Bar(4.5, worst=True), "missed: 2.0 times the bar"),
    ],
)
def test_a_bar_is_met_by_the_median_or_when_it_says_so_by_every_value(bar: Bar, words: str):
    assert bar.verdict(FOUR) == words


def test_the_table_says_beside_each_quantity_whether_its_bar_is_met():
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(table({"load_s": FOUR, "view_all_s": FOUR}))

    first, second = console.export_text().splitlines()[3:5]
    assert "view_all_s" in first
    assert "missed: 3.0 times the bar" in first
    assert "load_s" in second
    assert "missed" not in second


def test_every_bar_belongs_to_something_that_is_measured():
    assert set(BARS) <= {name for units in SUBJECTS.values() for name in units}


def test_single_quantities_and_whole_subjects_can_be_chosen():
    assert chosen([]) == SUBJECTS
    assert chosen(["view_all_s", "loading"]) == {"window": {"view_all_s": "s"}, "loading": SUBJECTS["loading"]}
    with pytest.raises(ValueError, match=r"nothing here measures view_al_s\. Choose among window, view_first_s"):
        chosen(["view_al_s"])


def test_a_misspelt_quantity_is_named_before_anything_is_measured(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--only", "view_al_s"])
    assert "nothing here measures view_al_s" in capsys.readouterr().err


def test_tissue_is_the_field_and_its_mirror_images(tmp_path: Path):
    side = 1100
    assert (mirrored(side)[1024:] == mirrored(side)[1023 : 1023 - 76 : -1]).all()
    with open_slide(write_tissue(tmp_path / "t.ome.tif", side)) as slide:
        assert (slide.shape, slide.mpp, len(slide.levels)) == ((side, side), 0.5, 3)
        # JPEG keeps the picture, not every pixel
        assert np.abs(slide.read_working(0, 0, 256, 256, 0.5).astype(int) - field()[:256, :256]).mean() < 3


def test_a_sparse_slide_is_white_but_for_one_square_of_tissue(tmp_path: Path):
    with open_slide(write_sparse_slide(tmp_path / "s.ome.zarr", 1500, chunk=32)) as slide:
        assert (slide.shape, slide.mpp, len(slide.levels)) == ((1500, 1500), 0.25, 4)
        whole = slide.read_working(0, 0, 750, 750, 0.5)
    tissue = np.argwhere((whole < 255).any(2))
    (top, left), (bottom, right) = tissue.min(0), tissue.max(0) + 1
    assert (top, left, bottom, right) == (256, 256, 384, 384)
    np.testing.assert_array_equal(whole[top:bottom, left:right], field()[:128, :128])


def test_every_stage_of_the_pipeline_is_clocked(tmp_path: Path):
    path = write_tissue(tmp_path / "t.ome.tif", 256)

    samples = timed_runs(tiny_pipeline(), path, repeat=2, area=0.5)

    assert set(samples) == set(SUBJECTS["throughput"])
    assert all(len(values) == 2 and min(values) > 0 for values in samples.values())
    seconds, parts = samples["seconds_per_mm2"], [samples[f"stage_{stage}_s_per_mm2"] for stage in STAGES]
    assert max(max(part) for part in parts) < max(seconds)


def tiny_pipeline() -> Pipeline:
    """Return small random networks that call some cells nuclei."""
    torch.manual_seed(1)
    shape = {"backbone": "shufflenet_v2_x0_5", "strides": (8, 16), "channels": 8, "mpp": 0.5}
    detector, encoder = DenucDetector(DenucConfig(**shape)).eval(), PointEncoder(EncoderConfig(**shape)).eval()
    torch.nn.init.normal_(detector.head[-1].weight, std=3.0)
    torch.nn.init.zeros_(detector.head[-1].bias)
    head = LinearHead(ClassScheme.named("brca-m2c"), np.zeros((4, 8), np.float32), np.zeros(4, np.float32), keep=1.0)
    card = Card(kind="x", name="random", architecture="test", mpp=0.5, halo=16)
    config = InferenceConfig(threshold=0.3, tile=128)
    return Pipeline((detector, card), (encoder, card), head, device="torch-cpu", config=config)
