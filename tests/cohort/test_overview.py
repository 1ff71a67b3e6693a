"""How far each slide is, with models and with people: marks, tags, sessions, and what the window's list shows."""

from __future__ import annotations

import io
import json
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from tests.cohort.conftest import Outcome, write_slide

from nucloop import cohort
from nucloop.classes import ClassScheme
from nucloop.cohort.background import Orders, main
from nucloop.cohort.marks import mark_slides, read_marks, tag_slides
from nucloop.cohort.overview import Overview, Stage, overviews
from nucloop.cohort.project import project_folder
from nucloop.cohort.sessions import session_of
from nucloop.errors import DataError
from nucloop.nuclei import Nuclei
from nucloop.session import Session, SlideIdentity, session_path
from nucloop.session.glance import glance_at
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEME = ClassScheme.named("brca-m2c")


def listed(study: Path) -> dict[str, Overview]:
    """What is known in the end."""
    found: dict[str, Overview] = {}
    for slides in overviews(cohort.open_project(study)):
        found |= {one.entry.id: one for one in slides}
    return found


def stages(study: Path) -> dict[str, str]:
    return {name: one.stage.value for name, one in listed(study).items()}


def session(study: Path, slide: str, *, author: str = "Ana", where: Path | None = None) -> Session:
    """Open or begin the session of a slide as the window does."""
    project = cohort.open_project(study)
    entry = next(one for one in project.slides if one.id == slide)
    with open_slide(entry.path) as opened:
        place = where or session_of(project, entry)
        return Session.open(place, slide=SlideIdentity.of(opened), scheme=SCHEME, author=author)


def found(places: list[tuple[float, float]]) -> Nuclei:
    return Nuclei.from_points(SCHEME, places, label=[0] * len(places), score=[0.9] * len(places))


def test_a_slide_goes_from_not_started_by_detected_and_in_review_to_done(
    study: Path, worked: Callable[..., list[cohort.Step]]
) -> None:
    assert stages(study) == dict.fromkeys(("s0", "s1", "s2", "s3"), "not started")
    worked(only=["s0", "s1"])
    assert stages(study) == {"s0": "detected", "s1": "detected", "s2": "not started", "s3": "not started"}
    project = cohort.open_project(study)

    mark_slides(project, ["s1", "s2"], "in review", "Ana")
    mark_slides(project, ["s1"], "done", "Ben")

    assert stages(study) == {"s0": "detected", "s1": "done", "s2": "in review", "s3": "not started"}
    assert [(one.by, bool(one.mark.when)) for one in listed(study).values()] == [
        ("", False), ("Ben", True), ("Ana", True), ("", False),
    ]  # fmt: skip
    mark_slides(project, ["s1", "s2"], "", "Ana")
    assert stages(study) == {"s0": "detected", "s1": "detected", "s2": "not started", "s3": "not started"}


def test_corrections_in_a_session_make_a_slide_in_review_by_who_corrected_last(study: Path) -> None:
    with session(study, "s1") as opened:
        opened.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 2.0).add(found([(20, 90), (50, 90)]))
        # a run alone is nobody's word, whoever began it
        assert stages(study)["s1"] == "detected"
        opened.set_class([1], 1)
    with session(study, "s1", author="Ben") as opened:
        opened.confirm([2])
        # while it is open, too
        assert listed(study)["s1"].session.readers == ("Ben", "Ana")
    assert (stages(study)["s1"], listed(study)["s1"].by) == ("in review", "Ben")
    assert stages(study)["s0"] == "not started"


def test_a_look_at_a_session_makes_no_file_and_survives_any_file(study: Path, tmp_path: Path) -> None:
    with session(study, "s0") as opened:
        opened.add([(30.0, 100.0)], 0)
        path = opened.path
    assert path is not None
    before = sorted(one.name for one in path.parent.iterdir())
    glance = glance_at(path)
    assert glance is not None
    assert glance.readers == ("Ana",)
    assert sorted(one.name for one in path.parent.iterdir()) == before
    for content in (b"", b"no session", path.read_bytes()[:3000]):
        (tmp_path / "odd.nucloop").write_bytes(content)
        assert glance_at(tmp_path / "odd.nucloop") is None
    assert glance_at(tmp_path / "none.nucloop") is None


