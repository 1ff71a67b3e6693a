"""What the headers of DICOM files say: which of them are levels of one whole slide. Needs pydicom."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from nucloop.errors import SlideError

__all__ = ["HOW_TO_INSTALL", "DicomFile", "read_header", "slides_of"]

HOW_TO_INSTALL = "pip install 'napari-nucloop[dicom]'"
"""What brings all that DICOM needs."""

_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_FILES = 2_000
_ENDINGS = ("", ".dcm", ".dicom")
_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "ImageType",
    "TotalPixelMatrixRows",
    "TotalPixelMatrixColumns",
    "BitsAllocated",
    "OpticalPathSequence",
]


@dataclass(frozen=True)
class DicomFile:
    """One file of a whole slide, as its header tells."""

    path: Path
    uid: str
    series: str
    name: str
    shape: tuple[int, int]
    """Height and width of the whole picture, pixels."""
    bits: int
    is_volume: bool
    """Whether it is a level of the slide, and no label, overview or thumbnail."""
    magnification: float | None


def slides_of(path: Path) -> list[list[DicomFile]]:
    """Return the levels of every slide, the finest first: of one file's series, or of all series of a folder.

    Parameters
    ----------
    path : Path
        Any file of the series; the others are looked for beside it. Or a folder of files.

    Raises
    ------
    SlideError
        If there is none.
    """
    wanted = _series_of(path) if path.is_file() else None
    slides: dict[str, list[DicomFile]] = defaultdict(list)
    for other in _beside(path):
        try:
            file = _described(other)
        except SlideError:  # another program's file, or a damaged one: the slide is what can be read
            continue
        if file is not None and file.is_volume and wanted in (None, file.series):
            slides[file.series].append(file)
    if not slides:
        raise SlideError(f"{path.name} holds no level of a whole slide. Choose a file of the slide itself.")
    return [sorted(files, key=lambda file: file.shape, reverse=True) for _, files in sorted(slides.items())]


def read_header(path: Path, tags: list[str] | None = None) -> Any:
    """Return what a file says (a pydicom Dataset), nothing of its pixels.

    Raises
    ------
    SlideError
        If it cannot be read, is no DICOM, or is deflated, as nobody knows how large it would become.
    """
    pydicom: Any = import_module("pydicom")
    try:
        deflated = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED
        said = None if deflated else pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
        if said is not None and tags is not None:
            # pydicom decodes an element when it is asked for: what is damaged shows here, and not anywhere later
            list(said.iterall())
    except OSError as error:
        raise SlideError(f"Cannot open {path.name}: {error.strerror or error}. Check that it can be read.") from error
    except Exception as error:
        raise SlideError(f"Cannot open {path.name}: it is no DICOM file, or damaged. Copy it again.") from error
    if said is None:
        raise SlideError(f"{path.name} is whole, but deflated, which NucLoop does not read. Save it without that.")
    return said


def _series_of(path: Path) -> str:
    file = _described(path)
    if file is None:
        raise SlideError(f"Cannot open {path.name}: it is DICOM, but no whole slide. Choose a file of the slide.")
    return file.series


def _beside(path: Path) -> list[Path]:
    folder = path if path.is_dir() else path.parent
    try:
        found = sorted(one for one in folder.iterdir() if one.suffix.lower() in _ENDINGS and one.is_file())
    except OSError as error:
        raise SlideError(f"Cannot look into {folder}: {error.strerror or error}. Check who may read it.") from error
    if len(found) > _MOST_FILES:
        raise SlideError(
            f"{folder.name} holds {len(found):,} files that may belong to {path.name}. Put the files of one slide into "
            "a folder of their own."
        )
    return found


def _described(path: Path) -> DicomFile | None:
    """Return what tells a slide's levels apart; None for DICOM of another kind."""
    said = read_header(path, _TAGS)
    if said.get("SOPClassUID") != _WHOLE_SLIDE:
        return None
    try:
        return DicomFile(
            path,
            str(said.SOPInstanceUID),
            str(said.SeriesInstanceUID),
            str(said.get("SeriesDescription") or ""),
            (int(said.TotalPixelMatrixRows), int(said.TotalPixelMatrixColumns)),
            int(said.BitsAllocated),
            "VOLUME" in [str(kind).upper() for kind in said.get("ImageType") or []],
            _objective(said),
        )
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise SlideError(f"Cannot open {path.name}: its header is not whole. Copy the file again.") from error


def _objective(said: Any) -> float | None:
    try:
        return float(said.OpticalPathSequence[0].ObjectiveLensPower)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
