from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from tests.cohort.conftest import write_slide

from nucloop import cohort
from nucloop.detection.spec import CONTRAST
from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome


def test_a_person_makes_runs_and_reports_a_cohort(
    slides: Path, weights: Path, tmp_path: Path, nucloop: Callable[..., Outcome]
) -> None:
    models = [f"--{kind}={weights / kind}.safetensors" for kind in ("detector", "encoder", "head")]
    study = tmp_path / "study"

    made = nucloop("cohort", "init", slides, study, *models)
    assert "4 slides" in made.out
    assert "4 not started" in nucloop("cohort", "status", study).out

    ran = nucloop("cohort", "run", study, "--workers", 0, "--device", "torch-cpu")
    assert (ran.code, "4 slides done, 0 failed" in ran.out) == (0, True)
    assert "4 done" in nucloop("cohort", "status", study).out

    table = pd.read_csv(study / "slides.csv")
    assert list(table["id"]) == ["s0", "s1", "s2", "s3"]
    assert (table["nuclei"] > 0).all()
    page = (study / "report.html").read_text()
    assert page.count("<img") == 4
    assert "http" not in page


def test_a_slides_row_says_how_many_points_without_contrast_were_left_out_in_however_many_parts(
    tmp_path: Path, settings: cohort.CohortSettings
) -> None:
    (tmp_path / "slides").mkdir()
    write_slide(tmp_path / "slides" / "large.tif", 1, 512, 1600)

    def row(name: str, contrast: float, part_mm2: float) -> dict[str, int]:
        list(cohort.init(tmp_path / "slides", tmp_path / name, replace(settings, contrast=contrast)))
        list(cohort.run(tmp_path / name, device="torch-cpu", part_mm2=part_mm2))
        [found] = cohort.tables_of(cohort.open_project(tmp_path / name))[0].to_dict("records")
        return {column: found[column] for column in ("nuclei", "without_contrast")}

    whole = row("whole", CONTRAST, 100)
    assert whole["without_contrast"] > 0
    assert row("parts", CONTRAST, 0.1) == whole
    assert row("all", 0, 100) == {"nuclei": sum(whole.values()), "without_contrast": 0}


def test_a_failed_slide_is_named_with_its_sentence_and_the_command_says_that_one_failed(
    slides: Path, weights: Path, tmp_path: Path, nucloop: Callable[..., Outcome]
) -> None:
    models = [f"--{kind}={weights / kind}.safetensors" for kind in ("detector", "encoder", "head")]
    (slides / "s3.tif").write_bytes(b"nothing")
    nucloop("cohort", "init", slides, tmp_path / "study", *models)

    ran = nucloop("cohort", "run", tmp_path / "study", "--workers", 0, "--device", "torch-cpu")

    assert ran.code == 1
    assert "s3: Cannot open s3.tif" in ran.err
    status = nucloop("cohort", "status", tmp_path / "study")
    assert "3 done, 1 failed" in status.out
    assert "s3: Cannot open s3.tif" in status.err


def test_what_differs_most_stands_first_in_the_report(tmp_path: Path, settings: cohort.CohortSettings) -> None:
    (tmp_path / "slides").mkdir()
    for number in range(9):
        write_slide(tmp_path / "slides" / f"s{number}.tif", number, 96, 96 if number != 6 else 960)
    list(cohort.init(tmp_path / "slides", tmp_path / "study", settings))
    list(cohort.run(tmp_path / "study", device="torch-cpu"))

    table = cohort.tables_of(cohort.open_project(tmp_path / "study"))[0].set_index("id")
    page = cohort.write_report(cohort.open_project(tmp_path / "study"))[-1].read_text()

    assert table["outlier"].idxmax() == "s6"
    assert "tissue" in table.loc["s6", "outlier_in"]
    assert page.index("<b>s6</b>") < page.index("<b>s0</b>")


def test_settings_that_cannot_be_are_refused_with_the_line_that_is_wrong(
    study: Path, nucloop: Callable[..., Outcome]
) -> None:
    (study / "project.yaml").write_text("detecter: mine\n")

    outcome = nucloop("cohort", "status", study)

    assert outcome.code == 1
    assert "detecter" in outcome.err


@pytest.mark.parametrize(
    "text", [b"detector: \xff\xfe\n", b"a: &b [1]\nc: *b\n", b"# \n" * 100_000, b"a: !!int x\n", b"[" * 5000]
)
def test_settings_that_are_no_yaml_are_refused_in_a_sentence(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "project.yaml").write_bytes(text)

    with pytest.raises(DataError, match=r"project\.yaml"):
        cohort.open_project(tmp_path)
