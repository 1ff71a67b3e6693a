"""OME-Zarr 0.4 and 0.5 (folders and zipped), and plain zarr arrays."""

from math import prod
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import LocalStore, ZipStore

from nucloop.errors import SlideError
from nucloop.slides.arrays import array_sources
from nucloop.slides.open_file import OpenFile
from nucloop.slides.pixels import refuse_fluorescence
from nucloop.slides.slide import Slide, build_levels
from nucloop.slides.tiff_metadata import MICRONS, plausible

_MAX_CHUNK_BYTES = 1_000_000_000


def open_zarr(path: Path) -> Slide:
    """Open the first picture of an OME-Zarr, or a plain zarr array of (y, x[, c]).

    Raises
    ------
    SlideError
        If the folder is no zarr, is damaged, or holds no brightfield picture.
    """
    name = path.name
    try:
        store: Any = ZipStore(path, mode="r") if path.is_file() else LocalStore(path, read_only=True)
        return _slide_of(zarr.open(store, mode="r"), path, OpenFile(store.close))
    except SlideError:
        raise
    except Exception as error:
        raise SlideError(
            f"Cannot open {name}: it is no complete OME-Zarr ({type(error).__name__}: "
            f"{str(error).strip()[:160]}). Choose the folder that ends in .zarr, or copy it again."
        ) from error


def _slide_of(node: Any, path: Path, opened: OpenFile) -> Slide:
    name = path.name
    if isinstance(node, zarr.Array):
        _refuse_huge_chunks(node, name)
        sources = array_sources([node], None, name, opened)
        return Slide(name, path, None, build_levels(sources, name), None, opened.close, "zarr")
    group, multiscale = _first_picture(node, name)
    attributes = _ome_attributes(group)
    channels = (attributes.get("omero") or {}).get("channels") or []
    refuse_fluorescence([str(c.get("label", "")) for c in channels], name)
    axes = [a if isinstance(a, dict) else {"name": a} for a in multiscale.get("axes", [])]
    letters = "".join(str(a["name"])[:1] for a in axes) or "tczyx"
    arrays = [group[str(d["path"])] for d in multiscale["datasets"]]
    for array in arrays:
        _refuse_huge_chunks(array, name)
    sources = array_sources(arrays, letters, name, opened)
    mpp = _mpp(multiscale, axes)
    return Slide(name, path, mpp, build_levels(sources, name), None, opened.close, "zarr")


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


def _first_picture(group: Any, name: str) -> tuple[Any, dict[str, Any]]:
    multiscales = _ome_attributes(group).get("multiscales")
    if multiscales:
        return group, multiscales[0]
    if "0" in group and isinstance(group["0"], zarr.Group):
        return _first_picture(group["0"], name)
    raise SlideError(
        f"{name} is a zarr group without OME-Zarr's multiscales metadata. Export it again as "
        "OME-Zarr 0.4 or 0.5, or open the array inside it."
    )


def _mpp(multiscale: dict[str, Any], axes: list[dict[str, Any]]) -> float | None:
    """µm per pixel of level 0 from its scale and the units of the axes."""
    names = [str(axis["name"]) for axis in axes]
    first = multiscale["datasets"][0]
    steps = [*first.get("coordinateTransformations", [])]
    steps += multiscale.get("coordinateTransformations", [])
    scales = [step["scale"] for step in steps if step.get("type") == "scale"]
    if not scales or "y" not in names or "x" not in names:
        return None
    sides: list[float | None] = []
    for letter in "yx":
        axis = names.index(letter)
        unit = MICRONS.get(str(axes[axis].get("unit", "")).lower())
        size = 1.0
        for scale in scales:
            size *= float(scale[axis])
        sides.append(None if unit is None else size * unit)
    return plausible(*sides)
