from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.session.conftest import SCHEME, SLIDE, Opens

from nucloop.session import (
    DamagedSession,
    NewerSession,
    NotKept,
    OtherSlide,
    PlaceNotWritable,
    Session,
    SessionError,
    SessionInUse,
    SlideIdentity,
    session_path,
)
from nucloop.slides import open_slide, slide_from_array

if TYPE_CHECKING:
    from collections.abc import Callable


def other(**changes: object) -> SlideIdentity:
    return SlideIdentity(replace(SLIDE.info, name="b.svs", **changes), SLIDE.file_bytes)


def test_a_session_lies_beside_its_slide_or_in_a_folder(tmp_path: Path) -> None:
    assert session_path(tmp_path / "a.svs") == tmp_path / "a.svs.nucloop"
    assert session_path(tmp_path / "a.svs", tmp_path / "new") == tmp_path / "new" / "a.svs.nucloop"


def test_a_slide_on_disk_gets_a_session_of_its_own(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((64, 80, 3), np.uint8)).save(tmp_path / "a.png")
    with open_slide(tmp_path / "a.png", mpp=0.25) as slide:
        with Session.for_slide(slide, SCHEME, author="Dr A") as session:
            session.add([[1, 1]])
        with Session.for_slide(slide, SCHEME, folder=tmp_path / "new") as session:
            assert len(session) == 0
        with Session.for_slide(slide, SCHEME) as session:
            assert (session.path, len(session)) == (tmp_path / "a.png.nucloop", 1)
            assert session.slide == SlideIdentity.of(slide)


def test_an_array_has_a_session_in_memory() -> None:
    slide = slide_from_array(np.zeros((64, 80, 3), np.uint8), mpp=0.25)
    with Session.for_slide(slide, SCHEME) as session:
        session.add([[1, 1]])
        session.undo()
        assert (session.path, session.read_only, len(session)) == (None, False, 0)


def test_where_there_is_no_session_a_slide_is_needed_to_begin_one(path: Path) -> None:
    with pytest.raises(SessionError, match="There is no session"):
        Session.open(path)
    assert not path.exists()


def test_an_existing_session_keeps_its_classes(opened: Opens, path: Path) -> None:
    opened().remove_class("stroma")
    opened().close()
    with Session.open(path, slide=SLIDE, scheme=SCHEME) as session:
        assert session.scheme.names == ("lymphocyte", "tumour")


@pytest.mark.parametrize(
    ("slide", "reason"),
    [
        (other(height=4001), "4,000 x 5,000 pixels, this one 4,001 x 5,000"),
        (other(sha256="cd" * 32), "the files begin differently"),
        (other(sha256=None, mpp=0.5), "0.25 µm per pixel, this one 0.5"),
        (SlideIdentity(SLIDE.info, 99), "1,234 bytes, this one 99"),
    ],
)
def test_the_session_of_another_slide_is_refused_and_stays_as_it_is(
    session: Session, path: Path, slide: SlideIdentity, reason: str
) -> None:
    session.add([[1, 1]])
    session.close()
    before = path.read_bytes()
    with pytest.raises(OtherSlide, match=r"belongs to the slide a\.svs") as error:
        Session.open(path, slide=slide)
    assert reason in str(error.value)
    assert path.read_bytes() == before


def test_a_person_can_say_that_it_is_the_same_slide(session: Session, path: Path) -> None:
    session.close()
    renamed = other(sha256="cd" * 32)
    Session.open(path, slide=renamed, adopt=True).close()
    with Session.open(path, slide=renamed) as session:
        assert session.slide == renamed


def test_the_same_slide_with_another_resolution_said_by_a_person_is_the_same() -> None:
    assert SLIDE.difference(other(mpp=0.5)) is None
    assert SLIDE.difference(other(mpp=None, sha256=None)) is None


def test_another_resolution_moves_no_nucleus_and_is_kept(session: Session, opened: Opens) -> None:
    session.add([[10, 20]])
    session.set_resolution(0.125)
    assert session.slide.info.mpp == 0.125
    session.undo()
    session.redo()
    session.close()
    again = opened()
    assert again.slide.info.mpp == 0.125
    assert again.positions([1]).tolist() == [[10, 20]]


def test_a_second_window_is_told_who_has_the_session_and_may_look(session: Session, path: Path) -> None:
    session.add([[1, 1]])
    with pytest.raises(SessionInUse, match=f"open in another window or program, of .* \\(process {os.getpid()}"):
        Session.open(path, slide=SLIDE)
    with Session.open(path, slide=SLIDE, read_only=True) as second:
        assert len(second) == 1
        with pytest.raises(SessionError, match="open read-only, so nothing was changed"):
            second.add([[2, 2]])


