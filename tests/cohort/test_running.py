from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from tests.cohort.conftest import contents, states, write_slide

from nucloop import cohort
from nucloop.cohort import part_file
from nucloop.cohort.running import ATTEMPTS
from nucloop.errors import DataError
from nucloop.formats import read_document
from nucloop.session.exchange import read_session
from nucloop.slides import open_slide, tissue

if TYPE_CHECKING:
    from pathlib import Path

Worked = "Callable[..., list[cohort.Step]]"


def change(study: Path, **settings: object) -> None:
    path = study / "project.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **settings}))


def test_every_slide_gets_its_nuclei_its_figures_and_its_pictures(study: Path, worked: Worked) -> None:
    steps = worked()

    assert [(step.sentence, step.total) for step in steps] == [("", 4)] * 4
    [folder] = (study / "results").glob("s0.*")
    names = {path.name for path in folder.iterdir()}
    assert names == {"nuclei.parquet", "density.ome.tif", "tissue.png", "thumbnail.jpg", "slide.json"}
    figures = json.loads((folder / "slide.json").read_text())
    nuclei = read_document(folder / "nuclei.parquet").nuclei
    assert figures["nuclei"] == len(nuclei) > 0
    assert figures["counts"] == nuclei.counts()
    # three quarters of 96 x 112 µm, the margin of glass blurred by a pixel of the map
    assert figures["quality"]["tissue_mm2"] == pytest.approx(0.75 * 0.096 * 0.112, rel=0.1)


def test_what_is_done_is_not_done_again(study: Path, worked: Worked) -> None:
    worked()
    before = contents(study)

    assert worked() == []
    assert contents(study) == before


def test_other_settings_make_results_stale_and_the_next_run_makes_them_anew(study: Path, worked: Worked) -> None:
    worked()
    before = set(contents(study))
    change(study, threshold=0.9)
    assert set(states(study).values()) == {"stale"}

    worked(only=["s0", "s1"])
    assert states(study) == {"s0": "done", "s1": "done", "s2": "stale", "s3": "stale"}

    worked()
    assert set(states(study).values()) == {"done"}
    # nothing of the earlier results is left
    assert len(contents(study)) == len(before)
    assert not set(contents(study)) & before - {"slides.csv"}


def test_a_slide_that_has_changed_is_stale_and_is_taken_as_it_is(study: Path, slides: Path, worked: Worked) -> None:
    worked()
    write_slide(slides / "s2.tif", 77)
    assert states(study)["s2"] == "stale"

    assert [step.slide for step in worked()] == ["s2"]
    assert set(states(study).values()) == {"done"}


