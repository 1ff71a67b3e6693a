"""One annotated image, and a named set of them with what its licence allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from nucloop.classes import ClassScheme
from nucloop.errors import DataError

__all__ = ["UNREADABLE", "Dataset", "Field", "leave_out", "only"]

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for files that are no whole images, and for names that no file can have."""
SAME_PLACE = 4.0
"""How far, in pixels, an area's centre of mass may lie from the point that stands for it: some lie under others."""


@dataclass(frozen=True)
class Field:
    """One annotated image.

    Parameters
    ----------
    image : Path
        RGB file.
    yx : (N, 2) float32
        Reference centres in pixels of the image, pixel centres at integers.
    label : (N,) int16
        Rows in the data set's scheme; -1 marks a nucleus without a class.
    mpp : float
        Microns per pixel.
    group : str
        Hospital, slide or patient: never divided between training and measuring.
    choices : (N, C) bool, optional
        Of a nucleus without a class: the classes of the scheme that it may have, such as lymphocyte or stromal. A row
        without any says nothing; None says nothing of all.
    exhaustive : bool
        False where only some nuclei are marked: what lies away from marks is then not background.
    weight : float
        How often it is seen in training, beside others of its area.
    mask : Path, optional
        Image (H, W) that numbers the nuclei's areas from 1, in an order of its own; 0 is the ground.
    """

    image: Path
    yx: NDArray[np.float32]
    label: NDArray[np.int16]
    mpp: float
    group: str
    choices: NDArray[np.bool_] | None = None
    exhaustive: bool = True
    weight: float = 1.0
    mask: Path | None = None

    @property
    def name(self) -> str:
        """File name without its ending."""
        return self.image.stem

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The image, (H, W, 3), kept from the first look on."""
        return self.read()

    def read(self) -> NDArray[np.uint8]:
        """Read the image, (H, W, 3).

        Raises
        ------
        DataError
            If it cannot be read.
        """
        with _opened(self.image) as file:
            return np.asarray(file.convert("RGB"))

    def instances(self) -> NDArray[np.int32] | None:
        """Read whose each pixel is, (H, W): k + 1 for row k of `yx`, 0 for the ground, -1 where nobody knows.

        An area belongs to the row that lies nearest to its centre of mass. None where the field has no mask.

        Raises
        ------
        DataError
            If the mask cannot be read or is of another size than the image.
        """
        if self.mask is None:
            return None
        with _opened(self.mask) as file:
            areas = np.asarray(file)
        with _opened(self.image) as file:
            if areas.shape != file.size[::-1]:
                raise DataError(f"The mask {self.mask} is of another size than its image. Copy the data set again.")
        return _of_rows(areas, self.yx)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as file:
            yield file
    except UNREADABLE as error:
        raise DataError(f"Cannot read the image {path}: {error}. Copy the data set again.") from error


def _of_rows(areas: NDArray[np.generic], yx: NDArray[np.float32]) -> NDArray[np.int32]:
    """Renumber areas (H, W) by the rows of points (N, 2) instead of their own order; -1 for areas without a point."""
    numbers, owner = np.unique(areas, return_inverse=True)
    owner = owner.reshape(areas.shape)
    row = np.full(len(numbers), -1, np.int32)
    row[numbers == 0] = 0
    some = np.flatnonzero(numbers != 0)
    if len(some) and len(yx):
        size = np.bincount(owner.ravel(), minlength=len(numbers))
        grid = np.indices(areas.shape).reshape(2, -1)
        middle = np.stack([np.bincount(owner.ravel(), line, len(numbers)) for line in grid], 1) / size[:, None]
        away, nearest = cKDTree(yx).query(middle[some])
        row[some] = np.where(away <= SAME_PLACE, nearest + 1, -1)
    return row[owner]


@dataclass(frozen=True)
class Dataset:
    """A named set of fields with one class scheme, and what its licence allows."""

    name: str
    scheme: ClassScheme
    fields: tuple[Field, ...]
    licence: str
    shippable: bool
    """Whether weights trained on it may be distributed with NucLoop."""
    means: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a class that other schemes do not have: the classes of theirs that its nuclei may be, one or several."""

    @property
    def exhaustive(self) -> bool:
        """False where only some kinds of nuclei are marked, so that precision means nothing."""
        return all(one.exhaustive for one in self.fields)


def leave_out(fields: Sequence[Field], groups: Sequence[str]) -> list[Field]:
    """Fields whose group begins with none of `groups` (a hospital or a patient)."""
    return [f for f in fields if not any(f.group.startswith(g) for g in groups)]


def only(fields: Sequence[Field], groups: Sequence[str]) -> list[Field]:
    """Fields whose group begins with one of `groups`; all of them when `groups` is empty."""
    return [f for f in fields if not groups or any(f.group.startswith(g) for g in groups)]