def test_a_second_window_catches_up_with_the_first(session: Session, path: Path) -> None:
    with Session.open(path, read_only=True) as second:
        heard: list[object] = []
        second.subscribe(heard.append)
        session.add([[1, 1]], 1)
        session.author = "Dr B"
        session.delete([1])
        session.undo()
        assert second.refresh() == 3
        assert second.refresh() == 0
        assert (second.counts, second.readers, len(heard)) == (session.counts, ("Dr A", "Dr B"), 3)


def test_another_process_is_refused_until_the_session_is_closed(session: Session, path: Path) -> None:
    program = "import sys; from nucloop.session import Session; Session.open(sys.argv[1]).close()"

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    refused = run()
    session.close()
    assert "SessionInUse" in refused.stderr
    assert run().returncode == 0


def test_a_closed_session_takes_no_edit(session: Session) -> None:
    session.close()
    session.close()
    with pytest.raises(SessionError, match="is closed, so nothing was changed"):
        session.add([[1, 1]])


def test_a_full_disk_undoes_nothing_and_the_same_edit_works_when_there_is_room(session: Session, opened: Opens) -> None:
    session.add([[1, 1]], 0)
    heard: list[object] = []
    session.subscribe(heard.append)
    connection = session.ledger.journal.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    many = np.random.default_rng(0).uniform(0, 4000, (20_000, 2))

    with pytest.raises(NotKept, match=r"The edit was not done, because the disk is full.* Nothing done before is lost"):
        session.add(many, 1)

    assert (len(session), session.counts["tumour"], heard) == (1, 0, [])
    assert session.in_box(0, 0, 4000, 4000).tolist() == [1]
    connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert session.add(many, 1).added[0] == 2
    session = opened()
    assert len(session) == 20_001


def test_a_new_readers_first_edit_that_is_not_kept_enters_no_reader(session: Session) -> None:
    session.add([[1, 1]])
    connection = session.ledger.journal.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    session.author = "Dr B"
    with pytest.raises(NotKept):
        session.add(np.random.default_rng(0).uniform(0, 4000, (20_000, 2)))
    assert session.readers == ("Dr A",)


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "slides"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        # nothing is read-only to root but what the system makes so
        folder = Path("/proc")
        if not folder.is_dir():
            pytest.skip("this account can write everywhere")
    return folder


def test_a_read_only_folder_is_named_together_with_a_place_to_go(read_only_folder: Path) -> None:
    with pytest.raises(PlaceNotWritable, match=r"is read-only\. Keep the session in another folder, such as") as error:
        Session.open(read_only_folder / "a.svs.nucloop", slide=SLIDE, scheme=SCHEME)
    assert str(error.value.elsewhere) in str(error.value)


def test_a_session_in_a_read_only_folder_can_be_looked_at(session: Session, path: Path) -> None:
    session.add([[1, 1]])
    session.close()
    path.parent.chmod(0o555)
    try:
        with Session.open(path, slide=SLIDE, read_only=True) as looked:
            assert len(looked) == 1
    finally:
        path.parent.chmod(0o755)


def test_a_newer_session_is_left_alone(session: Session, path: Path) -> None:
    session.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerSession, match=r"written by a newer NucLoop .* Update NucLoop"):
        Session.open(path)


def scribble(path: Path) -> None:
    path.write_bytes(b"not a session at all" * 500)


def foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.commit()
    connection.close()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:-4096:7] = os.urandom(len(data[4096:-4096:7]))
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [scribble, foreign, cut, flip])
def test_a_damaged_session_is_said_to_be_and_not_written_to(
    session: Session, path: Path, damage: Callable[[Path], None]
) -> None:
    session.add(np.random.default_rng(0).uniform(0, 4000, (5000, 2)))
    session.close()
    damage(path)
    before = path.read_bytes()
    with pytest.raises(DamagedSession, match=r"a\.svs\.nucloop is damaged .* Put a copy from your backup"):
        Session.open(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_session(path: Path) -> None:
    path.touch()
    with Session.open(path, slide=SLIDE, scheme=SCHEME) as session:
        session.add([[1, 1]])
    with Session.open(path) as session:
        assert len(session) == 1


def test_a_copy_taken_while_the_session_is_open_opens(session: Session, path: Path, tmp_path: Path) -> None:
    session.add([[1, 1]])
    (tmp_path / "crash").mkdir()
    for file in path.parent.glob(path.name + "*"):
        shutil.copy(file, tmp_path / "crash")
    with Session.open(tmp_path / "crash" / path.name) as copy:
        assert len(copy) == 1


def test_small_things_are_remembered_and_heads_kept(session: Session, opened: Opens) -> None:
    session.remember("regions", [[[0, 0], [0, 9], [9, 9]]])
    sha256 = session.keep_weights(b"a head")
    session = opened()
    assert session.recall("regions") == [[[0, 0], [0, 9], [9, 9]]]
    assert session.recall("nothing", 5) == 5
    assert session.kept_weights(sha256) == b"a head"
    assert session.kept_weights("00") is None
    assert session.undoable is None
