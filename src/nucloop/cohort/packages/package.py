"""What a package holds: whose it is, and which regions of which slides; kept in it, and in the cohort as well."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from nucloop.configuration import first_fault, read_strictly
from nucloop.errors import DataError
from nucloop.formats.atomic import replacing
from nucloop.geometry import Region

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ABOUT", "Item", "Kept", "Package", "PlainRegion", "kept_packages", "read_package", "write_plain"]

ABOUT = "package.json"


@read_strictly
@dataclass(frozen=True)
class PlainRegion:
    """A region in plain types, level-0 pixels of the slide."""

    name: str
    pieces: list[list[list[tuple[float, float]]]]

    @classmethod
    def of(cls, region: Region) -> PlainRegion:
        """Return a region in plain types."""
        return cls(region.name, [[[(y, x) for y, x in ring.tolist()] for ring in piece] for piece in region.pieces])

    def region(self) -> Region:
        """Inverse of `of`."""
        return Region.of_pieces(self.pieces, self.name)


@read_strictly
@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture of a package, with its session beside it: a slide, or a piece cut out of it."""

    slide: str
    """Id in the cohort."""
    image: str
    """File in the package."""
    top: int = 0
    """Where the picture begins on the slide, level-0 pixels."""
    left: int = 0
    regions: list[PlainRegion]
    ids: list[int]
    """Of the nuclei that the reader got: the first is number 1 in the package. Later numbers are the reader's own."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class Package:
    """What one reader got."""

    id: str
    cohort: str
    reader: str
    blinded: bool
    made: str
    items: list[Item]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class Kept:
    """A package as the cohort remembers it, with what came back."""

    package: Package
    merged: str = ""
    """When answers came in last; empty when none did."""
    added: dict[int, dict[int, int]] = field(default_factory=dict)
    """By item: which nucleus of the cohort a nucleus that the reader added has become."""
    removed: dict[int, list[int]] = field(default_factory=dict)
    """By item: nuclei that the reader took away. They stay in the cohort, for others to judge."""
    spoken: dict[int, list[int]] = field(default_factory=dict)
    """By item: nuclei to which the reader gave a class."""


def write_plain(path: Path, content: Package | Kept) -> None:
    """Write plain types as JSON, the whole file or nothing."""
    with replacing(path) as file:
        file.write(json.dumps(asdict(content), ensure_ascii=False, separators=(",", ":")).encode())


def read_package(folder: Path) -> Package:
    """Read what a package is.

    Raises
    ------
    DataError
        If the folder is none, or damaged.
    """
    path = folder / ABOUT
    try:
        return TypeAdapter(Package).validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{folder} is no package: it has no {ABOUT}. Give the folder or zip that came back.") from error
    except ValidationError as error:
        raise DataError(f"{path} is damaged ({first_fault(error)}). Take it from the package that was sent.") from error


def kept_packages(folder: Path) -> list[Kept]:
    """Return the packages that a cohort has given out, in the order of their making.

    Raises
    ------
    DataError
        If what the cohort remembers of one is damaged.
    """
    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(TypeAdapter(Kept).validate_json(path.read_bytes()))
        except (OSError, ValidationError) as error:
            raise DataError(f"{path} cannot be read. Restore it from a copy of the cohort's folder.") from error
    return sorted(found, key=lambda one: (one.package.made, one.package.id))
