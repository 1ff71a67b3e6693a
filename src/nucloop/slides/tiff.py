"""TIFF in all its dialects: Aperio SVS, OME-TIFF, NDPI, Leica, Ventana, plain pyramids.

Tiles are decoded one by one, straight from the page, which is several times faster than a zarr store
on top; unusual arrangements (separate colour planes, one page a channel) go through the store.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from nucloop.errors import SlideError
from nucloop.slides.arrays import array_sources
from nucloop.slides.open_file import OpenFile
from nucloop.slides.pixels import choose_conversion, refuse_fluorescence
from nucloop.slides.protocol import PixelSource, RgbArray
from nucloop.slides.slide import Slide, build_levels
from nucloop.slides.tiff_metadata import channel_names, magnification, resolution
from nucloop.slides.tile_cache import TileCache, read_by_tiles

_CACHE_BYTES = 96_000_000
_MAX_TILE_PIXELS = 400_000_000
_JPEG = (6, 7, 34892, 33007)
_APERIO_YCBCR = 33003
_PLAIN_COLOURS = ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR")
_NOT_THE_SLIDE = ("macro", "map", "label", "thumbnail", "overview")
_OPENING_FAULTS = (
    tifffile.TiffFileError, OSError, ValueError, RuntimeError, struct.error, IndexError, KeyError,
    TypeError, AttributeError, ZeroDivisionError, OverflowError, MemoryError, AssertionError,
)  # fmt: skip


def open_tiff(path: Path) -> Slide:
    """Open any TIFF that holds one brightfield picture, with or without a pyramid.

    Raises
    ------
    SlideError
        If the file is damaged, or holds no such picture.
    """
    try:
        file = tifffile.TiffFile(path)
    except _OPENING_FAULTS as error:
        raise _damaged(path, error) from error
    try:
        return _slide_of(file, path)
    except SlideError:
        file.close()
        raise
    except _OPENING_FAULTS as error:
        file.close()
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> SlideError:
    what = str(error).strip().splitlines()[:1] or [type(error).__name__]
    return SlideError(
        f"Cannot open {path.name}: it is no complete TIFF file ({what[0][:160]}). Copy or export it again."
    )


def _slide_of(file: tifffile.TiffFile, path: Path) -> Slide:
    series = _main_series(file, path.name)
    refuse_fluorescence(channel_names(file), path.name)
    cache = TileCache(_CACHE_BYTES)
    opened = OpenFile(file.close)
    sources: list[PixelSource] = []
    for number, level in enumerate(series.levels):
        if _decodes_page_wise(level):
            sources.append(TiffLevel(file, level, number, cache, path.name, opened))
        else:
            sources.extend(_stored_level(level, path.name, opened))

    def close() -> None:
        cache.clear()
        opened.close()

    height, width = max(s.shape for s in sources)
    return Slide(
        path.name, path, resolution(file, (height, width)), build_levels(sources, path.name),
        magnification(file), close, "tiff",
    )  # fmt: skip


def _main_series(file: tifffile.TiffFile, name: str) -> tifffile.TiffPageSeries:
    """Choose the slide among label, macro and thumbnail: Aperio's comes first, others' is largest."""
    series = list(file.series)
    if not series:
        raise SlideError(f"{name} holds no picture. Export it again as a pyramidal RGB TIFF.")
    if file.is_svs:
        return series[0]
    slides = [s for s in series if s.name.lower() not in _NOT_THE_SLIDE] or series
    return max(slides, key=lambda s: int(np.prod([n for n in s.shape if n > 4] or [0])))


def _colour(page: tifffile.TiffPage) -> str:
    return str(getattr(page.photometric, "name", page.photometric))


def _decodes_page_wise(level: tifffile.TiffPageSeries) -> bool:
    page = level.keyframe
    return bool(
        len(level.pages) == 1
        and page.planarconfig == 1
        and page.imagedepth == 1
        and page.dtype == np.uint8
        and 1 <= page.samplesperpixel <= 4
        and _colour(page) in _PLAIN_COLOURS
        and not page.is_memmappable
    )


def _stored_level(level: tifffile.TiffPageSeries, name: str, opened: OpenFile) -> list[PixelSource]:
    page = level.keyframe
    colour = _colour(page)
    if colour not in _PLAIN_COLOURS or (colour == "YCBCR" and page.compression not in _JPEG):
        raise SlideError(f"{name} is coloured in a way NucLoop does not read ({colour}). Export it as RGB.")
    array: Any
    if page.is_memmappable and len(level.pages) == 1:
        array = level.asarray(out="memmap")
        axes = level.axes
    else:
        array = zarr.open_array(level.aszarr(), mode="r")
        axes = level.axes
    if colour == "MINISWHITE":
        raise SlideError(f"{name} is stored with black as its highest value. Export it as RGB.")
    return list(array_sources([array], axes.replace("I", "Q"), name, opened))


class TiffLevel:
    """One level of a pyramid whose tiles (or strips) are decoded on demand."""

    def __init__(
        self,
        file: tifffile.TiffFile,
        level: tifffile.TiffPageSeries,
        number: int,
        cache: TileCache,
        name: str,
        opened: OpenFile,
    ) -> None:
        page, segments = level.keyframe, level.pages[0]
        assert segments is not None
        self._handle, self._page, self._number = file.filehandle, page, number
        self._offsets, self._sizes = segments.dataoffsets, segments.databytecounts
        self._cache, self._name, self._opened = cache, name, opened
        # tifffile's lock does nothing until it is asked for; all levels of a file share it
        file.filehandle.set_lock(True)
        self._lock = file.filehandle.lock
        self._tile = (
            (page.tilelength, page.tilewidth)
            if page.is_tiled
            else (min(page.rowsperstrip, page.imagelength), page.imagewidth)
        )
        if min(self._tile) < 1 or self._tile[0] * self._tile[1] > _MAX_TILE_PIXELS:
            raise SlideError(
                f"{name} is cut into tiles of {self._tile[0]} x {self._tile[1]} pixels, which is "
                "too large to read piece by piece. Export it again with tiles of 256 or 512."
            )
        self._columns = -(-page.imagewidth // self._tile[1])
        # The decoder is a cached property, unsafe to build from two threads at once.
        self._decode = page.decode
        self._arguments: dict[str, Any] = {}
        if page.compression in _JPEG:
            self._arguments = {"jpegtables": segments.jpegtables, "jpegheader": page.jpegheader}
        self._convert = choose_conversion(page.samplesperpixel, np.dtype(np.uint8), None, name)
        self._inverted = _colour(page) == "MINISWHITE"
        self._ycbcr = page.compression == _APERIO_YCBCR or (_colour(page) == "YCBCR" and page.compression not in _JPEG)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self._page.imagelength, self._page.imagewidth

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return a window as (y1 - y0, x1 - x0, 3) uint8.

        Raises
        ------
        SlideError
            If a tile of the file is truncated or damaged.
        """
        return read_by_tiles(self._read_tile, self._tile, (y0, x0, y1, x1))

    def _read_tile(self, row: int, column: int) -> RgbArray:
        index = row * self._columns + column
        key = (self._number, index)
        tile = self._cache.get(key)
        if tile is None:
            tile = self._decode_tile(index)
            self._cache.put(key, tile)
        return tile

    def _decode_tile(self, index: int) -> RgbArray:
        try:
            data = self._read_bytes(index)
            segment = self._decode(data, index, _fullsize=True, **self._arguments)[0]
        except SlideError:
            raise
        except Exception as error:
            raise self._damaged(index, "is damaged") from error
        if segment is None:
            return np.full((*self._tile, 3), 255, np.uint8)
        return self._to_rgb(segment[0])

    def _read_bytes(self, index: int) -> bytes | None:
        if index >= len(self._offsets):
            raise self._damaged(index, "is missing")
        offset, size = self._offsets[index], self._sizes[index]
        if not size:
            return None
        if self._opened.closed:
            raise SlideError(f"{self._name} was closed. Open it again to look at it.")
        with self._lock:
            self._handle.seek(offset)
            data: bytes = self._handle.read(size)
        if len(data) < size:
            raise self._damaged(index, "is truncated")
        return data

    def _damaged(self, index: int, what: str) -> SlideError:
        advice = "Copy the file again" + (", or zoom out: other levels may be whole." * (not self._number) or ".")
        row, column = divmod(index, self._columns)
        kind = "Tile" if self._page.is_tiled else "Strip"
        return SlideError(
            f"Cannot read {self._name}: {kind.lower()} {index} of level {self._number} (row "
            f"{row * self._tile[0]}, column {column * self._tile[1]}) {what}. {advice}"
        )

    def _to_rgb(self, values: NDArray[np.uint8]) -> RgbArray:
        if self._inverted:
            values = ~values
        if self._ycbcr:
            values = _ycbcr_to_rgb(values)
        return self._convert(values)


def _ycbcr_to_rgb(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Full-range BT.601, which TIFF and JPEG mean by YCbCr."""
    y, cb, cr = np.moveaxis(values.astype(np.float32), -1, 0)
    cb, cr = cb - 128.0, cr - 128.0
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return np.asarray(np.clip(rgb + 0.5, 0, 255)).astype(np.uint8)
