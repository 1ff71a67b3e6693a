"""Slides to measure on, made of the drawn H&E field: large, quickly written, and nobody's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
import zarr

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIELD = Path(__file__).parents[2] / "sample_data" / "synthetic_he.tif"
FIELD_MPP = 0.5
WHITE = 255
CHUNK = 1024


def field() -> NDArray[np.uint8]:
    """Return the drawn field, (1024, 1024, 3) at 0.5 µm per pixel."""
    return tifffile.imread(FIELD)


def mirrored(side: int) -> NDArray[np.uint8]:
    """Return tissue of any size without seams: the field and its mirror images in turn, (side, side, 3)."""
    pixels = field()
    pixels = np.concatenate([pixels, pixels[::-1]], 0)
    pixels = np.concatenate([pixels, pixels[:, ::-1]], 1)
    times = -(-side // len(pixels))
    return np.ascontiguousarray(np.tile(pixels, (times, times, 1))[:side, :side])


def write_tissue(path: Path, side: int) -> Path:
    """Write a pyramidal OME-TIFF full of tissue at 0.5 µm per pixel, JPEG as scanners write it."""
    pixels = mirrored(side)
    common: dict[str, Any] = {"photometric": "rgb", "compression": "jpeg", "tile": (512, 512)}
    size = {f"PhysicalSize{axis}": FIELD_MPP for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(pixels, subifds=2, metadata={"axes": "YXS", **size, **units}, **common)
        for step in (2, 4):
            file.write(np.ascontiguousarray(pixels[::step, ::step]), subfiletype=1, metadata=None, **common)
    return path


def write_sparse_slide(path: Path, side: int, chunk: int = CHUNK) -> Path:
    """Write an OME-Zarr that is glass but for a square of tissue, 8 chunks wide on level 0.

    Glass takes no room and no time: its chunks are missing, so they read as white.

    Parameters
    ----------
    side : int
        Height and width of level 0, pixels of 0.25 µm.
    chunk : int
        Side of the chunks, pixels.
    """
    group = zarr.open_group(path, mode="w", zarr_format=3)
    pixels = mirrored(4 * chunk)
    levels = [pixels.repeat(2, 0).repeat(2, 1), pixels, pixels[::2, ::2], pixels[::4, ::4]]
    # on whole chunks of every level
    corner = side // 2 // (8 * chunk) * (8 * chunk)
    datasets = []
    for k, part in enumerate(levels):
        shape = (-(-side // 2**k), -(-side // 2**k), 3)
        array = group.create_array(str(k), shape=shape, chunks=(chunk, chunk, 3), dtype="uint8", fill_value=WHITE)
        start = corner // 2**k
        array[start : start + len(part), start : start + len(part)] = part
        scale = [FIELD_MPP / 2 * 2**k] * 2 + [1.0]
        datasets.append({"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    space = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    axes = [*space, {"name": "c", "type": "channel"}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    return path
