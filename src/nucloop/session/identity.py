"""Which slide a session belongs to."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nucloop.errors import DataError, SessionError
from nucloop.formats.slide_info import SlideInfo
from nucloop.session.faults import OtherSlide, damaged

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.slides import Slide

__all__ = ["SlideIdentity"]

_SAME_MPP = 0.01


@dataclass(frozen=True)
class SlideIdentity:
    """What tells a slide from all others: its size, resolution and the beginning of its file.

    Parameters
    ----------
    info : SlideInfo
        Name, level-0 size, µm per pixel, sha256 of the first megabyte.
    file_bytes : int or None
        Size of the file; None for arrays and for slides that are folders.
    """

    info: SlideInfo
    file_bytes: int | None = None

    @classmethod
    def of(cls, slide: Slide) -> SlideIdentity:
        """Describe an open slide; reads no more than a megabyte of it.

        Raises
        ------
        SessionError
            If the file cannot be read any more.
        """
        try:
            file = slide.path if slide.path is not None and slide.path.is_file() else None
            return cls(SlideInfo.of(slide), file.stat().st_size if file is not None else None)
        except OSError as error:
            raise SessionError(
                f"Cannot read {slide.path}: {error.strerror}. Check that the disk is connected, and open it again."
            ) from error

    def difference(self, other: SlideIdentity) -> str | None:
        """Say why two descriptions cannot be of one slide; None when they can."""
        a, b = self.info, other.info
        if (a.height, a.width) != (b.height, b.width):
            return f"that one is {a.height:,} x {a.width:,} pixels, this one {b.height:,} x {b.width:,}"
        if self.file_bytes and other.file_bytes and self.file_bytes != other.file_bytes:
            return f"that file has {self.file_bytes:,} bytes, this one {other.file_bytes:,}"
        if a.sha256 and b.sha256:
            return None if a.sha256 == b.sha256 else "the files begin differently"
        if a.mpp and b.mpp and abs(a.mpp - b.mpp) > _SAME_MPP * a.mpp:
            return f"that one has {a.mpp:g} µm per pixel, this one {b.mpp:g}"
        return None

    def with_mpp(self, mpp: float) -> SlideIdentity:
        """Return it with another resolution, µm per level-0 pixel."""
        return replace(self, info=replace(self.info, mpp=mpp))

    def require(self, other: SlideIdentity, path: Path | None) -> None:
        """Check that a session of this slide may be used with another.

        Raises
        ------
        OtherSlide
            If it is not the same one.
        """
        difference = self.difference(other)
        if difference is None:
            return
        name = "The session" if path is None else f"The session {path.name}"
        raise OtherSlide(
            f"{name} belongs to the slide {self.info.name}, not to {other.info.name}: {difference}. Open the slide it "
            "belongs to, or keep this slide's session in another folder."
        )

    def to_json(self) -> str:
        """Return the text that a session keeps."""
        return json.dumps({"info": self.info.to_dict(), "file_bytes": self.file_bytes})

    @classmethod
    def from_json(cls, text: str | None, path: Path | None) -> SlideIdentity:
        """Inverse of `to_json`; DamagedSession when it does not fit."""
        try:
            data = json.loads(text or "")
            info = SlideInfo.from_dict(data["info"], source="the session")
            size = data["file_bytes"]
        except (ValueError, RecursionError, KeyError, TypeError, DataError) as error:
            raise damaged(path, "it does not say which slide it belongs to") from error
        return cls(info, size if isinstance(size, int) else None)
