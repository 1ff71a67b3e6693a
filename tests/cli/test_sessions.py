"""Sessions as sources for the commands that read nuclei."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from nucloop.classes import builtin_schemes
from nucloop.export.manifest import Manifest
from nucloop.formats import Region, read_document
from nucloop.session import Session
from nucloop.session.exchange import keep_regions
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEME = builtin_schemes()["brca-m2c"]
PLACES = np.array([[y, x] for y in (30, 90, 150) for x in (40, 100, 160)], float)


def worked_on(folder: Path, name: str, *, regions: bool = True) -> Path:
    """A slide with a session beside it; return the session."""
    rng = np.random.default_rng(len(name))
    picture = folder / name
    Image.fromarray(rng.integers(0, 255, (200, 220, 3), np.uint8)).save(picture)
    with open_slide(picture, mpp=0.5) as slide, Session.for_slide(slide, SCHEME, author="Dr A") as session:
        for label in range(3):
            session.add(PLACES[label::3], label)
        if regions:
            left = np.array([[0, 0], [0, 110], [199, 110], [199, 0]], float)
            keep_regions(session, [Region(left), Region(left + np.array([0, 110]))])
        assert session.path is not None
        return session.path


def test_a_session_is_converted_to_any_format(tmp_path: Path, nucloop: Callable) -> None:
    session = worked_on(tmp_path, "a.png")

    outcome = nucloop("convert", session, tmp_path / "out.csv", "--microns", "--class", "tumour")

    assert outcome.code == 0, outcome.err
    document = read_document(tmp_path / "out.csv")
    np.testing.assert_allclose(document.nuclei.yx, PLACES[1::3])
    assert set(document.notes["author"]) == {"Dr A"}
    assert "y_um" in (tmp_path / "out.csv").read_text()


def test_sessions_of_a_folder_become_a_training_set_of_their_regions(tmp_path: Path, nucloop: Callable) -> None:
    worked_on(tmp_path, "a.png")
    worked_on(tmp_path, "bb.png")

    outcome = nucloop("export-dataset", tmp_path, "--out", tmp_path / "set", "--size", 64, "--folds", 2)

    assert outcome.code == 0, outcome.err
    manifest = Manifest.read(tmp_path / "set")
    assert [source.slide for source in manifest.sources] == ["a.png", "bb.png"]
    assert [source.regions for source in manifest.sources] == [2, 2]
    assert manifest.scheme.names == SCHEME.names
    assert manifest.folds == 2
    groups = [{patch.group for patch in manifest.patches if patch.fold == fold} for fold in (0, 1)]
    assert not groups[0] & groups[1]


def test_a_session_is_scored_against_a_file(tmp_path: Path, nucloop: Callable) -> None:
    session = worked_on(tmp_path, "a.png")
    nucloop("convert", session, tmp_path / "ref.geojson")

    outcome = nucloop("score", session, tmp_path / "ref.geojson", "--json", tmp_path / "score.json")

    assert outcome.code == 0, outcome.err
    report = json.loads((tmp_path / "score.json").read_text())
    assert report["detection"]["f1"] == 1


def test_a_pipeline_is_measured_against_the_regions_of_a_session(tmp_path: Path, nucloop: Callable) -> None:
    session = worked_on(tmp_path, "a.png")

    outcome = nucloop("evaluate", "--data", f"session:{session}", "--json", tmp_path / "report.json")

    assert outcome.code == 0, outcome.err
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["dataset"] == "a.png.nucloop"
    assert report["n_images"] == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["convert", "{alone}", "{out}.csv"], None),
        (["export-dataset", "{alone}", "--out", "{out}"], "The slide of alone.png.nucloop is not beside it"),
        (["export-dataset", "{empty}", "--out", "{out}"], "There is no session"),
        (["convert", "{broken}", "{out}.csv"], "broken.nucloop"),
    ],
)
def test_what_a_session_cannot_give_is_said_in_a_sentence(
    tmp_path: Path, nucloop: Callable, arguments: list[str], sentence: str | None
) -> None:
    alone = worked_on(tmp_path, "alone.png")
    (tmp_path / "alone.png").unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.nucloop").write_bytes(b"SQLite format 3\x00 and no more")
    names = {
        "alone": alone, "empty": tmp_path / "empty", "broken": tmp_path / "broken.nucloop", "out": tmp_path / "out",
    }  # fmt: skip

    outcome = nucloop(*(one.format(**names) for one in arguments))

    assert outcome.code == (0 if sentence is None else 1), outcome.err
    assert sentence is None or sentence in outcome.err
    assert "Traceback" not in outcome.err
