"""OME-Zarr 0.4 and 0.5 (folders and zipped), and plain zarr arrays."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import zarr
from zarr.storage import LocalStore, ZipStore

from nucloop.errors import SlideError
from nucloop.slides.arrays import array_sources
from nucloop.slides.channels import ChannelLabel
from nucloop.slides.headers.markup import MarkupError
from nucloop.slides.headers.ome import OmeImage, read_ome
from nucloop.slides.headers.resolution import microns_of, plausible
from nucloop.slides.open_file import OpenFile
from nucloop.slides.pictures import Picture, choose_picture, told_of_choice
from nucloop.slides.slide import Slide, build_levels

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_zarr"]

_MAX_CHUNK_BYTES = 900_000_000
_MAX_IMAGES = 1000
_MAX_DESCRIPTION = 64_000_000
_DESCRIPTION = "OME/METADATA.ome.xml"
_NO_CODEC = re.compile(r"codec|compressor|filter", re.I)
_QUOTED = re.compile(r"""['"]([\w.-]{1,40})['"]""")
_UNKNOWN = ("not available", "unknown", "not registered", "unsupported", "no codec")


def open_zarr(path: Path, image: int | str | None = None) -> Slide:
    """Open one picture of an OME-Zarr, or a plain zarr array of (y, x[, c]).

    Parameters
    ----------
    path : Path
        The folder or zipped folder.
    image : int or str, optional
        Number or name of the picture; without it, the slide among them is found.

    Raises
    ------
    SlideError
        If the folder is no zarr, is damaged, or holds no brightfield picture.
    """
    try:
        store: Any = ZipStore(path, mode="r") if path.is_file() else LocalStore(path, read_only=True)
        return _slide_of(zarr.open(store, mode="r"), path, image, OpenFile(store.close))
    except SlideError:
        raise
    except Exception as error:
        raise _not_opened(path.name, error) from error


def _not_opened(name: str, error: Exception) -> SlideError:
    said = f"{type(error).__name__} {error}"
    if _NO_CODEC.search(said) and any(word in said.lower() for word in _UNKNOWN):
        codec = _QUOTED.search(str(error))
        return SlideError(
            f"{name} is whole, but compressed in a way that NucLoop does not read"
            f"{f' ({codec.group(1)})' if codec else ''}. Export it again with Blosc, Zstandard or gzip compression."
        )
    return SlideError(
        f"Cannot open {name}: it is no complete OME-Zarr. Choose the folder that ends in .zarr, or copy it again."
    )


@dataclass(frozen=True)
class _ZarrPicture:
    """One multiscale image of a group."""

    about: Picture
    group: Any
    multiscale: dict[str, Any]
    described: OmeImage | None


def _slide_of(node: Any, path: Path, image: int | str | None, opened: OpenFile) -> Slide:
    name = path.name
    if isinstance(node, zarr.Array):
        _refuse_huge_chunks(node, name)
        choose_picture([Picture("", (0, 0))], image, name)
        sources = array_sources([node], None, name, opened, ())
        return Slide(name, path, None, build_levels(sources, name), None, opened.close, "zarr")
    pictures = _pictures(node, path)
    abouts = [one.about for one in pictures]
    number = choose_picture(abouts, image, name)
    chosen = pictures[number]
    axes = _axes(chosen.multiscale)
    letters = "".join(str(axis["name"])[:1] for axis in axes) or "tczyx"
    arrays = [chosen.group[str(one["path"])] for one in chosen.multiscale["datasets"]]
    for array in arrays:
        _refuse_huge_chunks(array, name)
    sources = array_sources(arrays, letters, name, opened, _labels(chosen))
    return Slide(
        name, path, plausible(*_sides(chosen.multiscale)), build_levels(sources, name),
        None if chosen.described is None else chosen.described.magnification, opened.close, "zarr",
        *told_of_choice(abouts, number, image, name),
    )  # fmt: skip


def _refuse_huge_chunks(array: Any, name: str) -> None:
    """Refuse chunks that would fill the memory: one is decoded whole, however small its file is."""
    size = prod(array.chunks) * array.dtype.itemsize
    if size > _MAX_CHUNK_BYTES:
        raise SlideError(
            f"{name} is stored in pieces of {size / 1e9:.1f} GB, too large to read one by one. Export it again with "
            "chunks of 512 or 1024 pixels."
        )


