"""How dense nuclei lie, class by class, as a small picture that other programs read: OME-TIFF at 32 µm per pixel."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from nucloop.formats.atomic import replacing_path

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei

__all__ = ["DENSITY_MPP", "densities", "write_density_map"]

DENSITY_MPP = 32.0
"""µm per pixel."""


def densities(nuclei: Nuclei, shape: tuple[int, int], mpp: float) -> NDArray[np.float32]:
    """Return nuclei per mm², all of them first and then each class, (1 + C, h, w).

    Parameters
    ----------
    nuclei : Nuclei
        Level-0 pixels.
    shape : (height, width)
        Of the slide, level-0 pixels.
    mpp : float
        Level-0 µm per pixel.
    """
    step = DENSITY_MPP / mpp
    height, width = (max(int(np.ceil(side / step)), 1) for side in shape)
    cells = np.floor((nuclei.yx.astype(np.float64) + 0.5) / step).astype(np.int64)
    cells = np.clip(cells, 0, (height - 1, width - 1))
    flat = cells[:, 0] * width + cells[:, 1]
    classes = range(len(nuclei.scheme))
    counts = [np.bincount(flat, minlength=height * width)]
    counts += [np.bincount(flat[nuclei.label == k], minlength=height * width) for k in classes]
    return (np.stack(counts).reshape(-1, height, width) / (DENSITY_MPP**2 / 1e6)).astype(np.float32)


def write_density_map(path: Path, nuclei: Nuclei, shape: tuple[int, int], mpp: float, name: str) -> None:
    """Write the map as OME-TIFF, one channel a class; the same nuclei and name give the same bytes.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    about = {
        "axes": "CYX",
        "Name": f"nuclei per mm² of {name}",
        "PhysicalSizeX": DENSITY_MPP,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": DENSITY_MPP,
        "PhysicalSizeYUnit": "µm",
        "Channel": {"Name": ["all nuclei", *nuclei.scheme.names]},
        # made from the name, where the library would make one up each time
        "UUID": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
    }
    pixels = densities(nuclei, shape, mpp)
    with replacing_path(path) as part, part.open("wb") as file:
        # an open file: the name of the part that is written would else stand in it
        tifffile.imwrite(
            file, pixels, ome=True, metadata=about, photometric="minisblack", compression="deflate", software="NucLoop"
        )
