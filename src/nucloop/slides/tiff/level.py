"""The pixels of one level of a TIFF, decoded tile by tile straight from its pages.

That is several times faster than a zarr store on top. A level is one page, or one page for each colour. What lies in
the file as bare pixels is mapped into memory instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from nucloop.errors import SlideError
from nucloop.slides.arrays import ArraySource, sample_of
from nucloop.slides.open_file import OpenFile
from nucloop.slides.pixels import Layout, ToRgb
from nucloop.slides.tiff.encoding import JPEG, gives_rgb
from nucloop.slides.tiff.tile_sizes import size_within
from nucloop.slides.tile_cache import TileCache, read_by_tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.slides.protocol import PixelSource, RgbArray
    from nucloop.slides.tiff.encoding import Encoding

__all__ = ["LevelPages", "RawLevel", "Shared", "TiffLevel", "raw_level"]

_MAX_BYTES = 1_300_000_000
_MAX_SAMPLES = 25
_MAX_SAMPLE_PIXELS = 20_000_000
_MUCH_LARGER = 4
_BAND_PIXELS = 1_000_000
_YCBCR = 6


@dataclass(frozen=True)
class LevelPages:
    """The pages that make one level."""

    pages: tuple[tuple[tifffile.TiffPage, Any], ...]
    """The page that says how a plane is stored, and the page or frame that says where."""
    bare_planes: int = 1
    """How many planes follow each other as bare pixels behind the first page, which then is the only one."""

    @property
    def first(self) -> tifffile.TiffPage:
        """The page that says how the first plane is stored."""
        return self.pages[0][0]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return int(self.first.imagelength), int(self.first.imagewidth)

    @property
    def planes(self) -> int:
        """How many planes of their own its samples are in; 1 when one page holds them all."""
        return max(len(self.pages), self.bare_planes)


@dataclass(frozen=True)
class Shared:
    """What all levels of a slide use together."""

    name: str
    cache: TileCache
    opened: OpenFile


def raw_level(level: LevelPages, number: int, shared: Shared) -> RawLevel | BarePixels:
    """Return how the stored values of a level are read.

    Raises
    ------
    SlideError
        If it is cut into tiles that would fill the memory, or says so in numbers that are none.
    """
    first = level.first
    cut = [first.tilelength, first.tilewidth] if first.is_tiled else [first.rowsperstrip]
    for _, where in level.pages:
        # all offsets are of one type
        cut += [*where.dataoffsets[:1], *where.databytecounts[:1]]
    if not all(isinstance(number, Integral) for number in cut):
        raise SlideError(
            f"{shared.name} does not say in whole numbers where its tiles are and how large. Copy or export it again."
        )
    if level.bare_planes > 1 or all(page.is_memmappable for page, _ in level.pages):
        return BarePixels(level, shared)
    return RawLevel(level, number, shared)


class BarePixels:
    """A level that lies in the file as it is."""

    def __init__(self, level: LevelPages, shared: Shared) -> None:
        self._shared = shared
        arrays = [_mapped(page, segments, level.bare_planes) for page, segments in level.pages]
        together = level.planes == 1 and level.first.planarconfig == 1
        self._layout = Layout(3, 0, 1, 2) if together else Layout(3, 1, 2, 0)
        self._array: Any = arrays[0] if len(arrays) == 1 else _Planes([one.reshape(level.shape) for one in arrays])

    def sample(self) -> NDArray[Any]:
        """Return values that show their range."""
        return sample_of(self._array, self._layout)

    def as_rgb(self, convert: ToRgb, encoding: Encoding) -> PixelSource:
        """Return the level as RGB."""
        assert not encoding.ycbcr
        return ArraySource(self._array, self._layout, convert, self._shared.name, self._shared.opened)


def _mapped(page: tifffile.TiffPage, segments: Any, planes: int) -> NDArray[Any]:
    """Map a page, with the planes that follow it, into memory: (y, x, sample) or (plane, y, x)."""
    apart, _, height, width, together = page.shaped
    handle = page.parent.filehandle
    assert page.dtype is not None
    return np.memmap(
        handle.path,
        page.dtype.newbyteorder(page.parent.byteorder),
        "r",
        segments.dataoffsets[0],
        (height, width, together) if planes == 1 == page.planarconfig else (planes * apart, height, width),
    )


class _Planes:
    """Planes of one size, indexed as one array (plane, y, x)."""

    def __init__(self, planes: list[NDArray[Any]]) -> None:
        self._planes = planes
        self.shape = (len(planes), *planes[0].shape)
        self.dtype = planes[0].dtype

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        return np.stack([plane[index[1:]] for plane in self._planes])


class _Plane:
    """Where the tiles (or strips) of one plane are, and how they are decoded."""

    def __init__(self, page: tifffile.TiffPage, where: Any, first: int) -> None:
        self.first, self.compression = first, int(page.compression)
        self.handle, self.offsets, self.sizes = page.parent.filehandle, where.dataoffsets, where.databytecounts
        # tifffile's lock does nothing until it is asked for; all levels of a file share it
        self.handle.set_lock(True)
        # The decoder is a cached property, unsafe to build from two threads at once.
        self.decode = page.decode
        self.arguments: dict[str, Any] = {"_fullsize": True}
        self.says_its_size = True
        if self.compression in JPEG:
            header = page.jpegheader
            self.arguments |= {"jpegtables": where.jpegtables, "jpegheader": header}
            self.says_its_size = header is None


class RawLevel:
    """The stored values of a level, tile by tile (or strip by strip)."""

    def __init__(self, level: LevelPages, number: int, shared: Shared) -> None:
        page = level.first
        self.number, self.shape, self._shared = number, level.shape, shared
        height, width = self.shape
        self.tile = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, height), width)
        self.columns = -(-width // max(1, self.tile[1]))
        self.count = -(-height // max(1, self.tile[0])) * self.columns
        self._refuse_large_tiles(page)
        self._is_tiled = page.is_tiled
        self._planes = [
            _Plane(page, where, plane * self.count)
            for page, where in level.pages
            for plane in range(page.samplesperpixel if page.planarconfig != 1 else 1)
        ]

    def _refuse_large_tiles(self, page: tifffile.TiffPage) -> None:
        assert page.dtype is not None
        together = page.samplesperpixel if page.planarconfig == 1 else 1
        pixels = self.tile[0] * self.tile[1]
        plain = page.dtype == np.uint8 and together == 3 and (page.photometric != _YCBCR or page.compression in JPEG)
        taken = pixels * (together * page.dtype.itemsize + (0 if plain else 3))
        # of several tiles the last is kept while the next is decoded
        if min(self.tile) < 1 or taken > (_MAX_BYTES if self.count == 1 else _MAX_BYTES // 2):
            raise SlideError(
                f"{self._shared.name} is cut into tiles of {self.tile[0]} x {self.tile[1]} pixels, which is "
                "too large to read piece by piece. Export it again with tiles of 256 or 512."
            )

    def decoded(self, index: int) -> tuple[NDArray[Any] | None, bool]:
        """Return one tile as (h, w, samples), None where the scanner left it out, and whether its decoder made it RGB.

        Raises
        ------
        SlideError
            If it is truncated or damaged.
        """
        if len(self._planes) == 1:
            return self._segment(self._planes[0], index)
        parts = [self._segment(plane, index)[0] for plane in self._planes]
        there = [part for part in parts if part is not None]
        if not there:
            return None, False
        # a plane that was left out is as bright as it gets
        full = [np.full_like(there[0], _brightest(there[0].dtype)) if part is None else part for part in parts]
        return np.concatenate(full, axis=-1), False

    def _segment(self, plane: _Plane, index: int) -> tuple[NDArray[Any] | None, bool]:
        data = self._bytes(plane, index)
        if data is None:
            return None, False
        if plane.says_its_size:
            self._refuse_bombs(plane.compression, data, index)
        try:
            values = plane.decode(data, plane.first + index, **plane.arguments)[0]
        except Exception as error:
            raise self._damaged(index, "is damaged") from error
        return (None if values is None else values[0]), gives_rgb(plane.compression, data)

    def _refuse_bombs(self, compression: int, data: bytes, index: int) -> None:
        """Look at the size that a compressed picture gives for itself before memory is taken for it."""
        size = size_within(compression, data)
        if size is not None and size[0] * size[1] > _MUCH_LARGER * max(self.tile[0] * self.tile[1], 1 << 16):
            raise self._damaged(index, f"says that it is {size[0]} x {size[1]} pixels")

    def _bytes(self, plane: _Plane, index: int) -> bytes | None:
        number = plane.first + index
        if number >= min(len(plane.offsets), len(plane.sizes)):
            raise self._damaged(index, "is missing")
        offset, size = plane.offsets[number], plane.sizes[number]
        if not size:
            return None
        if not (isinstance(offset, int | np.integer) and isinstance(size, int | np.integer) and min(offset, size) >= 0):
            raise self._damaged(index, "has no place in the file")
        if self._shared.opened.closed:
            raise SlideError(f"{self._shared.name} was closed. Open it again to look at it.")
        if offset + size > plane.handle.size:
            raise self._damaged(index, "is truncated")
        try:
            with plane.handle.lock:
                plane.handle.seek(int(offset))
                data: bytes = plane.handle.read(int(size))
        except (OSError, ValueError) as error:
            # nowhere in a file, or on a disk that has gone
            raise self._damaged(index, "cannot be read") from error
        if len(data) < size:
            raise self._damaged(index, "is truncated")
        return data

    def _damaged(self, index: int, what: str) -> SlideError:
        advice = "Copy the file again" + (", or zoom out: other levels may be whole." * (not self.number) or ".")
        row, column = divmod(index, self.columns)
        kind = "tile" if self._is_tiled else "strip"
        return SlideError(
            f"Cannot read {self._shared.name}: {kind} {index} of level {self.number} (row "
            f"{row * self.tile[0]}, column {column * self.tile[1]}) {what}. {advice}"
        )

    def sample(self) -> NDArray[Any]:
        """Return values that show their range: of the whole level, or of tiles all over it."""
        most = min(self.count, _MAX_SAMPLES, max(1, _MAX_SAMPLE_PIXELS // (self.tile[0] * self.tile[1])))
        wanted = np.unique(np.linspace(0, self.count - 1, most).astype(int))
        blocks = [values.ravel() for index in wanted if (values := self.decoded(int(index))[0]) is not None]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks or [np.empty(0)])

    def as_rgb(self, convert: ToRgb, encoding: Encoding) -> PixelSource:
        """Return the level as RGB, its tiles kept for a while."""
        return TiffLevel(self, convert, self._shared.cache, ycbcr=encoding.ycbcr)


def _brightest(dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "iu":
        return np.iinfo(dtype).max
    return 1


class TiffLevel:
    """One level of a pyramid whose tiles (or strips) are decoded on demand."""

    def __init__(self, raw: RawLevel, convert: ToRgb, cache: TileCache, *, ycbcr: bool) -> None:
        self._raw, self._convert, self._cache, self._ycbcr = raw, convert, cache, ycbcr

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self._raw.shape

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return a window as (y1 - y0, x1 - x0, 3) uint8.

        Raises
        ------
        SlideError
            If a tile of the file is truncated or damaged.
        """
        return read_by_tiles(self._read_tile, self._raw.tile, (y0, x0, y1, x1))

    def _read_tile(self, row: int, column: int) -> RgbArray:
        index = row * self._raw.columns + column
        key = (self._raw.number, index)
        tile = self._cache.get(key)
        if tile is None:
            values, is_rgb = self._raw.decoded(index)
            tile = np.full((*self._raw.tile, 3), 255, np.uint8) if values is None else self._to_rgb(values, is_rgb)
            self._cache.put(key, tile)
        return tile

    def _to_rgb(self, values: NDArray[Any], is_rgb: bool) -> RgbArray:
        if self._ycbcr and not is_rgb:
            values = _ycbcr_to_rgb(values)
        return self._convert(values)


def _ycbcr_to_rgb(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Full-range BT.601, which TIFF and JPEG mean by YCbCr; samples behind the third stay as they are."""
    out = np.empty_like(values)
    out[..., 3:] = values[..., 3:]
    rows = max(1, _BAND_PIXELS // values.shape[1])
    for top in range(0, len(values), rows):
        y, cb, cr = np.moveaxis(values[top : top + rows, :, :3].astype(np.float32), -1, 0)
        cb, cr = cb - 128.0, cr - 128.0
        rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
        out[top : top + rows, :, :3] = np.clip(rgb + 0.5, 0, 255)
    return out
