"""What an exported file says about the slide its nuclei lie on."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from nucloop import __version__
from nucloop.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.classes import ClassScheme
    from nucloop.slides import Slide

__all__ = ["SlideInfo", "Weights", "file_header"]

Weights = dict[str, dict[str, str]]
"""Which weights made the nuclei: {"detector": {"name": ..., "sha256": ...}, "encoder": ..., "head": ...}."""

FIRST_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SlideInfo:
    """Enough to tell whether a table of nuclei belongs to a slide."""

    name: str
    height: int
    """Level-0 pixels."""
    width: int
    """Level-0 pixels."""
    mpp: float | None = None
    """Level-0 µm per pixel."""
    sha256: str | None = None
    """Of the file's first megabyte; None for arrays and for slides that are folders."""

    @classmethod
    def of(cls, slide: Slide) -> SlideInfo:
        """Describe an open slide; reads the first megabyte of its file."""
        height, width = slide.shape
        return cls(name=slide.name, height=height, width=width, mpp=slide.mpp, sha256=_fingerprint(slide.path))

    @classmethod
    def from_dict(cls, data: object, *, source: str) -> SlideInfo:
        """Check plain types from a file; DataError names `source` when they do not fit."""
        try:
            return TypeAdapter(cls).validate_python(data)
        except ValidationError as error:
            raise DataError(f"{source} describes its slide in a way that NucLoop did not write.") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)

    def may_be(self, other: SlideInfo) -> bool:
        """Whether both can speak of one slide: equal fingerprints, or equal sizes where one is unknown."""
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        return (self.height, self.width) == (other.height, other.width)


def file_header(slide: SlideInfo, scheme: ClassScheme, weights: Weights | None) -> dict[str, Any]:
    """Return what every exported file says of itself: program version, slide, class scheme, weights."""
    header: dict[str, Any] = {"version": __version__, "slide": slide.to_dict(), "scheme": scheme.to_dict()}
    if weights:
        header["weights"] = weights
    return header


def _fingerprint(path: Path | None) -> str | None:
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.sha256(file.read(FIRST_BYTES)).hexdigest()
