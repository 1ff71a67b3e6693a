"""Where DICOM annotations lie: in pixels of the picture that they refer to, or in millimetres of the glass slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import DataError, MisfitError, SlideError
from nucloop.slides.headers.dicom import read_header, slides_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CORNER", "Places", "places_of"]

CORNER = 0.5
"""Their origin is the corner of the first pixel, ours its middle."""
_OVAL = 32
_FIXED = {"POINT": 1, "RECTANGLE": 4, "ELLIPSE": 4}


@dataclass(frozen=True)
class Places:
    """How the numbers of one file become places of level 0.

    Parameters
    ----------
    matrix, shift : (2, 2) and (2,) float64
        Level-0 (y, x) = matrix @ (first, second number) + shift.
    millimetres : bool
        Whether a third number, the depth, may stand behind each two.
    remarks : tuple of str
        What a person should know of it.
    """

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]
    millimetres: bool = False
    remarks: tuple[str, ...] = ()

    def corners(self, group: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the corners (P, 2) of a group's shapes as level-0 (y, x), and how many each shape has (N,).

        Raises
        ------
        ValueError
            If the group is not as the standard says.
        """
        numbers = _numbers(group)
        wide = 3 if self.millimetres and "CommonZCoordinateValue" not in group else 2
        if len(numbers) % wide or not np.isfinite(numbers).all():
            raise MisfitError("its coordinates are cut off, or are no numbers")
        raw = numbers.reshape(-1, wide)[:, :2]
        kind = str(group.GraphicType)
        counts = _counts(group, kind, len(raw), wide)
        if kind == "ELLIPSE":
            raw, counts = _round(raw), np.full(len(counts), _OVAL)
        return raw @ self.matrix.T + self.shift, counts


def places_of(said: Any, path: Path) -> Places:
    """Return how a file of annotations is to be read; what it refers to is looked for beside it.

    Parameters
    ----------
    said : pydicom Dataset
        Of the annotations.
    path : Path
        Where they lie.

    Raises
    ------
    DataError
        If that cannot be known.
    """
    slide = _referred(said, path)
    if said.get("AnnotationCoordinateType") == "3D":
        if slide is None:
            raise DataError(
                f"{path.name} gives places in millimetres of the glass. Put it beside the files of the DICOM slide "
                "that it refers to, and try again."
            )
        return _on_glass(slide[0], path)
    if said.get("PixelOriginInterpretation") == "FRAME":
        raise DataError(
            f"{path.name} counts from single tiles of the slide, which NucLoop does not read. Export it with places "
            "of the whole picture (VOLUME)."
        )
    # x before y
    turned = np.array([[0.0, 1.0], [1.0, 0.0]])
    if slide is None:
        remark = (
            "The picture that the annotations refer to is not beside them; they were taken to be of the finest level."
        )
        return Places(turned, np.array([-CORNER, -CORNER]), remarks=(remark,))
    finest, meant = slide
    factor = int(finest.TotalPixelMatrixRows) / int(meant.TotalPixelMatrixRows)
    return Places(turned * factor, np.array([-CORNER, -CORNER]))


def _referred(said: Any, path: Path) -> tuple[Any, Any] | None:
    """Return the headers of the finest level and of the level that is referred to; None where they are not here."""
    wanted = {str(one.get("ReferencedSOPInstanceUID")) for one in said.get("ReferencedImageSequence") or []}
    try:
        slides = slides_of(path.parent)
    except SlideError:
        return None
    for files in slides:
        for file in files:
            if file.uid in wanted:
                return read_header(files[0].path), read_header(file.path)
    return None


def _on_glass(finest: Any, path: Path) -> Places:
    """Places in the slide's coordinate system (DICOM PS3.3): the standard gives the way there, this the way back."""
    try:
        origin = finest.TotalPixelMatrixOriginSequence[0]
        at = np.array([origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem], np.float64)
        turned = np.array(finest.ImageOrientationSlide, np.float64)
        spacing = finest.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
        down, right = float(spacing[0]), float(spacing[1])
        forward = np.column_stack([turned[3:5] * down, turned[:2] * right])
        back = np.linalg.inv(forward).astype(np.float64)
    except (AttributeError, IndexError, TypeError, ValueError, np.linalg.LinAlgError) as error:
        raise DataError(
            f"The slide beside {path.name} does not say how it lies on the glass. Export the annotations in pixels."
        ) from error
    return Places(back, -back @ at, millimetres=True)


def _numbers(group: Any) -> NDArray[np.float64]:
    for name, kind in (("DoublePointCoordinatesData", "<f8"), ("PointCoordinatesData", "<f4")):
        data = group.get(name)
        if data is not None:
            return np.frombuffer(data, kind).astype(np.float64)
    raise MisfitError("it has no coordinates")


def _counts(group: Any, kind: str, points: int, wide: int) -> NDArray[np.int64]:
    if kind in _FIXED:
        if points % _FIXED[kind]:
            raise MisfitError("its coordinates are cut off")
        return np.full(points // _FIXED[kind], _FIXED[kind])
    if kind != "POLYGON":
        raise MisfitError(f"its shapes are of the kind {kind[:20]!r}")
    starts = (np.frombuffer(group.LongPrimitivePointIndexList, "<i4").astype(np.int64) - 1) // wide
    counts = np.diff(np.append(starts, points))
    if len(starts) and (starts[0] != 0 or (counts < 0).any()):
        raise MisfitError("its list of first corners is damaged")
    if not len(starts) and points:
        raise MisfitError("its list of first corners is missing")
    return counts


def _round(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ellipses, given by the ends of both axes (4 N, 2), as rings of corners (32 N, 2)."""
    ends = raw.reshape(-1, 4, 2)
    middle = ends.mean(axis=1, keepdims=True)
    along, across = (ends[:, [0]] - ends[:, [1]]) / 2, (ends[:, [2]] - ends[:, [3]]) / 2
    angle = np.linspace(0, 2 * np.pi, _OVAL, endpoint=False)[:, None]
    rings: NDArray[np.float64] = middle + along * np.cos(angle) + across * np.sin(angle)
    return rings.reshape(-1, 2)
