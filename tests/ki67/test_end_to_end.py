"""The index at the first click, against annotators and against another scanner."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nucloop.cli import app
from nucloop.detection.pipeline import Pipeline

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("NUCLOOP_DATA", ROOT.parent / "shared" / "data"))
pytestmark = pytest.mark.real_data


def folder(name):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not in {DATA}")
    return DATA / name


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("ki67_end_to_end", ROOT / "tools" / "ki67_end_to_end.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_wider_interval_holds_the_annotators_index_and_all_nuclei_are_counted(tool):
    rows = tool.rows_of(f"bcdata:{folder('bcdata-ki67-sample')}", "test", Pipeline.open())
    figures = tool.figures_of(rows)
    assert figures["counted_of_found"] == 1.0
    assert figures["stain_right"] == figures["images"] == 13
    assert figures["covered"] >= 11
    assert figures["covered_left_out"] >= 11
    assert figures["width"] < 0.4
    assert figures["mean_absolute_error"] < 0.09, "it was 0.132 while the H&E head decided what is left out"


def test_one_field_on_two_scanners_has_one_index(tmp_path):
    crops = folder("openslide-crops")
    found = []
    for name in ("OS-2-ndpi.ome", "OS-2-vsi.ome"):
        slide = str(crops / f"{name}.tif")
        for words in (
            ["detect", slide, "--out", str(tmp_path)],
            ["ki67", str(tmp_path / f"{name}.csv"), "--slide", slide, "--json", str(tmp_path / "f.json")],
        ):
            assert CliRunner().invoke(app, words).exit_code == 0
        found.append(json.loads((tmp_path / "f.json").read_text())["slide"]["index"])
    assert abs(found[0] - found[1]) < 0.02
