from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.cohort.conftest import states, write_slide

from nucloop import cohort
from nucloop.cohort.slide_entry import SlideEntry, read_slides, write_slides
from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_folder_gives_its_slides_and_those_of_its_folders_each_a_name_of_its_own(
    slides: Path, tmp_path: Path
) -> None:
    (slides / "more").mkdir()
    write_slide(slides / "more" / "s0.tif", 9)
    (slides / "notes.txt").write_text("no slide")

    list(cohort.init(slides, tmp_path / "study"))

    found = {one.id: one for one in cohort.open_project(tmp_path / "study").slides}
    assert sorted(found) == ["more_s0.tif", "s0.tif", "s1", "s2", "s3"]
    assert found["s1"].mpp == pytest.approx(0.5)
    assert (found["s1"].height, found["s1"].width) == (192, 224)
    assert len(found["s1"].sha256) == 64


def test_a_list_says_patient_resolution_and_labels(slides: Path, tmp_path: Path) -> None:
    lines = "slide,patient,mpp,grade\nslides/s0.tif,P1,0.4,high\nslides/s1.tif,P2,,low\n"
    (tmp_path / "list.csv").write_text(lines)

    list(cohort.init(tmp_path / "list.csv", tmp_path / "study"))

    first, second = cohort.open_project(tmp_path / "study").slides
    assert (first.patient, first.mpp, first.labels) == ("P1", 0.4, {"grade": "high"})
    assert (second.patient, second.labels) == ("P2", {"grade": "low"})
    assert second.mpp == pytest.approx(0.5)


def test_a_slide_that_cannot_be_opened_is_kept_with_the_sentence_that_says_why(slides: Path, tmp_path: Path) -> None:
    (slides / "s1.tif").write_bytes(b"II*\0rubbish")

    list(cohort.init(slides, tmp_path / "study"))

    broken = cohort.open_project(tmp_path / "study").slides[1]
    assert "s1.tif" in broken.trouble
    assert states(tmp_path / "study") == {
        "s0": "not started", "s1": "failed", "s2": "not started", "s3": "not started"
    }  # fmt: skip


def test_a_slide_without_a_resolution_gets_the_one_that_a_person_says(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")

    [(silent, _)] = cohort.init(tmp_path, tmp_path / "one")
    [(told, _)] = cohort.init(tmp_path, tmp_path / "two", mpp=0.25)

    assert "--mpp" in silent.trouble
    assert (told.trouble, told.mpp) == ("", 0.25)


@pytest.mark.parametrize(
    ("text", "word"),
    [("path\na.tif\n", "column slide"), ("slide,mpp\na.tif,fine\n", "fine"), ("slide,bytes\na.tif,3\n", "bytes")],
)
def test_a_list_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "list.csv").write_text(text)

    with pytest.raises(DataError, match=word):
        list(cohort.init(tmp_path / "list.csv", tmp_path / "study"))


def test_an_address_is_read_as_a_file_is(slides: Path, tmp_path: Path, settings: cohort.CohortSettings) -> None:
    (tmp_path / "list.txt").write_text(f"file://{slides / 's0.tif'}\n{slides / 's0.tif'}\nfile://{slides}/gone.tif\n")
    list(cohort.init(tmp_path / "list.txt", tmp_path / "study", settings))

    steps = list(cohort.run(tmp_path / "study", device="torch-cpu"))

    assert [bool(step.sentence) for step in steps] == [True, False, False]
    assert "gone.tif" in steps[0].sentence
    first, second = cohort.tables_of(cohort.open_project(tmp_path / "study"))[0]["nuclei"][:2]
    assert first == second > 0


def test_init_again_keeps_results_and_takes_new_slides(
    study: Path, slides: Path, worked: Callable[..., list[cohort.Step]]
) -> None:
    worked()
    write_slide(slides / "s9.tif", 9)

    list(cohort.init(slides, study))

    assert states(study) == {"s0": "done", "s1": "done", "s2": "done", "s3": "done", "s9": "not started"}


def test_a_slide_keeps_its_id_and_its_results_where_another_of_its_name_comes(
    study: Path, slides: Path, worked: Callable[..., list[cohort.Step]]
) -> None:
    worked()
    (slides / "more").mkdir()
    write_slide(slides / "more" / "s1.tif", 9)

    for _ in range(2):
        list(cohort.init(slides, study))

        assert states(study) == {"s0": "done", "s1": "done", "s2": "done", "s3": "done", "more_s1.tif": "not started"}


def test_two_slides_cannot_be_given_one_id(slides: Path, tmp_path: Path) -> None:
    (slides / "list.csv").write_text("slide,id\ns0.tif,a b\ns1.tif,a_b\n")
    with pytest.raises(DataError, match="Two slides have the id"):
        list(cohort.init(slides / "list.csv", tmp_path / "other"))


def test_a_list_whose_text_is_no_text_is_refused_in_a_sentence(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "slides.parquet"
    write_slides(path, [SlideEntry(id="s0", path="s0.tif")])
    table = pq.read_table(path)
    ends = np.array([0, 2], np.int32)
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(bytes([0xAC, 0xAC]))])
    pq.write_table(table.set_column(table.schema.get_field_index("id"), "id", broken), path)

    with pytest.raises(DataError, match="missing or damaged"):
        read_slides(path)
