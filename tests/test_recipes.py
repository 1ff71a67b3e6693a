"""The recipes of the manual run, one after the other, as in a notebook."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import nucloop

ROOT = Path(__file__).parents[1]
RECIPES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "recipes.md").read_text(), re.DOTALL)


def test_the_recipes_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed: pip install 'napari-nucloop[cluster]'")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slides").mkdir()
    shutil.copy(ROOT / "sample_data" / "synthetic_he.tif", tmp_path / "slides" / "one.tif")
    shutil.copy(ROOT / "sample_data" / "synthetic_he.tif", tmp_path / "slide.tif")
    names: dict[str, object] = {}

    for recipe in RECIPES:
        # a worker in this process is enough to see that it runs
        here = recipe.replace("slide.svs", "slide.tif").replace("Client(n_workers=2,", "Client(**WORKER,")
        names["WORKER"] = {"n_workers": 1, "processes": False, "dashboard_address": ":0"}
        exec(here, names)

    assert len(RECIPES) == 4
    said = capsys.readouterr().out
    assert "1 of 1: one" in said
    assert "'tumour'" in said
    assert (tmp_path / "nuclei.geojson").stat().st_size > 1000
    assert (tmp_path / "study" / "report.html").exists()


def test_what_nobody_offers_a_notebook_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nowhere"):
        _ = nucloop.nowhere
