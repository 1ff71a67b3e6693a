"""DICOM Microscopy Bulk Simple Annotations: nuclei as groups of points and polygons that refer to a DICOM slide.

Reading needs pydicom, writing highdicom; both come with the extra `dicom`. Places are counted from the corner of the
first pixel of the picture they refer to (half a pixel beside ours), or in millimetres of the glass slide.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop import __version__
from nucloop.errors import DataError, MisfitError, SlideError, why
from nucloop.formats.asked import NOTHING_ASKED, Asked
from nucloop.formats.atomic import replacing
from nucloop.formats.dicom_places import CORNER, Places, places_of
from nucloop.formats.document import Document
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.rings import GrowingOutlines, polygons_of
from nucloop.geometry import Region
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.outlines import FEWEST_CORNERS, Outlines
from nucloop.slides.headers.dicom import HOW_TO_INSTALL, read_header, slides_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_dicom", "write_dicom"]

_ANNOTATIONS = "1.2.840.10008.5.1.4.1.1.91.1"
_LONGEST_LABEL = 64
_PROGRAM = "NucLoop"
_NUCLEUS, _CELLULAR = ("84640000", "SCT", "Nucleus"), ("4421005", "SCT", "Cell structure")
_MEANS_NUCLEI = re.compile(r"\b(nucle(us|i)|cells?)\b", re.IGNORECASE)
_DEFAULTS = (
    "AccessionNumber", "PatientBirthDate", "PatientID", "PatientName", "PatientSex", "StudyDate", "StudyID",
    "StudyTime",
)  # fmt: skip


def write_dicom(path: Path, document: Document) -> None:
    """Write a group of points and one of polygons for each class.

    Raises
    ------
    DataError
        If highdicom is not installed, the slide is not known or no DICOM, or the file cannot be written.
    """
    try:
        library: Any = import_module("highdicom")
    except (ImportError, OSError) as error:
        raise DataError(f"Writing DICOM annotations needs highdicom. Install it with: {HOW_TO_INSTALL}") from error
    source = _slide_of(document, path)
    groups = list(_groups(library, document))
    if not groups:
        raise DataError(f"There are no nuclei to write to {path.name}: DICOM has no file without annotations.")
    annotations = library.ann.MicroscopyBulkSimpleAnnotations(
        source_images=[source],
        annotation_coordinate_type="2D",
        annotation_groups=groups,
        series_instance_uid=library.UID(),
        series_number=1,
        sop_instance_uid=library.UID(),
        instance_number=1,
        manufacturer=_PROGRAM,
        manufacturer_model_name=_PROGRAM,
        software_versions=__version__,
        device_serial_number="0",
        content_label="NUCLEI",
        content_description="Nuclei by class",
    )
    with replacing(path) as file:
        annotations.save_as(file, enforce_file_format=True)


def _slide_of(document: Document, path: Path) -> Any:
    slide = document.slide
    if slide is None or slide.file is None:
        raise DataError(
            f"{path.name} has to name the DICOM slide that its nuclei lie on. Give that slide too (--slide), or choose "
            "another format."
        )
    try:
        # a folder may hold several, of which any may have been opened
        finest = [files[0] for files in slides_of(slide.file)]
        same = [file for file in finest if file.shape == (slide.height, slide.width)]
        source = read_header((same or finest)[0].path)
    except (SlideError, ImportError) as error:
        raise DataError(
            f"{slide.name} is no DICOM slide, and DICOM annotations can only refer to one. Choose another format."
        ) from error
    if not same:
        which = f"{finest[0].path.name} has" if len(finest) == 1 else f"All {len(finest)} slides in {slide.file} have"
        raise DataError(f"{which} another size than the slide of these nuclei. Give the right slide.")
    for name in _DEFAULTS:
        if name not in source:
            setattr(source, name, "")
    return source


def _groups(library: Any, document: Document) -> Iterator[Any]:
    nuclei = document.nuclei
    there = np.zeros(len(nuclei), np.bool_) if nuclei.outlines is None else nuclei.outlines.there
    names = [*nuclei.scheme.names, ""]
    number = 0
    for label in (*range(len(nuclei.scheme)), UNLABELLED):
        for outlined in (False, True):
            rows = np.flatnonzero((nuclei.label == label) & (there == outlined))
            if len(rows):
                number += 1
                yield _group(library, nuclei.take(rows), number, names[label], outlined=outlined)


def _group(library: Any, part: Nuclei, number: int, name: str, *, outlined: bool) -> Any:
    concept = library.sr.CodedConcept
    if outlined and part.outlines is not None:
        corners = part.outlines.corners[:, ::-1].astype(np.float64) + CORNER
        shapes = np.split(corners, part.outlines.ends[1:-1])
    else:
        shapes = list(part.yx[:, None, ::-1].astype(np.float64) + CORNER)
    return library.ann.AnnotationGroup(
        number=number,
        uid=library.UID(),
        label=(name.replace("\\", "/") or "Nuclei")[:_LONGEST_LABEL],
        annotated_property_category=concept(*_CELLULAR),
        annotated_property_type=concept(*_NUCLEUS),
        graphic_type="POLYGON" if outlined else "POINT",
        graphic_data=shapes,
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=library.AlgorithmIdentificationSequence(
            name=_PROGRAM, family=concept("123110", "DCM", "Artificial Intelligence"), version=__version__
        ),
        # a label has 64 characters: the whole name stands here, and none where there is no class
        description=name,
    )


def read_dicom(path: Path, asked: Asked = NOTHING_ASKED) -> Document:
    """Read points as nuclei; areas as nuclei where their group says so, or a person, else as regions.

    Raises
    ------
    DataError
        If pydicom is not installed, or the file holds no annotations that can be placed on a slide.
    """
    try:
        import_module("pydicom")
    except ImportError as error:
        raise DataError(f"Reading DICOM annotations needs pydicom. Install it with: {HOW_TO_INSTALL}") from error
    try:
        said = read_header(path)
    except SlideError as error:
        raise DataError(str(error)) from error
    try:
        return _document(said, path, asked)
    except DataError:
        raise
    except Exception as error:
        # pydicom decodes what it read when it is asked for: damage may show anywhere
        raise DataError(f"{path.name} is damaged{why(error)}. Export it again.") from error


def _document(said: Any, path: Path, asked: Asked) -> Document:
    if said.get("SOPClassUID") != _ANNOTATIONS:
        raise DataError(
            f"{path.name} is DICOM, but holds no bulk simple annotations. Choose the file of the annotations."
        )
    places = places_of(said, path)
    found = _Found(path.name, asked, is_ours=said.get("Manufacturer") == _PROGRAM)
    for number, group in enumerate(said.get("AnnotationGroupSequence") or [], 1):
        try:
            found.add(group, places)
        except MisfitError as error:
            raise DataError(f"Group {number} of {path.name} is damaged{why(error)}. Export it again.") from error
    return found.document(places.remarks)


class _Found:
    """Nuclei and regions, as groups are read."""

    def __init__(self, source: str, asked: Asked, *, is_ours: bool) -> None:
        self._asked, self._is_ours = asked, is_ours
        self._classes = FoundClasses(source)
        self._outlines = GrowingOutlines(source)
        self._yx: list[NDArray[np.float64]] = []
        self._labels: list[NDArray[np.int64]] = []
        self._count = self._lines = self._empty = 0
        self._regions: list[Region] = []

    def add(self, group: Any, places: Places) -> None:
        """Take in a group."""
        kind, name = str(group.GraphicType), self._name(group)
        if kind == "POLYLINE":
            self._lines += int(group.NumberOfAnnotations)
            return
        corners, counts = places.corners(group)
        if kind == "POINT":
            self._keep(corners, name)
        elif self._asked.areas_are_nuclei or _is_nuclei(group):
            self._keep_outlined(corners, counts, name)
        else:
            rings = np.split(corners, np.cumsum(counts)[:-1])
            good = [ring for ring in rings if len(ring) >= FEWEST_CORNERS]
            self._empty += len(rings) - len(good)
            self._regions += [Region(ring, name=name) for ring in good]

    def _keep(self, yx: NDArray[np.float64], name: str) -> None:
        self._yx.append(yx)
        self._labels.append(np.full(len(yx), self._classes.label(name)))
        self._count += len(yx)

    def _keep_outlined(self, corners: NDArray[np.float64], counts: NDArray[np.int64], name: str) -> None:
        import shapely

        whole = counts >= FEWEST_CORNERS
        self._empty += int((~whole).sum())
        corners, counts = corners[np.repeat(whole, counts)], counts[whole]
        self._outlines.extend(self._count, corners, counts)
        polygons = polygons_of(Outlines(corners.astype(np.float32), np.concatenate([[0], np.cumsum(counts)])))
        self._keep(shapely.get_coordinates(shapely.centroid(polygons))[:, ::-1], name)

    def _name(self, group: Any) -> str:
        if self._is_ours:
            return str(group.get("AnnotationGroupDescription") or "")
        return str(group.get("AnnotationGroupLabel") or "").strip()

    def document(self, remarks: tuple[str, ...]) -> Document:
        """Return all that was found."""
        yx = np.concatenate([np.empty((0, 2)), *self._yx])
        labels = np.concatenate([np.empty(0, np.int64), *self._labels])
        nuclei = Nuclei.from_points(self._classes.scheme, yx, label=labels, origin=Origin.IMPORTED)
        outlines = self._outlines.table(len(nuclei))
        said = (
            (self._lines, f"{self._lines:,} open lines were left out."),
            (self._empty, f"{self._empty:,} areas of fewer than {FEWEST_CORNERS} corners were left out."),
        )
        return Document(
            nuclei=nuclei if outlines is None else replace(nuclei, outlines=outlines),
            regions=tuple(self._regions),
            remarks=(*remarks, *(words for count, words in said if count), *self._outlines.remarks),
        )


def _is_nuclei(group: Any) -> bool:
    for name in ("AnnotationPropertyTypeCodeSequence", "AnnotationPropertyCategoryCodeSequence"):
        for code in group.get(name) or []:
            if code.get("CodeValue") == _NUCLEUS[0] or _MEANS_NUCLEI.search(str(code.get("CodeMeaning"))):
                return True
    return False
