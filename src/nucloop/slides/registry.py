"""Which reader opens which file."""

import copyreg
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nucloop.errors import SlideError
from nucloop.slides.slide import Slide, keep_open

Opener = Callable[[Path], Slide]


def _tiff(path: Path) -> Slide:
    from nucloop.slides.tiff import open_tiff

    return open_tiff(path)


def _zarr(path: Path) -> Slide:
    from nucloop.slides.omezarr import open_zarr

    return open_zarr(path)


def _image(path: Path) -> Slide:
    from nucloop.slides.image import open_image

    return open_image(path)


def _openslide(path: Path) -> Slide:
    from nucloop.slides.openslide import open_with_openslide

    return open_with_openslide(path)


READERS: dict[str, Opener] = {
    "tiff": _tiff,
    "zarr": _zarr,
    "image": _image,
    "openslide": _openslide,
}
"""Readers by the name a person can ask for."""

SUFFIXES: dict[str, str] = {
    ".svs": "tiff",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".ndpi": "tiff",
    ".scn": "tiff",
    ".bif": "tiff",
    ".btf": "tiff",
    ".qptiff": "tiff",
    ".zarr": "zarr",
    ".zip": "zarr",
    ".png": "image",
    ".jpg": "image",
    ".jpeg": "image",
    ".mrxs": "openslide",
    ".vms": "openslide",
    ".vmu": "openslide",
    ".svslide": "openslide",
    ".dcm": "openslide",
    ".czi": "openslide",
}
"""The reader of each kind of file, by the end of its name."""


def reader_for(path: Path) -> str | None:
    """Name of the reader for a path, None when no reader knows such names."""
    if path.suffix.lower() == ".zip" and not path.stem.lower().endswith(".zarr"):
        return None
    if path.is_dir() and path.suffix.lower() != ".zarr":
        marks = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
        return "zarr" if any((path / mark).exists() for mark in marks) else None
    return SUFFIXES.get(path.suffix.lower())


def openslide_is_installed() -> bool:
    """Tell whether openslide-python can be imported."""
    return find_spec("openslide") is not None


def open_slide(path: str | Path, *, mpp: float | None = None, reader: str = "auto") -> Slide:
    """Open a slide; pixels are read only when asked for.

    Parameters
    ----------
    path : str or Path
        SVS, OME-TIFF, pyramidal TIFF, NDPI, OME-Zarr (folder or .zarr.zip), PNG or JPEG; MIRAX and
        others when openslide-python is installed.
    mpp : float, optional
        µm per pixel of level 0; goes before what the file says.
    reader : str
        "auto" (by the name of the file), "tiff", "zarr", "image" or "openslide".

    Returns
    -------
    Slide
        Its `mpp` is None when neither the file nor the caller says it.

    Raises
    ------
    SlideError
        If the file is missing, damaged, or not a brightfield picture.
    """
    path = Path(path)
    if reader not in READERS and reader != "auto":
        raise SlideError(f"There is no reader {reader!r}. Choose one of: {', '.join(READERS)}.")
    if not path.exists():
        raise SlideError(f"There is no file {path}. Check the name, or where it was moved.")
    chosen = (reader_for(path) or "") if reader == "auto" else reader
    if not chosen:
        raise SlideError(
            f"NucLoop does not know files like {path.name}. It reads "
            f"{', '.join(sorted(SUFFIXES))}; export the slide to one of these."
        )
    slide = READERS[chosen](path)
    return slide if mpp is None else slide.with_mpp(mpp)


def _elsewhere(slide: Slide) -> tuple[Any, ...]:
    """Say how another process makes this slide: from its file, or from its levels when it has none."""
    if slide.path is None:
        return Slide, (slide.name, None, slide.mpp, tuple(slide.levels), slide.magnification, keep_open)
    return _reopen, (slide.path, slide.mpp, slide.reader)


def _reopen(path: Path, mpp: float | None, reader: str) -> Slide:
    return open_slide(path, mpp=mpp, reader=reader)


# here, as a slide itself does not know who opens files
copyreg.pickle(Slide, _elsewhere)
