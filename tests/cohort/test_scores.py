"""Ki-67 index, H-score and Allred's of a cohort: the figures of the single slide, in the table and in the report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from nucloop import cohort
from nucloop.classes import ClassScheme
from nucloop.cohort.figures import ki67_figures
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.slides import quality, slide_from_levels
from nucloop.slides.stain_kind import StainKind
from nucloop.slides.stains import H_DAB, od_to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome


def stained(seed: int, height: int = 192, width: int = 224) -> np.ndarray:
    """Cells of 8 pixels of haematoxylin, a third of them with DAB of several strengths besides."""
    rng = np.random.default_rng(seed)
    shape = (height // 8, width // 8)
    brown = rng.random(shape) < 0.35
    amounts = np.stack([np.where(brown, 0.2, 0.7), np.where(brown, rng.uniform(0.4, 2.0, shape), 0.02)], axis=-1)
    density = amounts @ H_DAB[:2]
    return od_to_rgb(density.astype(np.float32)).repeat(8, 0).repeat(8, 1)


@pytest.fixture
def brown(tmp_path: Path) -> Path:
    """Folder of three slides with DAB, 0.5 µm per pixel."""
    folder = tmp_path / "brown"
    folder.mkdir()
    options = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER", "tile": (64, 64)}
    for number in range(3):
        tifffile.imwrite(folder / f"s{number}.tif", stained(number), photometric="rgb", **options)
    return folder


def worked(source: Path, study: Path, settings: cohort.CohortSettings) -> Path:
    list(cohort.init(source, study, settings))
    assert [step.sentence for step in cohort.run(study, device="torch-cpu") if step.sentence] == []
    return study


def test_a_slide_has_the_scores_in_the_table_that_the_command_gives_it_alone(
    brown: Path, settings: cohort.CohortSettings, tmp_path: Path, nucloop: Callable[..., Outcome]
) -> None:
    study = worked(brown, tmp_path / "study", replace(settings, dab=True, grades=(0.8, 1.2)))

    table = cohort.tables_of(cohort.open_project(study))[0].set_index("id")

    [folder] = (study / "results").glob("s1.*")
    out = tmp_path / "alone.json"
    alone = nucloop(
        "ki67", folder / "nuclei.parquet", "--slide", brown / "s1.tif", "--dab", "--grades", "0.8,1.2", "--json", out
    )
    assert alone.code == 0, alone.err
    said, row = json.loads(out.read_text()), table.loc["s1"]
    scores = said["intensity"]["slide"]
    assert scores["h_score"] > 0
    assert row["h_score"] == pytest.approx(scores["h_score"])
    assert [row["h_score_low"], row["h_score_high"]] == pytest.approx(scores["h_score_95"])
    assert row["allred"] == scores["allred"]
    assert [row[f"grade_{grade}"] for grade in range(4)] == scores["grades"]
    assert row["ki67"] == pytest.approx(said["slide"]["index"])
    assert [row["ki67_low"], row["ki67_high"]] == pytest.approx(said["slide"]["wilson_95"])
    assert [row["ki67_with_errors_low"], row["ki67_with_errors_high"]] == pytest.approx(said["with_errors_95"])


def test_the_report_shows_h_score_and_allred_beside_the_index_and_only_where_dab_tells_them(
    brown: Path, slides: Path, settings: cohort.CohortSettings, tmp_path: Path
) -> None:
    study = worked(brown, tmp_path / "brown-study", replace(settings, dab=True))
    row = cohort.tables_of(cohort.open_project(study))[0].iloc[0]
    page = cohort.write_report(cohort.open_project(study))[-1].read_text()

    assert page.index(">Ki-67 (95%)<") < page.index(">H-score (95%)<") < page.index(">Allred<")
    assert f"{row['h_score']:.0f} ({row['h_score_low']:.0f} to {row['h_score_high']:.0f})" in page
    # the wider interval of the two, as the window does
    assert f"{row['ki67_with_errors_low']:.1%}"[:-1] in page

    other = worked(slides, tmp_path / "other-study", replace(settings, ki67=False))
    assert "H-score" not in cohort.write_report(cohort.open_project(other))[-1].read_text()


def test_each_region_has_its_index_and_scores(brown: Path, settings: cohort.CohortSettings, tmp_path: Path) -> None:
    boxes = {"core": (0, 100), "margin": (110, 220)}
    features = [
        {
            "type": "Feature",
            "properties": {"objectType": "annotation", "name": name},
            "geometry": {"type": "Polygon", "coordinates": [[[a, 0], [b, 0], [b, 190], [a, 190], [a, 0]]]},
        }
        for name, (a, b) in boxes.items()
    ]
    (tmp_path / "areas.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (tmp_path / "list.csv").write_text("slide,regions\nbrown/s0.tif,areas.geojson\n")
    study = worked(tmp_path / "list.csv", tmp_path / "study", replace(settings, dab=True))

    slide, regions = cohort.tables_of(cohort.open_project(study))

    assert list(regions["region"]) == ["core", "margin"]
    assert regions["ki67_counted"].sum() == slide["ki67_counted"][0]
    for grade in range(4):
        assert regions[f"grade_{grade}"].sum() == slide[f"grade_{grade}"][0]
    assert (regions["h_score_low"] <= regions["h_score"]).all()
    assert (regions["h_score"] <= regions["h_score_high"]).all()


def test_dab_is_that_within_the_outlines_where_nuclei_have_them() -> None:
    pixels = np.broadcast_to(od_to_rgb((0.3 * H_DAB[0]).astype(np.float32)), (256, 256, 3)).copy()
    yx = np.array([[y, x] for y in range(24, 232, 24) for x in range(24, 232, 24)], np.float32)
    square = np.array([[-6, -6], [-6, 6], [6, 6], [6, -6]], np.float32)
    for k, (y, x) in enumerate(yx.astype(int).tolist()):
        # brown all over but for the middle: only who measures within the outline sees it
        if k % 2:
            pixels[y - 6 : y + 7, x - 6 : x + 7] = od_to_rgb((0.3 * H_DAB[0] + 1.5 * H_DAB[1]).astype(np.float32))
            pixels[y - 3 : y + 4, x - 3 : x + 4] = pixels[0, 0]
    slide = slide_from_levels([pixels], mpp=0.5)
    nuclei = Nuclei.from_points(ClassScheme.named("brca-m2c"), yx)
    outlined = replace(nuclei, outlines=Outlines.of([at + square for at in yx]))
    settings = cohort.CohortSettings(dab=True, dab_threshold=0.3)

    middle = ki67_figures(slide, nuclei, (), {}, StainKind.H_DAB, settings)
    within = ki67_figures(slide, outlined, (), {}, StainKind.H_DAB, settings)

    assert middle is not None
    assert within is not None
    assert (middle["positive"], middle["by_outline"]) == (0, 0)
    assert (within["positive"], within["by_outline"]) == (len(yx) // 2, len(yx))


def test_a_slide_that_cannot_have_the_index_that_was_asked_for_says_why(
    brown: Path, settings: cohort.CohortSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "stain_kind", lambda rgb: StainKind.H_E)
    study = worked(brown, tmp_path / "study", replace(settings, dab=True))

    table = cohort.tables_of(cohort.open_project(study))[0]

    assert table["ki67"].isna().all()
    assert table["flags"].str.contains("nothing on it shows Ki-67").all()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"dab": True, "ki67": False}, "dab needs ki67"),
        ({"dab_threshold": 0.0}, "dab_threshold"),
        ({"grades": (1.2, 0.8)}, "grades must ascend"),
    ],
)
def test_settings_of_dab_that_do_not_go_together_are_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        cohort.CohortSettings(**wrong)


def test_grades_given_to_init_are_read_again_from_the_project(
    brown: Path, weights: Path, tmp_path: Path, nucloop: Callable[..., Outcome]
) -> None:
    options = ["--dab", "--dab-threshold", 0.4, "--grades", "0.8,1.2", f"--detector={weights / 'detector.safetensors'}"]

    assert nucloop("cohort", "init", brown, tmp_path / "study", *options).code == 0

    settings = cohort.open_project(tmp_path / "study").settings
    assert (settings.dab, settings.dab_threshold, settings.grades) == (True, 0.4, (0.8, 1.2))
