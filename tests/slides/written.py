"""Tiny files in the layouts of different programs."""

from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile
import zarr


def tissue(height: int = 96, width: int = 128) -> np.ndarray:
    """Return a smooth picture whose three colours differ everywhere."""
    y, x = np.mgrid[:height, :width]
    return np.stack(
        [200 + 40 * np.sin(y / 31), 120 + 60 * np.cos(x / 27), 160 + 30 * np.sin((x + y) / 40)], axis=-1
    ).astype(np.uint8)


def reduced(pixels: np.ndarray, level: int) -> np.ndarray:
    """Return every 2**level-th pixel of (h, w, c)."""
    return np.ascontiguousarray(pixels[:: 2**level, :: 2**level])


def planes_of(pixels: np.ndarray) -> np.ndarray:
    """Return (c, h, w) from (h, w, c)."""
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def write_planes(path: Path, pixels: np.ndarray, subifds: int = 2, **options: Any) -> None:
    """Write what raw2ometiff writes: one page a colour, each with its own pyramid in SubIFDs, minisblack.

    Parameters
    ----------
    pixels : (h, w, c) array
    """
    metadata = {"axes": "CYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25} | options.pop("metadata", {})
    kind = {"photometric": "minisblack", "tile": (32, 32), "compression": "zlib"} | options
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as file:
        file.write(planes_of(pixels), subifds=subifds, metadata=metadata, **kind)
        for level in range(1, subifds + 1):
            file.write(planes_of(reduced(pixels, level)), subfiletype=1, metadata=None, **kind)


def ome_xml(*images: dict[str, Any], attributes: str = "", before: str = "", quote: str = '"') -> str:
    """Return OME-XML of images given as dictionaries of what differs: name, shape, channels, ifd and so on."""
    parts = []
    for number, image in enumerate(images):
        height, width = image["shape"]
        count = image.get("c", 3)
        channels = image.get("channels", f'<Channel ID="Channel:{number}:0" SamplesPerPixel="{count}"/>')
        data = image.get("data", f'<TiffData IFD="{image.get("ifd", number)}" PlaneCount="1"/>')
        parts.append(
            f'<Image ID="Image:{number}" Name={quoteattr(image.get("name", ""))}>{image.get("inside", "")}'
            f'<Pixels ID="Pixels:{number}" DimensionOrder="XYCZT" Type="uint8" SizeX="{width}" SizeY="{height}" '
            f'SizeC="{count}" SizeZ="{image.get("z", 1)}" SizeT="{image.get("t", 1)}" {image.get("pixels", "")}>'
            f"{channels}{data}</Pixels></Image>"
        )
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f"{attributes}>{before}{''.join(parts)}</OME>"
    )
    return text.replace('"', quote)


def write_pages(path: Path, pages: list[np.ndarray], description: str | None, **options: Any) -> None:
    """Write pages one after another; the description stands in the first."""
    with tifffile.TiffWriter(path, ome=False) as file:
        for number, page in enumerate(pages):
            kind = {"photometric": "rgb" if page.ndim == 3 else "minisblack", "metadata": None} | options
            text = {"description": description.encode()} if number == 0 and description is not None else {}
            file.write(page, **kind, **text)


def write_multiscale(
    group: Any, pixels: np.ndarray, axes: str = "tczyx", size: float = 0.5, levels: int = 2, **attributes: Any
) -> None:
    """Write an OME-Zarr image into a group.

    Parameters
    ----------
    pixels : (c, h, w) array
    """
    datasets = []
    for level in range(levels):
        part = pixels[:, :: 2**level, :: 2**level]
        part = np.moveaxis(part, 0, -1) if axes[-1] == "c" else part
        part = part.reshape(
            [
                part.shape["cyx".index(axis) if axes[-1] != "c" else "yxc".index(axis)] if axis in "cyx" else 1
                for axis in axes
            ]
        )
        array = group.create_array(str(level), shape=part.shape, chunks=part.shape, dtype=part.dtype)
        array[...] = part
        scale = [size * 2**level if axis in "yx" else 1.0 for axis in axes]
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    kinds = {"t": "time", "c": "channel"}
    described = [
        {"name": axis, "type": kinds.get(axis, "space")} | ({"unit": "micrometer"} if axis in "yx" else {})
        for axis in axes
    ]
    multiscale = {"axes": described, "datasets": datasets, "version": "0.4"} | attributes.pop("multiscale", {})
    if group.metadata.zarr_format == 3:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]} | attributes
    else:
        group.attrs.update({"multiscales": [multiscale]} | attributes)


def write_bioformats2raw(
    path: Path, images: list[tuple[str, np.ndarray, float]], xml: bool = True, zarr_format: int = 2
) -> None:
    """Write what bioformats2raw does: a group for each image (name, (c, h, w) pixels, µm), the OME-XML beside them."""
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    layout = {"bioformats2raw.layout": 3}
    root.attrs.update(layout if zarr_format == 2 else {"ome": {"version": "0.5"} | layout})
    for number, (_, pixels, size) in enumerate(images):
        write_multiscale(root.create_group(str(number)), pixels, size=size)
    if not xml:
        return
    ome = root.create_group("OME")
    series = {"series": [str(k) for k in range(len(images))]}
    ome.attrs.update(series if zarr_format == 2 else {"ome": {"version": "0.5"} | series})
    described = [{"name": name, "shape": pixels.shape[1:], "c": len(pixels)} for name, pixels, _ in images]
    (path / "OME" / "METADATA.ome.xml").write_text(ome_xml(*described))