def test_a_broken_slide_costs_itself_alone_and_is_tried_again_once_it_is_mended(
    study: Path, slides: Path, worked: Worked
) -> None:
    whole = (slides / "s1.tif").read_bytes()
    (slides / "s1.tif").write_bytes(whole[: len(whole) // 2])

    steps = worked()

    assert {step.slide: bool(step.sentence) for step in steps} == {"s0": False, "s1": True, "s2": False, "s3": False}
    assert states(study)["s1"] == "failed"
    table = cohort.tables_of(cohort.open_project(study))[0].set_index("id")
    assert "s1.tif" in table.loc["s1", "sentence"]
    assert "s1.tif" in (cohort.write_report(cohort.open_project(study))[-1]).read_text()

    (slides / "s1.tif").write_bytes(whole)
    assert [(step.slide, step.sentence) for step in worked()] == [("s1", "")]


@pytest.mark.parametrize(
    ("error", "word"),
    [(OSError(errno.ENOSPC, "No space left on device"), "Make room"), (MemoryError(), "memory")],
)
def test_a_full_disk_or_memory_costs_the_slide_alone_and_is_tried_again(
    study: Path, worked: Worked, monkeypatch: pytest.MonkeyPatch, error: Exception, word: str
) -> None:
    from nucloop.cohort import writing

    write, tries = writing.write_density_map, []

    def full(path: Path, *rest: object) -> None:
        if rest[-1] == "s2":
            tries.append(path)
            raise error
        write(path, *rest)

    monkeypatch.setattr(writing, "write_density_map", full)

    failed = [step for step in worked() if step.sentence]

    assert [step.slide for step in failed] == ["s2"]
    assert word in failed[0].sentence
    assert len(tries) == ATTEMPTS
    # and nothing half is left of it
    assert not [*(study / "results").glob("s2*"), *(study / "results").glob(".*")]

    monkeypatch.undo()
    assert [(step.slide, step.sentence) for step in worked()] == [("s2", "")]
    assert not list((study / "failures").iterdir())


def test_a_fault_of_the_program_costs_the_slide_alone_and_is_written_down(
    study: Path, worked: Worked, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped = tissue.map_tissue

    def faulty(slide: object) -> object:
        if slide.name == "s3.tif":
            raise ZeroDivisionError("nobody thought of it")
        return mapped(slide)

    monkeypatch.setattr(tissue, "map_tissue", faulty)

    assert [step.slide for step in worked() if step.sentence] == ["s3"]
    assert "ZeroDivisionError" in json.loads((study / "failures" / "s3.json").read_text())["details"]


def test_a_slide_in_parts_has_the_same_bytes_as_in_one(tmp_path: Path, settings: cohort.CohortSettings) -> None:
    (tmp_path / "slides").mkdir()
    write_slide(tmp_path / "slides" / "large.tif", 1, 2304, 3200)
    found, parts = [], []
    for part_mm2 in (100, 0.2):
        study = tmp_path / f"{part_mm2}"
        list(cohort.init(tmp_path / "slides", study, settings))
        [step] = cohort.run(study, device="torch-cpu", part_mm2=part_mm2)
        assert step.sentence == ""
        found.append(contents(study))
        parts.append(list(study.glob("parts/*")))

    assert found[0] == found[1]
    assert parts == [[], []]


def test_a_part_that_is_there_already_is_not_done_again(
    tmp_path: Path, settings: cohort.CohortSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slides").mkdir()
    write_slide(tmp_path / "slides" / "large.tif", 1, 1024, 1600)
    list(cohort.init(tmp_path / "slides", tmp_path / "study", settings))
    write, written = part_file.write_part, []

    def stop_at_the_second(path: Path, nuclei: object) -> None:
        written.append(path.name)
        if len(written) == 2:
            raise KeyboardInterrupt
        write(path, nuclei)

    monkeypatch.setattr(part_file, "write_part", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        list(cohort.run(tmp_path / "study", device="torch-cpu", part_mm2=0.1))

    list(cohort.run(tmp_path / "study", device="torch-cpu", part_mm2=0.1))

    assert written == ["1-of-4.npz", "2-of-4.npz", "2-of-4.npz", "3-of-4.npz", "4-of-4.npz"]
    assert states(tmp_path / "study") == {"large": "done"}


def test_tiles_of_empty_glass_are_not_even_read(
    tmp_path: Path, settings: cohort.CohortSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tifffile

    from nucloop.detection.pipeline import Pipeline

    pixels = np.full((2048, 4096, 3), 250, np.uint8)
    pixels[100:200, 100:200] = (120, 60, 130)
    (tmp_path / "slides").mkdir()
    options = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER", "tile": (256, 256)}
    tifffile.imwrite(tmp_path / "slides" / "glass.tif", pixels, photometric="rgb", **options)
    list(cohort.init(tmp_path / "slides", tmp_path / "study", settings))
    run, tiles = Pipeline.run, []

    def counting(self: Pipeline, slide: object, regions: object, **options: object) -> object:
        tiles.append(len(options["tiles"]))
        return run(self, slide, regions, **options)

    monkeypatch.setattr(Pipeline, "run", counting)
    list(cohort.run(tmp_path / "study", device="torch-cpu"))

    assert tiles == [1]


def test_two_runs_at_once_are_refused(study: Path, worked: Worked) -> None:
    first = cohort.run(study, device="torch-cpu")
    next(first)

    with pytest.raises(DataError, match="Another nucloop cohort run"):
        worked()

    first.close()
    assert len(worked()) == 3


def test_regions_of_a_list_are_worked_on_and_counted_each_on_its_own(
    slides: Path, tmp_path: Path, settings: cohort.CohortSettings
) -> None:
    shapes = [[[60, 0], [140, 0], [140, 190], [60, 190], [60, 0]], [[150, 0], [220, 0], [220, 90], [150, 90], [150, 0]]]
    features = [
        {
            "type": "Feature",
            "properties": {"objectType": "annotation", "name": name},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for name, ring in zip(("core", "margin"), shapes, strict=True)
    ]
    (tmp_path / "areas.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (tmp_path / "list.csv").write_text("slide,regions\nslides/s0.tif,areas.geojson\n")
    list(cohort.init(tmp_path / "list.csv", tmp_path / "study", settings))

    list(cohort.run(tmp_path / "study", device="torch-cpu"))

    slides_table, regions = cohort.tables_of(cohort.open_project(tmp_path / "study"))
    assert list(regions["region"]) == ["core", "margin"]
    assert regions["nuclei"].sum() == slides_table["nuclei"][0] > 0
    assert regions["mm2"][0] == pytest.approx(80 * 190 * 0.25e-6, rel=0.05)


def test_sessions_hold_the_nuclei_and_what_people_said_outlives_a_new_run(study: Path, worked: Worked) -> None:
    from nucloop.session import Session

    change(study, sessions=True)
    worked()
    path = study / "sessions" / "s0.tif.nucloop"
    with Session.open(path, author="Dr A") as session:
        ids = session.ids()
        session.set_class(ids[:3], 1, force=True)
        session.delete(ids[3:5])
        left = len(session)
    change(study, threshold=0.6)

    assert not [step.sentence for step in worked() if step.sentence]

    document = read_session(path)
    assert len(document.nuclei) == left
    assert document.nuclei.human.sum() == 3


def test_the_density_map_is_read_as_a_slide_reader_expects_it(study: Path, worked: Worked) -> None:
    import tifffile

    worked()
    [folder] = (study / "results").glob("s0.*")
    with tifffile.TiffFile(folder / "density.ome.tif") as file:
        assert file.is_ome
        pixels = file.asarray()
        assert 'PhysicalSizeX="32.0"' in file.ome_metadata
    figures = json.loads((folder / "slide.json").read_text())
    assert pixels.shape == (4, 3, 4) if len(figures["counts"]) == 3 else pixels.shape[1:] == (3, 4)
    assert pixels[0].sum() * (0.032**2) == pytest.approx(figures["nuclei"])
    with open_slide(study.parent / "slides" / "s0.tif") as slide:
        assert slide.mpp == pytest.approx(0.5)
