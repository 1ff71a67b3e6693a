"""The file of an open session is moved, deleted or replaced; the disk knows no locks."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from tests.session.conftest import SCHEME, SLIDE

from nucloop.errors import SessionError
from nucloop.session import Session, SessionInUse

if TYPE_CHECKING:
    from pathlib import Path

    from tests.session.conftest import Opens


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere.nucloop"))


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    other = path.with_name("other")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE another (thing)")
    os.replace(other, path)


@pytest.mark.parametrize("way", [moved, deleted, replaced])
def test_an_edit_goes_on_in_another_file_with_all_that_was_there_and_it_is_said_at_once(
    session: Session, path: Path, way: object
) -> None:
    said: list[str] = []
    session.when_rescued = said.append
    session.add([[10, 10], [20, 20]], 0)
    session.set_class([1], "stroma", force=True)
    way(path)  # type: ignore[operator]
    content = path.read_bytes() if path.exists() else None
    session.set_class([2], "tumour", force=True)
    assert len(said) == 1
    assert path.name in said[0]
    kept = session.path
    assert kept is not None
    assert kept != path
    assert kept.name in said[0]
    session.undo()
    session.close()
    # what lies under the old name is left as it is, and nothing is made there
    assert (path.read_bytes() if path.exists() else None) == content
    with Session.open(kept, slide=SLIDE, author="Dr A") as again:
        assert len(again.history()) == 4
        assert again.counts == {"lymphocyte": 1, "tumour": 0, "stroma": 1}
        assert again.redo()


def test_what_is_only_remembered_goes_there_too(session: Session, path: Path) -> None:
    session.when_rescued = lambda sentence: None
    session.add([[10, 10]], 0)
    deleted(path)
    session.remember("regions", [1, 2, 3])
    assert session.recall("regions") == [1, 2, 3]
    assert not path.exists()
    assert session.path is not None
    with Session.open(session.path, read_only=True) as again:
        assert again.recall("regions") == [1, 2, 3]
        assert len(again) == 1


def test_nothing_is_made_where_a_session_was_that_nobody_edits_any_more(session: Session, path: Path) -> None:
    session.add([[10, 10]], 0)
    deleted(path)
    session.close()
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_a_session_under_two_names_is_one_session(opened: Opens, path: Path, tmp_path: Path) -> None:
    opened().add([[10, 10]], 0)
    other = tmp_path / "b" / path.name
    other.parent.mkdir()
    other.symlink_to(path)
    with pytest.raises(SessionInUse, match="open in another window"):
        Session.open(other, slide=SLIDE, scheme=SCHEME)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_on_a_disk_without_locks_a_second_window_is_still_told(
    opened: Opens, path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(self: FileLock) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(FileLock, "_acquire", refused)
    opened().add([[10, 10]], 0)
    with pytest.raises(SessionInUse, match="crashed"):
        Session.open(path, slide=SLIDE, scheme=SCHEME)
    assert len(opened()) == 1


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_says_so_in_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refused(self: FileLock) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(FileLock, "_acquire", refused)
    with pytest.raises(SessionError, match="refuses a lock"):
        Session.open(path, slide=SLIDE, scheme=SCHEME)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_session_is_closed_also_when_its_disk_takes_no_lock_back(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    session = Session.open(path, slide=SLIDE, scheme=SCHEME)
    session.add([[1, 1]], 0)
    real = FileLock._release

    def refused(self: FileLock) -> None:
        real(self)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(FileLock, "_release", refused)
        session.close()
    with Session.open(path) as again:
        assert len(again) == 1


def test_a_trigger_that_hides_behind_a_name_of_sqlites_own_is_found(path: Path) -> None:
    with Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A") as session:
        session.add([[1, 1]], 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TRIGGER sqliteXevil AFTER INSERT ON edits BEGIN DELETE FROM readers; END")
    copy = shutil.copy(path, path.with_name("copy.nucloop"))
    for read_only in (True, False):
        with pytest.raises(SessionError, match="tables are not those of a session"):
            Session.open(copy, slide=SLIDE, scheme=SCHEME, read_only=read_only)
