"""Which slides a cohort has: those of a folder or a list, each opened once for size, resolution and fingerprint."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nucloop.cohort.places import is_address, local_copy, size_and_time
from nucloop.cohort.slide_entry import OWN_COLUMNS, SlideEntry
from nucloop.errors import DataError, NucLoopError
from nucloop.formats.tables.dialect import check_lines
from nucloop.session.identity import SlideIdentity
from nucloop.slides import open_slide, reader_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Listed", "file_digest", "look_at", "look_at_all", "slides_of"]

_TOLD = ("slide", "id", "patient", "mpp", "image", "regions")
_AT_ONCE = 8


@dataclass(frozen=True)
class Listed:
    """A slide as a folder or a list names it."""

    path: str
    id: str = ""
    patient: str = ""
    mpp: float | None = None
    image: str = ""
    regions: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def slides_of(source: Path, known: Iterable[SlideEntry] = ()) -> list[Listed]:
    """Return the slides of a folder and of all folders in it, or of a list.

    A list is a CSV with the column slide and, where wanted, id, patient, mpp, image and regions (a GeoJSON file); every
    other column is a label. Or it is a text file with a path in each line. Paths are relative to the list. Slides that
    a cohort has already, `known`, keep their id: results, sessions and marks go by it.

    Raises
    ------
    DataError
        If there is no slide, or the list cannot be read.
    """
    if source.is_dir():
        found = _in_folder(source)
    elif source.suffix.lower() == ".csv":
        found = _in_table(source)
    else:
        found = _in_lines(source)
    if not found:
        raise DataError(f"There are no slides in {source}. Name a folder of slides, or a list of them.")
    ids = {(one.path, one.image): one.id for one in known}
    found = [replace(one, id=one.id or ids.get((one.path, one.image), "")) for one in found]
    return _with_ids(found, source if source.is_dir() else source.parent)


def _in_folder(folder: Path) -> list[Listed]:
    found = []
    waiting = [folder]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if path.name.startswith("."):
                continue
            if reader_for(path) is not None:
                found.append(Listed(str(path.absolute())))
            elif path.is_dir() and not (path / "project.yaml").exists():
                waiting.append(path)
    return sorted(found, key=lambda one: one.path)


def _in_lines(path: Path) -> list[Listed]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"Cannot read {path}. Name a folder of slides, or a list: CSV, or a path in each line."
        ) from error
    return [Listed(_from(line.strip(), path.parent)) for line in lines if line.strip() and line[:1] != "#"]


def _in_table(path: Path) -> list[Listed]:
    try:
        check_lines(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [{k.strip(): (v or "").strip() for k, v in row.items() if k} for row in csv.DictReader(file)]
    except (OSError, csv.Error, UnicodeDecodeError, AttributeError) as error:
        raise DataError(f"Cannot read {path}. Save it as CSV with a column slide.") from error
    if rows and "slide" not in rows[0]:
        raise DataError(f"{path.name} has no column slide. Name it so: it holds the path of each slide.")
    taken = (set(rows[0]) if rows else set()) & (set(OWN_COLUMNS) - set(_TOLD))
    if taken:
        raise DataError(f"{path.name} has a column {min(taken)}, which the project keeps itself. Call it otherwise.")
    return [_listed(row, path, number) for number, row in enumerate(rows, 1)]


def _listed(row: dict[str, str], path: Path, number: int) -> Listed:
    if not row["slide"]:
        raise DataError(f"Row {number} of {path.name} names no slide. Complete it.")
    try:
        mpp = float(row["mpp"]) if row.get("mpp") else None
    except ValueError as error:
        raise DataError(f"Row {number} of {path.name} has the mpp {row['mpp']!r}, which is no number.") from error
    regions = row.get("regions", "")
    return Listed(
        path=_from(row["slide"], path.parent),
        id=row.get("id", ""),
        patient=row.get("patient", ""),
        mpp=mpp,
        image=row.get("image", ""),
        regions=_from(regions, path.parent) if regions else "",
        labels={name: value for name, value in row.items() if name not in _TOLD},
    )


def _from(text: str, folder: Path) -> str:
    return text if is_address(text) else str((folder / Path(text).expanduser()).absolute())


def _with_ids(found: Sequence[Listed], folder: Path) -> list[Listed]:
    """Give each slide a name of its own: the file's, with its folders where another has the same."""
    names = [_plain(one.id or Path(one.path).stem.removesuffix(".ome")) for one in found]
    counts = Counter(name.casefold() for name in names)
    said = Counter(name.casefold() for one, name in zip(found, names, strict=True) if one.id)
    taken = set(said)
    result = []
    for one, name in zip(found, names, strict=True):
        if one.id:
            if said[name.casefold()] > 1:
                raise DataError(f"Two slides have the id {one.id}. Give each its own, and run init again.")
            result.append(replace(one, id=name))
            continue
        if counts[name.casefold()] > 1:
            inside = Path(one.path).is_relative_to(folder.absolute())
            place = Path(one.path).relative_to(folder.absolute()) if inside else Path(one.path)
            name = _plain(str(place).lstrip("/"))
        while name.casefold() in taken:
            name += "_2"
        taken.add(name.casefold())
        result.append(replace(one, id=_plain(name)))
    return result


def _plain(name: str) -> str:
    """Return a name that can be a file's on any system."""
    return re.sub(r"[^\w.+-]+", "_", name).strip("._") or "slide"


def look_at_all(found: Sequence[Listed], mpp: float | None) -> Iterator[SlideEntry]:
    """Open every slide once, some at a time; yield their rows in order."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="nucloop-cohort") as pool:
        yield from pool.map(lambda one: look_at(one, mpp), found)


def look_at(listed: Listed, mpp: float | None) -> SlideEntry:
    """Open a slide for its size, resolution and fingerprint; what goes wrong stands in the row's `trouble`.

    Parameters
    ----------
    listed : Listed
    mpp : float, optional
        µm per pixel of slides that do not say.
    """
    entry = SlideEntry(
        id=listed.id,
        path=listed.path,
        patient=listed.patient,
        mpp=listed.mpp,
        image=listed.image,
        regions=listed.regions,
        labels=listed.labels,
    )
    try:
        with local_copy(listed.path) as file, open_slide(file, mpp=listed.mpp, image=listed.image or None) as slide:
            slide = slide if slide.mpp is not None or mpp is None else slide.with_mpp(mpp)
            about = SlideIdentity.of(slide)
            slide.require_mpp()
            sha256 = about.info.sha256 or ""
            regions = file_digest(Path(listed.regions)) if listed.regions else ""
    except NucLoopError as error:
        return replace(entry, trouble=str(error))
    except OSError as error:
        return replace(entry, trouble=f"Cannot read {error.filename or listed.path}: {error.strerror or error}.")
    size, modified = size_and_time(listed.path)
    return replace(
        entry,
        mpp=slide.mpp,
        height=about.info.height,
        width=about.info.width,
        bytes=size or about.file_bytes or 0,
        modified=modified,
        sha256=sha256,
        regions_sha256=regions,
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a small file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
