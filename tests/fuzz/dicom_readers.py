"""What reads DICOM, where its libraries are installed: slides and annotations."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from tests.fuzz.containers import in_dicom
from tests.fuzz.mutations import in_bytes
from tests.fuzz.readers import Reader, read_slide

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DICOM_READERS"]


def _slides(folder: Path) -> list[Path]:
    from tests.slides.dicom_files import write_dicom_slide
    from tests.slides.written import tissue

    write_dicom_slide(folder / "slide", tissue(96, 128))
    return sorted((folder / "slide").glob("*.dcm"))[:1]


def _annotations(folder: Path) -> list[Path]:
    from nucloop.classes import builtin_schemes
    from nucloop.formats import Document, write_document
    from nucloop.formats.slide_info import SlideInfo
    from nucloop.nuclei import Nuclei
    from nucloop.slides import open_slide

    (level,) = _slides(folder)
    with open_slide(level.parent) as slide:
        info = SlideInfo.of(slide)
    nuclei = Nuclei.from_points(builtin_schemes()["ocelot"], np.array([[5, 6], [50, 60]]), label=[0, 1])
    write_document(folder / "nuclei.dcm", Document(nuclei=nuclei, slide=info), "dicom")
    return [folder / "nuclei.dcm"]


def _read_annotations(path: Path) -> None:
    from nucloop.formats import read_document

    read_document(path, "dicom")


DICOM_READERS: dict[str, Reader] = (
    {
        "dicom slide": Reader(_slides, read_slide, (in_dicom, in_bytes), 400),
        "dicom": Reader(_annotations, _read_annotations, (in_dicom, in_bytes), 400),
    }
    if find_spec("wsidicom") and find_spec("highdicom")
    else {}
)
