"""One annotated image, and a named set of them with what its licence allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nucloop.classes import ClassScheme
from nucloop.errors import DataError

__all__ = ["Dataset", "Field", "leave_out", "only"]


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
    """

    image: Path
    yx: NDArray[np.float32]
    label: NDArray[np.int16]
    mpp: float
    group: str
    choices: NDArray[np.bool_] | None = None
    exhaustive: bool = True
    weight: float = 1.0

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
        try:
            with Image.open(self.image) as file:
                return np.asarray(file.convert("RGB"))
        except OSError as error:
            raise DataError(f"Cannot read the image {self.image}: {error}. Copy the data set again.") from error


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
