"""Single pictures: PNG and JPEG, decoded once, when first looked at."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from nucloop.errors import MisfitError, SlideError, why
from nucloop.slides.channels import Channels
from nucloop.slides.headers.file_kinds import kind_of
from nucloop.slides.headers.jpeg_frames import jpeg_frame
from nucloop.slides.headers.resolution import plausible
from nucloop.slides.pixels import choose_conversion
from nucloop.slides.slide import Slide, build_levels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image, ImageFile

    from nucloop.slides.protocol import RgbArray

MAX_PIXELS = 400_000_000
"""Largest picture that is decoded whole: 20,000 x 20,000, 1.2 GB in memory."""

_MAX_BYTES = 1_300_000_000
_PILLOW_BYTES = 14
_PROGRESSIVE_BYTES = 6
_MAX_SCANNED = 4_000_000_000
_HEADER = 1 << 20
_END_OF_JPEG = b"\xff\xd9"
_WHOLE_MODES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def open_image(path: Path) -> Slide:
    """Open a PNG or JPEG.

    Raises
    ------
    SlideError
        If it is neither, is damaged, or is too large to be decoded whole.
    """
    source = ImageSource(path)
    with _open(path) as picture:
        mpp = _resolution(picture)
    return Slide(path.name, path, mpp, build_levels([source], path.name), None, source.forget, "image")


def _open(path: Path) -> ImageFile.ImageFile:
    """Open without Pillow's own limit, which warns of harmless sizes; ours is what decoding would take."""
    kind = kind_of(path)
    try:
        picture = PngImageFile(path) if kind == "a PNG picture" else JpegImageFile(path)
    except (OSError, SyntaxError, ValueError) as error:
        raise _not_a_picture(path, kind) from error
    if _decoder(picture, path) is None:
        size = f"{picture.height} x {picture.width}"
        picture.close()
        raise SlideError(
            f"{path.name} is {size} pixels, too large for a picture that has to be decoded whole. "
            "Export it as a tiled, pyramidal OME-TIFF."
        )
    return picture


def _not_a_picture(path: Path, kind: str | None) -> SlideError:
    unread = _unusual_jpeg(path)
    if unread is not None:
        return _unread(path, unread)
    if kind not in (None, "a PNG picture", "a JPEG picture"):
        what = kind if kind != "TIFF" else "a TIFF file"
        return SlideError(
            f"Cannot open {path.name}: it is no PNG or JPEG picture but {what}. Give it the name of what it is, or "
            "export it as a PNG."
        )
    return SlideError(
        f"Cannot open {path.name}: it is neither a PNG nor a JPEG picture, or its beginning is "
        "damaged. Copy or export it again."
    )


def _unread(path: Path, what: str) -> SlideError:
    return SlideError(f"{path.name} is {what}, which NucLoop does not read. Export it as a PNG of 8 bits.")


def _unusual_jpeg(path: Path) -> str | None:
    """Name the encoding of a JPEG that is not an everyday one."""
    if kind_of(path) != "a JPEG picture":
        return None
    with path.open("rb") as file:
        frame = jpeg_frame(file.read(_HEADER))
    return None if frame is None else frame.unread


def _decoder(picture: ImageFile.ImageFile, path: Path) -> str | None:
    """Choose what decodes a picture within bounded memory: Pillow, else the plain codec; None when nothing does."""
    pixels = picture.width * picture.height
    progressive = bool(picture.info.get("progressive"))
    coefficients = _PROGRESSIVE_BYTES * progressive
    if pixels > MAX_PIXELS or (progressive and pixels > 1 << 24 and _scans(path) * pixels > _MAX_SCANNED):
        return None
    if pixels * (_PILLOW_BYTES + coefficients) <= _MAX_BYTES:
        return "Pillow"
    samples = _WHOLE_MODES.get(picture.mode)
    if samples is None or "transparency" in picture.info or not _has_8_bits(picture):
        return None
    turned = 0 if samples == 3 else 3
    size = path.stat().st_size
    return "codec" if pixels * (samples + turned + coefficients) + size <= _MAX_BYTES else None


def _scans(path: Path) -> int:
    return path.read_bytes().count(b"\xff\xda")


def _has_8_bits(picture: ImageFile.ImageFile) -> bool:
    if isinstance(picture, JpegImageFile):
        return True
    raw = picture.tile[0].args if picture.tile else ""
    return str(raw[0] if isinstance(raw, tuple) else raw) == picture.mode


def _resolution(picture: Image.Image) -> float | None:
    """µm per pixel from the dots per inch, when they are those of a microscope, not a screen."""
    dpi = picture.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2 or not all(dpi):
        return None
    return plausible(25_400 / float(dpi[1]), 25_400 / float(dpi[0]))


class ImageSource:
    """The pixels of one picture; the first read decodes all of them."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._pixels: RgbArray | None = None
        with _open(path) as picture:
            self._shape = (picture.height, picture.width)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self._shape

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return a window as (y1 - y0, x1 - x0, 3) uint8.

        Raises
        ------
        SlideError
            If the file is truncated or damaged.
        """
        with self._lock:
            if self._pixels is None:
                self._pixels = self._decode()
            return self._pixels[y0:y1, x0:x1].copy()

    def forget(self) -> None:
        """Let go of the decoded pixels."""
        with self._lock:
            self._pixels = None

    def _decode(self) -> RgbArray:
        try:
            with _open(self._path) as picture:
                if _decoder(picture, self._path) == "Pillow":
                    values = _values(picture)
                else:
                    values = _decoded_plainly(self._path, _WHOLE_MODES[picture.mode])
        except SlideError:
            raise
        except (OSError, SyntaxError, ValueError, RuntimeError, MemoryError, LookupError, TypeError) as error:
            raise self._damaged(error) from error
        count = 1 if values.ndim == 2 else values.shape[2]
        # in a PNG the second or fourth channel is opacity, by its standard
        channels = Channels(count, count - 1, count - 1) if count in (2, 4) else Channels(count, count)
        convert = choose_conversion(channels, values.dtype, values, self._path.name)
        return convert(values.reshape(*values.shape[:2], count))

    def _damaged(self, error: Exception) -> SlideError:
        unread = _unusual_jpeg(self._path)
        if unread is not None:
            return _unread(self._path, unread)
        return SlideError(
            f"Cannot read {self._path.name}: the picture is truncated or damaged{why(error)}. Copy the file again."
        )


def _values(picture: Image.Image) -> NDArray[Any]:
    if picture.mode in ("L", "LA", "RGB", "RGBA", "1"):
        return np.asarray(picture)
    if picture.mode.startswith("I"):
        return np.asarray(picture).astype(np.uint16)
    has_alpha = picture.mode in ("PA",) or "transparency" in picture.info
    return np.asarray(picture.convert("RGBA" if has_alpha else "RGB"))


def _decoded_plainly(path: Path, samples: int) -> NDArray[Any]:
    """Decode without the copies that Pillow makes."""
    data = path.read_bytes()
    if data.startswith(b"\xff\xd8"):
        if _END_OF_JPEG not in data[-4096:]:
            raise MisfitError("its end is missing")
        values = imagecodecs.jpeg8_decode(data)
    else:
        values = imagecodecs.png_decode(data)
    if (1 if values.ndim == 2 else values.shape[2]) != samples or values.dtype != np.uint8:
        raise MisfitError("it is not what its header says")
    return np.asarray(values)