def test_a_session_that_was_there_beside_its_slide_goes_on_where_it_is_also_in_a_run(
    slides: Path, settings: cohort.CohortSettings, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    list(cohort.init(slides, study, cohort.CohortSettings(**{**settings.to_dict(), "sessions": True})))
    with session(study, "s0", where=session_path(slides / "s0.tif")) as opened:
        opened.add([(3.0, 3.0)], 2)
    list(cohort.run(study, device="torch-cpu", only=["s0", "s1"]))

    assert sorted(one.name for one in (study / "sessions").glob("*.nucloop")) == ["s1.tif.nucloop"]
    with Session.open(session_path(slides / "s0.tif"), read_only=True) as opened:
        assert len(opened) > 1
        assert opened.labels([1]).tolist() == [2]
        assert opened.spoken_by("Ana").tolist() == [1]
    assert stages(study)["s0"] == "in review"


def test_slides_whose_files_have_one_name_have_sessions_of_their_own(
    settings: cohort.CohortSettings, tmp_path: Path
) -> None:
    for patient in ("p1", "p2"):
        (tmp_path / "slides" / patient).mkdir(parents=True)
        write_slide(tmp_path / "slides" / patient / "HE.tif", int(patient[1:]))
    study = tmp_path / "study"
    list(cohort.init(tmp_path / "slides", study, cohort.CohortSettings(**{**settings.to_dict(), "sessions": True})))
    steps = list(cohort.run(study, device="torch-cpu"))

    assert [step.sentence for step in steps] == ["", ""]
    project = cohort.open_project(study)
    places = [session_of(project, entry) for entry in project.slides]
    assert len(set(places)) == 2
    assert all(place.exists() for place in places)
    assert [one.sentence for one in listed(study).values() if "open" in one.sentence] == []


def test_tags_are_added_and_taken_off_and_outlive_marks(study: Path) -> None:
    project = cohort.open_project(study)
    tag_slides(project, ["s0", "s1"], ["to discuss", "  pale  stain "])
    tag_slides(project, ["s1"], ["to discuss", "fold"], ["pale stain"])
    mark_slides(project, ["s1"], "done", "Ana")
    assert {name: mark.tags for name, mark in read_marks(project).items()} == {
        "s0": ("to discuss", "pale stain"),
        "s1": ("to discuss", "fold"),
    }
    (study / "marks" / "s1.json").write_text('{"slide": 3')
    (study / "marks" / "s0.json").write_text('{"slide": "s0", "tags": 7}')
    assert read_marks(project) == {}


def test_what_cannot_be_kept_is_said(study: Path) -> None:
    (study / "marks").write_text("a file where a folder should be")
    with pytest.raises(DataError, match="Cannot write"):
        mark_slides(cohort.open_project(study), ["s0"], "done", "Ana")


def test_a_result_that_is_damaged_is_failed_in_the_list_as_in_the_table(
    study: Path, worked: Callable[..., list[cohort.Step]]
) -> None:
    worked(only=["s0"])
    (result,) = (study / "results").iterdir()
    (result / "slide.json").write_text("{")
    one = listed(study)["s0"]
    assert one.stage is Stage.FAILED
    assert "damaged" in one.sentence


def test_figures_that_are_known_are_not_read_again(study: Path, worked: Callable[..., list[cohort.Step]]) -> None:
    worked(only=["s0"])
    (result,) = (study / "results").iterdir()
    (result / "slide.json").unlink()
    project = cohort.open_project(study)
    first, *_ = overviews(project, {result.name: {"nuclei": 7}})
    assert [one.row for one in first if one.entry.id == "s0"] == [{"nuclei": 7}]


def test_a_project_is_found_by_anything_in_it(study: Path) -> None:
    for inside in (study, study / "project.yaml", study / "results", study / "results" / "s0.123" / "slide.json"):
        assert project_folder(inside) == study
    assert project_folder(study.parent) == study.parent


class Listening:
    """Standard input whose second line comes when it is given."""

    def __init__(self, orders: Orders) -> None:
        self.lines = [orders.line().decode()]
        self.given = threading.Event()

    def readline(self) -> str:
        if self.lines:
            return self.lines.pop()
        self.given.wait(60)
        return ""


def test_a_run_in_the_background_tells_each_step_and_leaves_table_and_report(study: Path) -> None:
    told = io.StringIO()
    given = Listening(Orders(str(study), ["s0", "s2"], 0, "torch-cpu"))
    main(given, told)
    steps = [json.loads(line) for line in told.getvalue().splitlines()]
    assert [one["step"]["slide"] for one in steps[:-1]] == ["s0", "s2"]
    assert (study / "report.html").exists()
    assert stages(study) == {"s0": "detected", "s1": "not started", "s2": "detected", "s3": "not started"}


def test_a_run_in_the_background_ends_when_who_began_it_has_gone(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nucloop.cohort import background

    begun = threading.Event()

    def endless(*_: object, **__: object) -> object:
        while True:
            begun.set()
            threading.Event().wait(0.01)
            yield from ()

    monkeypatch.setattr(background, "run", endless)
    given, told = Listening(Orders(str(study), None, 0)), io.StringIO()
    threading.Thread(target=lambda: (begun.wait(60), given.given.set()), daemon=True).start()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as where a script has opened the window in the background
    try:
        main(given, told)
    finally:
        signal.signal(signal.SIGINT, before)
    assert json.loads(told.getvalue()) == {"stopped": True}


def test_what_stops_a_run_in_the_background_is_a_sentence(tmp_path: Path) -> None:
    given, told = Listening(Orders(str(tmp_path / "none"), None, 0)), io.StringIO()
    main(given, told)
    assert "no project.yaml" in json.loads(told.getvalue())["fault"]


def test_what_people_said_stands_in_the_table_and_in_the_status(
    slides: Path, tmp_path: Path, nucloop: Callable[..., Outcome]
) -> None:
    study = tmp_path / "study"
    # labels of the list that are called as columns of the table lost what they said
    rows = [f"s{number}.tif,{stain},{tags}" for number, stain, tags in ((0, "H&E", "old"), (1, "Giemsa", ""))]
    (slides / "list.csv").write_text("\n".join(["slide,state,tags", *rows]))
    list(cohort.init(slides / "list.csv", study))
    project = cohort.open_project(study)
    mark_slides(project, ["s1"], "done", "Ada")
    tag_slides(project, ["s1"], ["[/hot]"], [])

    table = cohort.tables_of(project)[0].set_index("id")
    assert table.loc["s1", ["marked", "marked_by", "tags"]].tolist() == ["done", "Ada", "[/hot]"]
    assert table.loc["s0", ["marked", "marked_by", "tags"]].tolist() == ["", "", ""]
    assert table["state"].tolist() == ["not started"] * 2
    assert table["state in the list"].tolist() == ["H&E", "Giemsa"]
    assert table["tags in the list"].fillna("").tolist() == ["old", ""]
    assert "said by people: 1 done" in nucloop("cohort", "status", study).out
    [row] = [line for line in nucloop("cohort", "status", study, "--all").out.splitlines() if "s1" in line]
    assert [word in row for word in ("not started", "done, Ada", "[/hot]")] == [True] * 3
