"""The Project dock: a cohort's slides as a list, opened with their sessions, run in the background, marked."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from tests.cli.conftest import weights
from tests.cohort.conftest import write_slide
from tests.gui.conftest import LONG_MS, press

from nucloop import cohort
from nucloop.classes import ClassScheme
from nucloop.cohort.marks import mark_slides, read_marks
from nucloop.cohort.overview import Stage
from nucloop.cohort.result import result_folder
from nucloop.cohort.writing import Found, write_result
from nucloop.gui.canvas.docks import open_project_dock
from nucloop.gui.canvas.view import image_layers
from nucloop.gui.correct.keys import COMMANDS
from nucloop.gui.project.slide_model import OVERVIEW
from nucloop.gui.project.slide_opening import MOST_OPEN
from nucloop.gui.project.thumbnails import MOST_KEPT, Thumbnails
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.nuclei import Nuclei
from nucloop.session import Session, session_path
from nucloop.slides import open_slide
from nucloop.slides.tissue import map_tissue

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari
    from pytestqt.qtbot import QtBot

    from nucloop.gui.project.project_dock import ProjectDock

__all__ = ["weights"]

pytestmark = pytest.mark.gui
SCHEME = ClassScheme.named("brca-m2c")
PLACES = [(20.0, 80.0), (20.0, 120.0), (60.0, 80.0), (60.0, 120.0), (100.0, 90.0), (140.0, 90.0)]
CTRL = Qt.KeyboardModifier.ControlModifier


def write_found(study: Path, counts: dict[str, int]) -> None:
    """Leave results as a run does, each with so many nuclei."""
    project = cohort.open_project(study)
    for state in cohort.states_of(project):
        entry = state.entry
        if entry.id in counts:
            n = counts[entry.id]
            nuclei = Nuclei.from_points(SCHEME, PLACES[:n], label=np.arange(n) % 3, score=np.full(n, 0.9)).numbered()
            with open_slide(entry.path, mpp=entry.mpp) as slide:
                found = Found(slide, map_tissue(slide), nuclei, (), {"detector": {"name": "test", "sha256": "0" * 64}})
                write_result(result_folder(project.results, entry.id, state.key), entry, project.settings, found)


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    """Six slides, two of which are of one patient; one cannot be opened."""
    folder = tmp_path / "slides"
    folder.mkdir()
    for number in range(1, 6):
        write_slide(folder / f"s{number}.tif", number)
    (folder / "s10.tif").write_bytes(b"II*\0 nothing that is whole")
    rows = [f"s{k}.tif,p{(k + 1) // 2},{'liver' if k % 2 else 'lung'}" for k in (1, 2, 3, 4, 5, 10)]
    (folder / "list.csv").write_text("\n".join(["slide,patient,organ", *rows]))
    return folder


@pytest.fixture
def study(slides: Path, tmp_path: Path) -> Path:
    """A cohort of them, as the command line makes it; three are done."""
    study = tmp_path / "study"
    list(cohort.init(slides / "list.csv", study, cohort.CohortSettings(sessions=True)))
    write_found(study, {"s1": 4, "s2": 6, "s3": 2})
    return study


class Desk:
    """A window with the Project dock."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        viewer.window.resize(1200, 760)
        viewer.window._qt_window.activateWindow()
        self.dock: ProjectDock = open_project_dock(viewer)
        self.parts = self.dock.parts
        self.sessions = OpenSessions.of(viewer)
        qtbot.waitUntil(self.dock.isVisible, timeout=LONG_MS)

    def open(self, path: Path) -> None:
        self.dock.open(path)
        self.rest()

    def rest(self) -> None:
        reading, opening = self.dock.reading, self.dock.opening
        self.wait(lambda: not reading.busy and not opening.busy and not self.dock.following.waiting)
        self.wait(lambda: not self.dock.bringing.busy)
        self.wait(lambda: not self.dock.counting.waiting)

    def wait(self, until: Any) -> None:
        self.qtbot.waitUntil(until, timeout=LONG_MS)

    def rows(self) -> list[str]:
        """Names as a person reads them, from above."""
        model = self.parts.model
        return [str(model.data(model.index(row, 0))) for row in range(model.rowCount())]

    def cell(self, slide: str, name: str) -> str:
        model = self.parts.model
        row, column = model.row_of(slide), [one.name for one in model.columns].index(name)
        assert row is not None
        return str(model.data(model.index(row, column)))

    def place(self, slide: str) -> Any:
        row = self.parts.model.row_of(slide)
        return self.parts.rows.visualRect(self.parts.model.index(row, 0)).center()

    def click(self, slide: str, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
        self.qtbot.mouseClick(self.parts.rows.viewport(), Qt.MouseButton.LeftButton, modifiers, self.place(slide))

    def double_click(self, slide: str) -> None:
        self.click(slide)
        self.qtbot.mouseDClick(self.parts.rows.viewport(), Qt.MouseButton.LeftButton, pos=self.place(slide))
        self.seen(slide)

    def seen(self, slide: str) -> None:
        """Wait until a slide is on screen."""
        self.wait(lambda: self.parts.model.current == slide)
        self.rest()

    def key(self, key: Qt.Key, modifiers: Any = CTRL) -> None:
        canvas = self.viewer.window._qt_viewer.canvas.native
        self.qtbot.keyClick(canvas, key, modifiers)

    @property
    def said(self) -> str:
        self.rest()
        return self.parts.messages.text.replace("\u200b", "")


@pytest.fixture
def desk(correct_viewer: napari.Viewer, qtbot: QtBot) -> Iterator[Desk]:
    """A window with an empty Project dock."""
    found = Desk(correct_viewer, qtbot)
    found.dock.correcting.set_keys({command.name: command.key for command in COMMANDS})
    found.parts.filter.words.clear()
    found.parts.filter.stages.setCurrentIndex(0)
    found.parts.filter.tags.setCurrentIndex(0)
    found.dock._filter()
    found.parts.rows.sort_by(-1, Qt.SortOrder.AscendingOrder)
    yield found
    found.dock.opening.close()
    correct_viewer.layers.clear()


def test_the_list_is_that_of_the_cohort_with_its_states_and_counts(desk: Desk, study: Path) -> None:
    desk.open(study)
    assert desk.rows() == [one.entry.id for one in cohort.states_of(cohort.open_project(study))]
    assert [desk.cell(one, "stage") for one in desk.rows()] == [*["detected"] * 3, *["not started"] * 2, "failed"]
    assert [desk.cell(one, "nuclei") for one in ("s1", "s2", "s3", "s4")] == ["4", "6", "2", ""]
    table, _ = cohort.tables_of(cohort.open_project(study))
    for name in (one for one in table.columns if one.startswith("n_")):
        assert desk.cell("s2", name) == str(int(table.set_index("id").loc["s2", name]))
    assert "no complete TIFF" in desk.cell("s10", "remarks")
    assert (desk.cell("s1", "patient"), desk.cell("s2", "label organ")) == ("p1", "lung")
    assert desk.parts.count.text() == "6 slides: 2 not started, 1 failed, 3 detected"
    assert desk.parts.name.text() == "study"


def test_a_project_opens_by_its_results_too_and_what_is_none_is_said(desk: Desk, study: Path) -> None:
    desk.open(study / "results")
    assert len(desk.rows()) == 6
    desk.open(study.parent)
    assert "no project.yaml" in desk.said
    # the one before stays
    assert len(desk.rows()) == 6


def test_pictures_come_for_the_rows_on_screen_and_only_some_are_kept(desk: Desk, study: Path) -> None:
    desk.open(study)
    model = desk.parts.model
    # those of the rows that are painted come by themselves
    desk.wait(lambda: not desk.parts.thumbnails.busy and len(desk.parts.thumbnails) > 0)

    def pictures() -> list[Any]:
        return [model.data(model.index(row, 0), Qt.ItemDataRole.DecorationRole) for row in range(6)]

    desk.wait(lambda: len(pictures()) == 6 and not desk.parts.thumbnails.busy)
    assert [picture is not None for picture in pictures()] == [True] * 5 + [False]

    thumbnails = Thumbnails(desk.dock)
    one = model.shown[0]
    for number in range(MOST_KEPT + 20):
        named = replace(one, state=replace(one.state, entry=replace(one.entry, id=f"x{number}")))
        thumbnails.of(named)
        desk.wait(lambda: not thumbnails.busy) if number % 40 == 39 else None
    desk.wait(lambda: not thumbnails.busy)
    assert 0 < len(thumbnails) <= MOST_KEPT


def test_a_double_click_opens_the_slide_with_what_the_run_has_found_in_the_project_s_session(
    desk: Desk, study: Path, slides: Path
) -> None:
    desk.open(study)
    desk.double_click("s2")
    nuclei = desk.sessions.active
    assert nuclei is not None
    assert (nuclei.image.name, len(nuclei.session)) == ("s2.tif", 6)
    assert nuclei.session.path == session_path("s2.tif", study / "sessions")
    assert not session_path(slides / "s2.tif").exists()
    assert desk.viewer.layers.selection.active is nuclei.layer

    # corrected, closed, opened again
    nuclei.session.author = "Ana"
    nuclei.session.set_class([1], 2)
    assert (desk.cell("s2", "stage"), desk.cell("s2", "by")) == ("in review", "Ana")
    desk.viewer.layers.clear()
    desk.rest()
    assert desk.parts.model.current == ""
    desk.double_click("s2")
    assert desk.sessions.active.session.labels([1]).tolist() == [2]
    # and in another window
    desk.open(study)
    assert (desk.cell("s2", "stage"), desk.cell("s2", "by")) == ("in review", "Ana")


def test_keys_lead_through_the_list_as_it_is_sorted_and_filtered_and_can_be_changed(desk: Desk, study: Path) -> None:
    desk.open(study)
    desk.parts.rows.sort_by(0, Qt.SortOrder.DescendingOrder)
    assert desk.rows() == ["s10", "s5", "s4", "s3", "s2", "s1"]
    desk.qtbot.keyClicks(desk.parts.filter.words, "p2")
    assert desk.rows() == ["s4", "s3"]
    desk.key(Qt.Key.Key_PageDown)
    desk.seen("s4")
    desk.key(Qt.Key.Key_PageDown)
    desk.seen("s3")
    assert desk.parts.rows.selected == ["s3"]
    desk.key(Qt.Key.Key_PageDown)
    assert "last slide" in desk.said
    desk.key(Qt.Key.Key_PageUp)
    desk.seen("s4")

    desk.dock.correcting.set_keys({**desk.dock.correcting.keys, "next slide": "Ctrl+J"})
    desk.key(Qt.Key.Key_PageDown)
    desk.rest()
    assert desk.parts.model.current == "s4"
    desk.key(Qt.Key.Key_J)
    desk.seen("s3")
    assert "J" in desk.parts.bar.forth.toolTip()


def test_keys_begin_at_the_first_slide_of_another_project(
    desk: Desk, study: Path, slides: Path, tmp_path: Path
) -> None:
    desk.open(study)
    desk.double_click("s4")
    desk.viewer.layers.clear()
    list(cohort.init(slides / "list.csv", tmp_path / "other", cohort.CohortSettings(sessions=True)))
    desk.open(tmp_path / "other")
    desk.key(Qt.Key.Key_PageDown)
    desk.seen("s1")
    assert desk.parts.rows.selected == ["s1"]


def test_done_and_next_by_one_key_with_the_reader_s_name(desk: Desk, study: Path) -> None:
    desk.open(study)
    desk.sessions.set_author("Ben")
    desk.double_click("s1")
    desk.key(Qt.Key.Key_Return)
    desk.seen("s2")
    assert (desk.cell("s1", "stage"), desk.cell("s1", "by")) == ("done", "Ben")
    assert {name: (mark.state, mark.by) for name, mark in read_marks(cohort.open_project(study)).items()} == {
        "s1": ("done", "Ben")
    }
    desk.sessions.set_author("")


def test_slides_that_were_left_are_closed_and_their_sessions_are_kept(desk: Desk, study: Path) -> None:
    desk.open(study)
    for slide in ("s1", "s2", "s3", "s4", "s5"):
        desk.double_click(slide)
        if slide == "s1":
            desk.sessions.active.session.confirm([1])
    assert [image.name for image in image_layers(desk.viewer)] == ["s5.tif", "s4.tif", "s3.tif"][:MOST_OPEN]
    with Session.open(session_path("s1.tif", study / "sessions"), read_only=True) as session:
        assert len(session.history()) == 2


def test_selected_slides_are_marked_and_tagged_filtered_and_what_is_shown_is_exported(
    desk: Desk, study: Path, tmp_path: Path
) -> None:
    desk.open(study)
    desk.click("s1")
    desk.click("s3", CTRL)
    press(desk.qtbot, desk.parts.bar.done)
    desk.dock.work.tag(desk.parts.rows.selected, ["=hot"], [])
    desk.rest()
    assert [desk.cell(one, "stage") for one in ("s1", "s2", "s3")] == ["done", "detected", "done"]
    assert desk.parts.count.text() == "6 slides: 2 not started, 1 failed, 1 detected, 2 done"

    stages = desk.parts.filter.stages
    stages.setCurrentIndex(stages.findData(Stage.DONE))
    stages.activated.emit(stages.currentIndex())
    assert desk.rows() == ["s1", "s3"]
    desk.parts.rows.sort_by([one.name for one in desk.parts.model.columns].index("nuclei"), Qt.SortOrder.AscendingOrder)
    assert desk.rows() == ["s3", "s1"]
    desk.dock.work.export(tmp_path / "table.csv", list(desk.parts.model.shown))
    desk.wait(lambda: not desk.dock.work.exporting)
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["progress"], row["nuclei"], row["tags"]) for row in rows] == [
        ("s3", "done", "2", "'=hot"),
        ("s1", "done", "4", "'=hot"),
    ]
    assert "2 slides" in desk.said


