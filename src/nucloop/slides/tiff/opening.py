"""From a TIFF file to a slide."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from nucloop.errors import SlideError
from nucloop.slides.headers.file_kinds import kind_of
from nucloop.slides.needs_openslide import NeedsOpenSlide
from nucloop.slides.open_file import OpenFile
from nucloop.slides.pictures import choose_picture, told_of_choice
from nucloop.slides.pixels import choose_conversion
from nucloop.slides.slide import Slide, build_levels
from nucloop.slides.tiff.encoding import encoding_of
from nucloop.slides.tiff.level import Shared, raw_level
from nucloop.slides.tiff.metadata import magnification, resolution, tiles_overlap
from nucloop.slides.tiff.pictures import pictures_of
from nucloop.slides.tile_cache import TileCache

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.slides.protocol import PixelSource
    from nucloop.slides.tiff.level import LevelPages
    from nucloop.slides.tiff.pictures import TiffPicture

__all__ = ["open_tiff"]

_CACHE_BYTES = 96_000_000
_OPENING_FAULTS = (
    tifffile.TiffFileError, OSError, ValueError, RuntimeError, struct.error, IndexError, KeyError,
    TypeError, AttributeError, ZeroDivisionError, OverflowError, MemoryError, AssertionError,
)  # fmt: skip


def open_tiff(path: Path, image: int | str | None = None) -> Slide:
    """Open one picture of a TIFF, with or without a pyramid.

    Parameters
    ----------
    path : Path
        The file.
    image : int or str, optional
        Number or name of the picture; without it, the slide among them is found.

    Raises
    ------
    SlideError
        If the file is damaged, or holds no brightfield picture.
    """
    with ExitStack() as files:
        try:
            # tifffile's own reading of OME-XML trusts it
            file = files.enter_context(tifffile.TiffFile(path, is_ome=False))
            slide = _slide_of(file, path, image, files)
        except SlideError:
            raise
        except NotImplementedError as error:
            raise SlideError(
                f"{path.name} is arranged in a way that NucLoop does not read. Export it as a pyramidal OME-TIFF."
            ) from error
        except _OPENING_FAULTS as error:
            raise _damaged(path) from error
        return slide


def _damaged(path: Path) -> SlideError:
    kind = kind_of(path)
    if kind is not None and kind != "TIFF":
        return SlideError(f"Cannot open {path.name}: it is no TIFF file but {kind}. Give it the name of what it is.")
    return SlideError(f"Cannot open {path.name}: it is no complete TIFF file. Copy or export it again.")


def _slide_of(file: tifffile.TiffFile, path: Path, image: int | str | None, files: ExitStack) -> Slide:
    pictures = pictures_of(file, path, files)
    abouts = [one.about for one in pictures]
    number = choose_picture(abouts, image, path.name)
    picture = pictures[number]
    levels = picture.levels()
    page = levels[0].first
    if tiles_overlap(file, page):
        raise NeedsOpenSlide(path.name, "its tiles overlap, and NucLoop would lay them side by side")
    cache, mpp, power = TileCache(_CACHE_BYTES), resolution(file, picture, page), magnification(file, picture, page)
    held = ExitStack()
    opened = OpenFile(held.close)
    built = build_levels(_sources(levels, picture, Shared(path.name, cache, opened)), path.name)
    held.push(files.pop_all())

    def close() -> None:
        cache.clear()
        opened.close()

    return Slide(
        path.name, path, mpp, built, power, close, "tiff", *told_of_choice(abouts, number, image, path.name),
    )  # fmt: skip


def _sources(levels: list[LevelPages], picture: TiffPicture, shared: Shared) -> list[PixelSource]:
    """Make every level RGB in the same way: the range of values is judged once, on the coarsest."""
    name = shared.name
    encodings = [encoding_of(level.first, level.planes, picture.labels, name) for level in levels]
    raw = [raw_level(level, number, shared) for number, level in enumerate(levels)]
    dtype = np.dtype(levels[0].first.dtype)
    plain = dtype in (np.uint8, np.bool_) or (dtype.kind == "u" and encodings[0].bits < 8 * dtype.itemsize)
    sample = None if plain else raw[-1].sample()
    sources = []
    for one, encoding, level in zip(raw, encodings, levels, strict=True):
        convert = choose_conversion(
            encoding.channels,
            np.dtype(level.first.dtype),
            sample,
            name,
            bits=encoding.bits,
            inverted=encoding.inverted,
        )
        sources.append(one.as_rgb(convert, encoding))
    return sources
