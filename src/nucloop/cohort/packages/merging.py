"""Taking answers back: what a reader said becomes that reader's labels in the cohort's sessions, once, by id."""

from __future__ import annotations

import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from nucloop.cohort.packages.masters import open_master
from nucloop.cohort.packages.package import ABOUT, Kept, kept_packages, read_package, write_plain
from nucloop.detection.overlap import SAME_NUCLEUS_UM
from nucloop.errors import DataError
from nucloop.nuclei import Nuclei
from nucloop.session import Session, session_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from nucloop.cohort.project import Project

__all__ = ["Merged", "merge_package"]

_SAME_PX = 0.05
"""A nucleus is meant that lies here; places of the cohort's own are given exactly."""


@dataclass(frozen=True)
class Merged:
    """What came back in one package."""

    reader: str
    spoken: int
    """Nuclei of the cohort to which the reader has given a class."""
    added: int
    """Nuclei that the reader has added."""
    removed: int
    """Nuclei that the reader took away; they stay, as an open question."""
    new: int
    """How many words were not known before."""


def merge_package(project: Project, answer: Path) -> Merged:
    """Take in the answers of a package, a folder or a zip; a second time nothing happens.

    Raises
    ------
    DataError
        If it is no package of this cohort, or damaged.
    SessionError
        If a session cannot be read, or the cohort's own is open in a window. What was taken in until then stays, and
        the next attempt goes on.
    """
    with _unpacked(answer) as folder:
        package = read_package(folder)
        everybody = {one.package.id: one for one in kept_packages(project.folder / "packages")}
        if package.id not in everybody:
            raise DataError(
                f"{answer} was not made from {project.folder}, but from the cohort {package.cohort}. Merge it there."
            )
        kept, new = everybody[package.id], 0
        # what the cohort remembers counts: the copy in the package has been in other hands
        for number, item in enumerate(kept.package.items):
            others = [one for key, one in everybody.items() if key != package.id]
            kept, words = _merge_item(project, kept, number, folder, _added_by(others, item.slide))
            new += words
        kept = replace(kept, merged=datetime.now(UTC).isoformat(timespec="seconds"))
        write_plain(project.folder / "packages" / f"{package.id}.json", kept)
    return Merged(
        kept.package.reader,
        sum(map(len, kept.spoken.values())),
        sum(map(len, kept.added.values())),
        sum(map(len, kept.removed.values())),
        new,
    )


@contextmanager
def _unpacked(answer: Path) -> Iterator[Path]:
    if not zipfile.is_zipfile(answer):
        yield answer
        return
    with tempfile.TemporaryDirectory(prefix="nucloop-package-") as folder:
        try:
            with zipfile.ZipFile(answer) as archive:
                archive.extractall(folder)
        except (OSError, zipfile.BadZipFile, RuntimeError) as error:
            raise DataError(f"Cannot unpack {answer} ({error}). Ask for it again.") from error
        found = sorted(Path(folder).rglob(ABOUT), key=lambda path: len(path.parts))
        yield found[0].parent if found else Path(folder)


def _added_by(others: Iterable[Kept], slide: str) -> set[int]:
    """Return the nuclei of a slide that other readers have added."""
    return {
        new
        for one in others
        for number, added in one.added.items()
        if one.package.items[number].slide == slide
        for new in added.values()
    }


def _merge_item(project: Project, kept: Kept, number: int, folder: Path, others: set[int]) -> tuple[Kept, int]:
    item = kept.package.items[number]
    entry = next((one for one in project.slides if one.id == item.slide), None)
    if entry is None:
        raise DataError(f"{item.slide} is no slide of {project.folder} any more. Take it into the list again.")
    with Session.open(session_path(folder / item.image), read_only=True) as answer:
        said = answer.nuclei()
        said = said.take(said.human)
        given = np.array(item.ids, np.int64)
        gone = given[~answer.contains(np.arange(1, len(given) + 1))].tolist()
        scheme, places = answer.scheme, said.yx + np.array([item.top, item.left], np.float32)
    with open_master(project, entry) as master:
        known = dict(kept.added.get(number, {}))
        own = said.ids > len(given)
        meant = np.array([known.get(k, 0) if k > len(given) else item.ids[k - 1] for k in said.ids.tolist()], np.int64)
        _find_among(master, meant, places, sorted(others - set(known.values())), entry.mpp or 1.0)
        there = master.contains(meant)
        places[there] = master.positions(meant[there])
        words = Nuclei.from_points(scheme, places, label=said.label, origin=said.origin)
        before = _words_of(master, kept.package.reader)
        change = master.import_nuclei(
            words,
            radius_px=_SAME_PX,
            source=f"package {kept.package.id}",
            reader=kept.package.reader,
            new_classes=[one for one in scheme.classes if one.name in master.missing_classes(scheme)],
        )
        for row in np.flatnonzero(~there).tolist():
            found = master.nearest(places[row], _SAME_PX)
            meant[row] = 0 if found is None else found
        after = _words_of(master, kept.package.reader)
        # a nucleus that was added with a class is one word, not two
        new = sum(before.get(k) != v for k, v in after.items()) + sum(k not in after for k in change.added.tolist())
    known |= {k: m for k, m, n in zip(said.ids.tolist(), meant.tolist(), own, strict=True) if n and m}
    spoken = meant[~own & (said.label >= 0)].tolist()
    kept = replace(
        kept,
        added={**kept.added, number: known},
        removed={**kept.removed, number: gone},
        spoken={**kept.spoken, number: spoken},
    )
    # written at once: should the next picture fail, this one is not taken in twice
    write_plain(project.folder / "packages" / f"{kept.package.id}.json", kept)
    return kept, new


def _words_of(master: Session, reader: str) -> dict[int, int]:
    ids = master.spoken_by(reader)
    return dict(zip(ids.tolist(), master.labels_of(reader, ids).tolist(), strict=True))


def _find_among(
    master: Session, meant: NDArray[np.int64], places: NDArray[np.float32], candidates: list[int], mpp: float
) -> None:
    """Find nuclei that a reader has added among those that others have added; each is found once. Fills in `meant`."""
    free = np.array(candidates, np.int64)
    free = free[master.contains(free)] if len(free) else free
    rows = np.flatnonzero(meant == 0)
    if not len(free) or not len(rows):
        return
    tree = cKDTree(master.positions(free))
    distance, nearest = tree.query(places[rows], distance_upper_bound=SAME_NUCLEUS_UM / mpp)
    taken: set[int] = set()
    for k in np.argsort(distance, kind="stable").tolist():
        if np.isfinite(distance[k]) and int(nearest[k]) not in taken:
            taken.add(int(nearest[k]))
            meant[rows[k]] = free[nearest[k]]
