"""What an exported file says about the slide its nuclei lie on."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import TypeAdapter, ValidationError

from nucloop.classes import ClassScheme
from nucloop.errors import DataError, legible

if TYPE_CHECKING:
    from nucloop.slides import Slide

__all__ = ["FileHeader", "SlideInfo", "Weights"]

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
    file: Path | None = field(default=None, compare=False, repr=False)
    """Where it lies here, for formats that take over what it says of itself. No file says it, and none is told it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", legible(self.name))

    @classmethod
    def of(cls, slide: Slide) -> SlideInfo:
        """Describe an open slide; reads the first megabyte of its file."""
        height, width = slide.shape
        return cls(
            name=slide.name, height=height, width=width, mpp=slide.mpp, sha256=_fingerprint(slide.path), file=slide.path
        )

    @classmethod
    def from_dict(cls, data: object, *, source: str) -> SlideInfo:
        """Check plain types from a file; DataError names `source` when they do not fit."""
        if isinstance(data, dict):
            data = {key: value for key, value in data.items() if key != "file"}
        try:
            return TypeAdapter(cls).validate_python(data)
        except ValidationError as error:
            raise DataError(f"{source} describes its slide in a way that NucLoop did not write.") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {key: value for key, value in asdict(self).items() if key != "file"}

    def may_be(self, other: SlideInfo) -> bool:
        """Whether both can speak of one slide: equal fingerprints, or equal sizes where one is unknown."""
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        return (self.height, self.width) == (other.height, other.width)


@dataclass(frozen=True)
class FileHeader:
    """What a file says of itself when NucLoop wrote it; all None when another program did."""

    slide: SlideInfo | None = None
    scheme: ClassScheme | None = None
    weights: Weights | None = None

    @classmethod
    def from_dict(cls, about: Any, source: str) -> FileHeader:
        """Check the plain types that `document.file_header` gives; DataError names `source` when they do not fit."""
        if not isinstance(about, dict):
            raise DataError(f"{source} describes its slide in a way that NucLoop did not write. Export it again.")
        weights = about.get("weights")
        slide = about.get("slide")
        return cls(
            None if slide is None else SlideInfo.from_dict(slide, source=source),
            ClassScheme.from_dict(about["scheme"], source=source) if "scheme" in about else None,
            weights if isinstance(weights, dict) else None,
        )

    @classmethod
    def found_in(cls, top: Any, source: str, key: str = "nucloop") -> FileHeader:
        """Return the header under a key of a file's top object, an empty one where there is none."""
        about = top.get(key) if isinstance(top, dict) else None
        return cls() if about is None else cls.from_dict(about, source)

    @classmethod
    def from_text(cls, text: bytes | str, source: str) -> FileHeader:
        """Check a header kept as JSON."""
        try:
            return cls.from_dict(orjson.loads(text), source)
        except orjson.JSONDecodeError as error:
            raise DataError(f"What {source} says of its slide is damaged. Export the nuclei again.") from error


def _fingerprint(path: Path | None) -> str | None:
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.sha256(file.read(FIRST_BYTES)).hexdigest()
