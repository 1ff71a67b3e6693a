"""What the header of a JPEG says of it, before memory is taken for its pixels."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["JpegFrame", "jpeg_frame"]

_LENGTHLESS = (0x01, *range(0xD0, 0xD9))
_NO_FRAME = (0xC4, 0xC8, 0xCC)
_SCAN = 0xDA
_DECODED = (0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA)


@dataclass(frozen=True)
class JpegFrame:
    """Kind and size of a JPEG."""

    marker: int
    """Second byte of the marker that begins the frame: 0xC0 and 0xC1 sequential, 0xC2 progressive."""
    bits: int
    """Of a sample."""
    height: int
    width: int
    components: int

    @property
    def unread(self) -> str | None:
        """What no common decoder reads, by its name; None when it is an everyday JPEG."""
        if self.bits != 8:
            return f"a JPEG of {self.bits} bits"
        return None if self.marker in _DECODED else "a hierarchical JPEG"


def jpeg_frame(data: bytes) -> JpegFrame | None:
    """Return the frame that a JPEG begins with, None when there is none before its first scan."""
    at, end = 2, len(data) - 9
    while at < end and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _LENGTHLESS:
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = data[at + 5] << 8 | data[at + 6], data[at + 7] << 8 | data[at + 8]
            return JpegFrame(marker, data[at + 4], height, width, data[at + 9])
        elif marker == _SCAN:
            return None
        else:
            at += 2 + (data[at + 2] << 8 | data[at + 3])
    return None