def test_what_another_window_has_said_is_seen_when_the_list_is_looked_at_again(desk: Desk, study: Path) -> None:
    desk.open(study)
    desk.click("s2")
    mark_slides(cohort.open_project(study), ["s1"], "in review", "Cem")
    write_found(study, {"s4": 1})
    desk.parts.menu.look_chosen.emit()
    desk.rest()
    assert (desk.cell("s1", "stage"), desk.cell("s1", "by"), desk.cell("s4", "nuclei")) == ("in review", "Cem", "1")
    assert desk.parts.rows.selected == ["s2"]


def test_a_slide_that_is_gone_is_said_and_the_list_stays(desk: Desk, study: Path, slides: Path) -> None:
    desk.open(study)
    (slides / "s4.tif").unlink()
    desk.click("s4")
    press(desk.qtbot, desk.parts.bar.open)
    desk.wait(lambda: "not where the project says" in desk.parts.messages.text)
    assert not image_layers(desk.viewer)
    desk.double_click("s5")


def test_a_project_that_is_read_only_opens_and_says_where_work_is_kept(
    desk: Desk, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    from nucloop.session.keeping import place

    real = place.writable
    monkeypatch.setattr(place, "writable", lambda folder: study not in (folder, *folder.parents) and real(folder))
    (study / "marks").write_text("as good as no rights: they do not hold for everybody")
    desk.open(study)
    desk.double_click("s1")
    assert "read-only" in desk.said
    assert desk.sessions.active is not None
    assert desk.sessions.active.session.path == home / "NucLoop sessions" / "s1.tif.nucloop"
    assert len(desk.sessions.active.session) == 4
    desk.dock.mark("done", ["s1"])
    assert "Cannot write" in desk.said
    assert desk.cell("s1", "stage") == "detected"


def test_a_run_in_a_process_of_its_own_fills_the_list_and_leaves_a_person_s_work_alone(
    desk: Desk, slides: Path, weights: Path, tmp_path: Path
) -> None:
    study, work = tmp_path / "run", desk.dock.work
    places = {kind: str(weights / f"{kind}.safetensors") for kind in ("detector", "encoder", "head")}
    list(cohort.init(slides / "list.csv", study, cohort.CohortSettings(**places, sessions=True)))
    desk.open(study)
    work.device, work.workers = "torch-cpu", 0
    before = session_path("s1.tif", study / "sessions")
    with open_slide(slides / "s1.tif") as slide, Session.for_slide(slide, SCHEME, folder=before.parent) as session:
        session.add([(30.0, 100.0)], 2)
    desk.double_click("s2")
    desk.double_click("s5")
    assert desk.sessions.active is None

    press(desk.qtbot, desk.parts.run)
    assert desk.parts.progress.isVisible()
    # the window is a person's meanwhile
    desk.double_click("s4")
    desk.wait(lambda: not work.running)
    desk.rest()

    assert [desk.cell(one, "stage") for one in ("s1", "s2", "s3")] == ["in review", "detected", "detected"]
    assert [int(desk.cell(one, "nuclei")) > 0 for one in ("s1", "s2")] == [True, True]
    assert "s10 failed" in desk.said
    assert "no complete TIFF" in desk.said
    # whichever comes last, none takes the place of the other
    for one in ("s2", "s5"):
        assert f"{desk.cell(one, 'nuclei')} to {one}" in desk.said
    assert not desk.parts.progress.isVisible()
    assert (study / "report.html").exists()
    with Session.open(before, read_only=True) as session:
        assert len(session) > 1
        assert session.labels([1]).tolist() == [2]
    # what was found on slides that are open here is in their sessions, too, also where a slide was opened meanwhile
    assert desk.parts.model.current == "s4"
    assert desk.sessions.active is not None
    assert len(desk.sessions.active.session) == int(desk.cell("s4", "nuclei"))
    edits = [edit.kind.value for edit in desk.sessions.active.session.history()]
    assert edits == ["model run"]
    for slide in ("s2", "s5"):
        desk.double_click(slide)
        desk.wait(lambda: desk.sessions.active is not None)
        assert len(desk.sessions.active.session) == int(desk.cell(slide, "nuclei"))
    assert "open in another window" not in "".join(one.sentence for one in desk.dock.reading.slides.values())


def test_a_result_that_a_session_did_not_get_comes_when_the_slide_is_opened_and_only_once(
    desk: Desk, study: Path, slides: Path
) -> None:
    with open_slide(slides / "s2.tif") as slide, Session.for_slide(slide, SCHEME, folder=study / "sessions") as session:
        session.add([PLACES[0]], 2)
    desk.open(study)
    for _ in range(2):
        desk.double_click("s2")
        nuclei = desk.sessions.active
        assert nuclei is not None
        # the nucleus that a person added is the same one
        assert len(nuclei.session) == 6
        assert nuclei.session.labels([1]).tolist() == [2]
        assert [edit.kind.value for edit in nuclei.session.history()] == ["add", "model run"]
        desk.viewer.layers.clear()
        desk.rest()


def test_a_result_that_came_from_elsewhere_while_a_slide_was_open_is_there_when_it_is_chosen_again(
    desk: Desk, study: Path
) -> None:
    desk.open(study)
    desk.double_click("s4")
    assert desk.sessions.active is None
    write_found(study, {"s4": 3})
    desk.dock.reading.look_again()
    desk.wait(lambda: desk.cell("s4", "stage") == "detected")
    for _ in range(2):
        desk.double_click("s4")
        assert desk.sessions.active is not None
        assert len(desk.sessions.active.session) == 3
    assert [edit.kind.value for edit in desk.sessions.active.session.history()] == ["model run"]


def test_a_run_is_stopped_and_says_what_stays(desk: Desk, study: Path) -> None:
    desk.open(study)
    desk.dock.work.workers = 0
    desk.dock.start()
    desk.wait(lambda: desk.parts.progress.isVisible())
    press(desk.qtbot, desk.parts.progress.cancel)
    desk.wait(lambda: not desk.dock.work.running)
    desk.rest()
    assert "Stopped" in desk.said
    assert desk.parts.run.isEnabled()


def test_a_project_is_made_of_a_folder_and_its_slides_can_be_worked_on(
    desk: Desk, slides: Path, tmp_path: Path
) -> None:
    from nucloop.gui.project.new_project import NewProject

    dialog = NewProject("dark", desk.dock)
    desk.qtbot.addWidget(dialog)
    dialog.slides.line.setText(str(slides))
    assert dialog.folder.path == tmp_path / "slides project"
    dialog.slides.line.setText(str(slides / "nowhere"))
    assert "There is no" in dialog.fault.text()
    dialog.slides.line.setText("ä" * 200)
    assert "There is no" in dialog.fault.text()
    dialog.slides.line.setText("~nobody-of-that-name/slides")
    assert "There is no" in dialog.fault.text()
    dialog.slides.line.setText(str(slides / "list.csv"))
    assert dialog.folder.path == slides / "list project"
    desk.dock.work.make(slides / "list.csv", dialog.folder.path, dialog.settings, dialog.resolution)
    desk.wait(lambda: desk.parts.name.text() == "list project")
    desk.rest()
    assert len(desk.rows()) == 6
    assert cohort.open_project(slides / "list project").settings.sessions
    # the same once more is that project, brought up to date
    dialog._check()
    assert "there already" in dialog.fault.text()
    assert dialog.settings is None


def test_a_list_without_slides_is_said(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    desk.dock.work.make(tmp_path / "empty", tmp_path / "p", cohort.CohortSettings(), None)
    desk.wait(lambda: "no slides" in desk.parts.messages.text)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("width", [260, 900])
def test_long_names_fit_and_every_column_is_there_where_there_is_room(
    desk: Desk, slides: Path, tmp_path: Path, width: int
) -> None:
    name = "Plattenepithelkarzinom_" * 8 + "0123456789.tif"
    shutil.copy(slides / "s1.tif", slides / name)
    list(cohort.init(slides, tmp_path / "long", cohort.CohortSettings()))
    mark_slides(cohort.open_project(tmp_path / "long"), [name[:-4]], "done", "Ana " * 40)
    desk.open(tmp_path / "long")
    bar = desk.dock.parentWidget()
    while not hasattr(bar, "setFloating"):
        bar = bar.parentWidget()
    bar.setFloating(True)
    bar.resize(width, 600)
    desk.wait(lambda: desk.dock.width() <= width)
    hidden = [desk.parts.rows.isColumnHidden(k) for k in range(len(desk.parts.model.columns))]
    assert any(hidden) == (width < 560)
    # rows that no longer fit beside each other are laid out anew
    desk.wait(lambda: desk.dock.minimumSizeHint().width() <= 260)
    row = desk.parts.model.row_of(name[:-4])
    assert desk.parts.model.index(row, 0).data(OVERVIEW).by.startswith("Ana Ana")
    bar.setFloating(False)
    QApplication.processEvents()