def _ome_attributes(group: Any) -> dict[str, Any]:
    """Version 0.5 keeps under "ome" what 0.4 keeps at the top."""
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _pictures(root: Any, path: Path) -> list[_ZarrPicture]:
    """Return all pictures of a group, and of the groups in it: what bioformats2raw makes of a file with several.

    Raises
    ------
    SlideError
        If it holds none.
    """
    attributes = _ome_attributes(root)
    if "plate" in attributes or "well" in attributes:
        raise SlideError(
            f"{path.name} is a plate of wells, not a slide. Open one of the images in it: a folder such as A/1/0."
        )
    found = [(root, one) for one in attributes.get("multiscales") or ()]
    described = [] if found else _descriptions(path)
    for group in [] if found else _image_groups(root):
        found += [(group, one) for one in _ome_attributes(group).get("multiscales") or ()]
    if not found:
        raise SlideError(
            f"{path.name} is a zarr group without OME-Zarr's multiscales metadata. Export it again as "
            "OME-Zarr 0.4 or 0.5, or open the array inside it."
        )
    if len(described) != len(found):
        described = [None] * len(found)
    return [_picture(group, one, about) for (group, one), about in zip(found, described, strict=True)]


def _image_groups(root: Any) -> list[Any]:
    """Return the groups of images, in the order the file gives or else by their numbers."""
    said = _ome_attributes(root["OME"]).get("series") if "OME" in root else None
    if isinstance(said, list) and said:
        names = [str(name) for name in said[:_MAX_IMAGES] if str(name) in root]
    else:
        names = sorted((name for name in root.group_keys() if name != "OME"), key=_numbers_first)[:_MAX_IMAGES]
    groups = [root[name] for name in names]
    if groups and not any(_ome_attributes(group).get("multiscales") for group in groups):
        # the first versions of bioformats2raw put the image one folder deeper
        groups = [group["0"] for group in groups if "0" in group and isinstance(group["0"], zarr.Group)]
    return [group for group in groups if isinstance(group, zarr.Group)]


def _numbers_first(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() and len(name) < 9 else (10**9, name)


def _descriptions(path: Path) -> list[OmeImage | None]:
    """Return what the OME-XML says that bioformats2raw keeps beside the images; nothing when it cannot be read."""
    try:
        if path.is_file():
            with zipfile.ZipFile(path) as archive:
                if archive.getinfo(_DESCRIPTION).file_size > _MAX_DESCRIPTION:
                    return []
                return list(read_ome(archive.read(_DESCRIPTION)).images)
        file = path / _DESCRIPTION
        return list(read_ome(file.read_bytes()).images) if file.stat().st_size <= _MAX_DESCRIPTION else []
    except (OSError, KeyError, zipfile.BadZipFile, MarkupError):
        return []


def _picture(group: Any, multiscale: dict[str, Any], described: OmeImage | None) -> _ZarrPicture:
    axes = [str(axis["name"]) for axis in _axes(multiscale)] or list("tczyx")
    datasets = multiscale["datasets"]
    shape = group[str(datasets[0]["path"])].shape
    size = (int(shape[axes.index("y")]), int(shape[axes.index("x")])) if len(axes) == len(shape) else (0, 0)
    sides = [side for side in _sides(multiscale) if side is not None]
    name = (described.name if described is not None else "") or str(multiscale.get("name") or "")
    if not name or name == "/":
        name = str(group.name).strip("/")
    about = Picture(name, size, pyramid=len(datasets) > 1, mpp=max(sides, default=None))
    return _ZarrPicture(about, group, multiscale, described)


def _labels(picture: _ZarrPicture) -> list[ChannelLabel]:
    """Return what OMERO's rendering settings, or else the OME-XML, say of the channels."""
    channels = (_ome_attributes(picture.group).get("omero") or {}).get("channels") or []
    if channels:
        return [ChannelLabel(str(one.get("label") or ""), _colour(one.get("color"))) for one in channels]
    if picture.described is not None and len(picture.described.labels) > 1:
        return list(picture.described.labels)
    return []


def _colour(text: object) -> tuple[int, int, int] | None:
    digits = str(text or "").lstrip("#")
    if not re.fullmatch(r"[0-9a-fA-F]{6}([0-9a-fA-F]{2})?", digits):
        return None
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _axes(multiscale: dict[str, Any]) -> list[dict[str, Any]]:
    return [axis if isinstance(axis, dict) else {"name": axis} for axis in multiscale.get("axes", [])]


def _sides(multiscale: dict[str, Any]) -> tuple[float | None, float | None]:
    """µm per pixel of level 0 along y and x, from its scale and the units of the axes."""
    axes = _axes(multiscale)
    names = [str(axis["name"]) for axis in axes]
    first = multiscale["datasets"][0]
    steps = [*first.get("coordinateTransformations", [])]
    steps += multiscale.get("coordinateTransformations", [])
    scales = [step["scale"] for step in steps if step.get("type") == "scale"]
    if not scales or "y" not in names or "x" not in names:
        return None, None
    y, x = (_side(axes, scales, names.index(letter)) for letter in "yx")
    return y, x


def _side(axes: list[dict[str, Any]], scales: list[list[float]], axis: int) -> float | None:
    unit = microns_of(str(axes[axis].get("unit", "")))
    size = 1.0
    for scale in scales:
        size *= float(scale[axis])
    return None if unit is None else size * unit
