"""The pictures of a TIFF, and the pages each of them is in: what every vendor arranges in its own way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, cast

from nucloop.errors import SlideError
from nucloop.slides.channels import ChannelLabel, refuse_multichannel
from nucloop.slides.headers.markup import MarkupError, attribute, elements, parse_markup
from nucloop.slides.headers.ome import OmeImage
from nucloop.slides.pictures import Picture
from nucloop.slides.pixels import refuse_stack
from nucloop.slides.tiff.directories import check_directories
from nucloop.slides.tiff.level import LevelPages
from nucloop.slides.tiff.ome_pages import ome_of

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    import tifffile

    from nucloop.slides.tiff.ome_pages import OmeFile

__all__ = ["TiffPicture", "pictures_of"]

_MAX_PAGES = 2000
_MAX_OME_PAGES = 100_000  # only those of the slide are read
_MAX_LOOKED_AT = 50
_DESCRIPTION = 1000
_ASIDE = ("macro", "map", "label", "thumbnail", "overview")
_FORMATS_THAT_NAME = ("svs", "ndpi", "bif", "qpi", "avs", "philips")
_MAX_PLANES = 4


@dataclass(frozen=True)
class TiffPicture:
    """One picture of a TIFF."""

    about: Picture
    levels: Callable[[], list[LevelPages]]
    """Finds its pages, fine to coarse; SlideError when they are no flat picture."""
    labels: tuple[ChannelLabel, ...] = ()
    """What the file says of its channels."""
    ome: OmeImage | None = None


def pictures_of(file: tifffile.TiffFile, path: Path, files: ExitStack) -> list[TiffPicture]:
    """Return the pictures of a file in its own order.

    Parameters
    ----------
    file : TiffFile
        Open file.
    path : Path
        Where it is; its parts are beside it.
    files : ExitStack
        Closes the parts that are opened.

    Raises
    ------
    SlideError
        If it has more pages than any slide, or a stack where one picture should be.
    """
    check_directories(file, path.name, _MAX_OME_PAGES if file.pages.first.is_ome else _MAX_PAGES)
    ome = ome_of(file, path, files)
    if ome is not None:
        return [_of_ome(ome, image) for image in ome.images]
    _refuse_leica_stacks(file, path.name)
    return [_of_series(file, series, path.name) for series in file.series]


def _of_ome(ome: OmeFile, image: OmeImage) -> TiffPicture:
    sides = [side for side in image.mpp if side is not None]
    look = len(ome.images) <= _MAX_LOOKED_AT
    about = Picture(
        image.name,
        image.shape,
        pyramid=look and ome.has_pyramid(image),
        mpp=max(sides, default=None),
    )
    return TiffPicture(about, lambda: ome.levels(image), image.labels, image)


def _refuse_leica_stacks(file: tifffile.TiffFile, name: str) -> None:
    if not file.is_scn:
        return
    try:
        root = parse_markup(file.pages.first.description)
    except MarkupError as error:
        raise SlideError(f"{name} cannot be read: {error}. Copy or export it again.") from error
    for one in elements(root, "pixels", deep=True) + elements(root, "image", deep=True):
        depth = attribute(one, "sizeZ") or "1"
        if depth.isdecimal() and int(depth[:9]) > 1:
            raise refuse_stack("z", int(depth[:9]), name)


def _of_series(file: tifffile.TiffFile, series: tifffile.TiffPageSeries, name: str) -> TiffPicture:
    page = series.keyframe
    own_name = _name_of(series, page)
    known = series.kind in _FORMATS_THAT_NAME or bool(file.is_svs)
    about = Picture(
        own_name,
        (int(page.imagelength), int(page.imagewidth)),
        aside=(known and own_name.lower() in _ASIDE) or bool(page.is_reduced and not series.is_pyramidal),
        pyramid=len(series.levels) > 1,
    )
    return TiffPicture(about, lambda: [_level_of(level, name) for level in series.levels], _labels_of(file, series))


def _name_of(series: tifffile.TiffPageSeries, page: tifffile.TiffPage) -> str:
    """Return a series' name, or the word at the beginning of its page's description that says what it is."""
    name = str(series.name or "")
    if name == "Baseline" or series.is_pyramidal:
        return name
    lines = page.description[:_DESCRIPTION].lower().splitlines()[:3]
    firsts = [words[0] for line in lines if (words := re.findall(r"[a-z]+", line))]
    aside = [word for word in firsts if word in _ASIDE]
    return aside[0].capitalize() if aside else name


def _labels_of(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> tuple[ChannelLabel, ...]:
    """Return what ImageJ says of the channels; other programs' series say nothing."""
    if series.kind != "imagej":
        return ()
    said = file.imagej_metadata or {}
    count = _channels_of(series)
    names = [str(one) for one in said.get("Labels") or ()][:count]
    tables = list(said.get("LUTs") or ())[:count]
    colours = [tuple(int(value) for value in table[:, -1]) for table in tables if getattr(table, "ndim", 0) == 2]
    if len(names) != count:
        names = [""] * count
    shown = [cast("tuple[int, int, int]", colour) for colour in colours] if len(colours) == count else [None] * count
    return tuple(ChannelLabel(one, colour) for one, colour in zip(names, shown, strict=True))


def _channels_of(series: tifffile.TiffPageSeries) -> int:
    axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    return min(prod(size for letter, size in zip(axes, shape, strict=True) if letter == "C"), 64)


def _level_of(level: tifffile.TiffPageSeries, name: str) -> LevelPages:
    """Return the pages of one level.

    Raises
    ------
    SlideError
        If it is a stack, or has more channels than colours.
    """
    page = level.keyframe
    planes = 1
    for letter, size in zip(level.get_axes(squeeze=False), level.get_shape(squeeze=False), strict=True):
        if letter == "C":
            planes *= size
        elif letter not in "YXS" and size > 1:
            raise refuse_stack("i" if letter in "IQ" else letter, size, name)
    if page.imagedepth > 1:
        raise refuse_stack("z", page.imagedepth, name)
    if len(level) == 1 and page.samplesperpixel == planes:
        planes = 1
    if planes > _MAX_PLANES:
        raise refuse_multichannel(planes, (), name)
    if planes > 1 and level.dataoffset is not None:
        return LevelPages(((page, level[0]),), bare_planes=planes)
    pages = [level[k] for k in range(min(planes, len(level)))]
    if len(pages) < planes or any(one is None for one in pages):
        raise SlideError(f"{name} lacks a part of its picture. Copy or export it again.")
    return LevelPages(tuple((page, one) for one in pages))
