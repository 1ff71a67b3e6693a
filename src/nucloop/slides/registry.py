"""Which reader opens which file."""

import copyreg
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nucloop.errors import SlideError
from nucloop.slides.needs_openslide import NeedsOpenSlide
from nucloop.slides.slide import Slide, keep_open

Opener = Callable[[Path, int | str | None], Slide]


def _tiff(path: Path, image: int | str | None) -> Slide:
    from nucloop.slides.tiff.opening import open_tiff

    return open_tiff(path, image)


def _zarr(path: Path, image: int | str | None) -> Slide:
    from nucloop.slides.omezarr import open_zarr

    return open_zarr(path, image)


def _image(path: Path, image: int | str | None) -> Slide:
    from nucloop.slides.image import open_image

    _refuse_other_images(path, image)
    return open_image(path)


def _openslide(path: Path, image: int | str | None) -> Slide:
    from nucloop.slides.openslide import open_with_openslide

    _refuse_other_images(path, image)
    return open_with_openslide(path)


def _czi(path: Path, image: int | str | None) -> Slide:
    from nucloop.slides.czi import open_czi

    return open_czi(path, image)


def _dicom(path: Path, image: int | str | None) -> Slide:
    # OpenSlide reads DICOM too, though fewer kinds, and no folders
    if find_spec("wsidicom") is None and openslide_is_installed() and path.is_file():
        return _openslide(path, image)
    from nucloop.slides.dicom import open_dicom

    return open_dicom(path, image)


def _refuse_other_images(path: Path, image: int | str | None) -> None:
    if image not in (None, 0, "0"):
        raise SlideError(f"{path.name} has no image {image!r}: of such files only the slide itself is read.")


READERS: dict[str, Opener] = {
    "tiff": _tiff,
    "zarr": _zarr,
    "image": _image,
    "openslide": _openslide,
    "czi": _czi,
    "dicom": _dicom,
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
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".czi": "czi",
}
"""The reader of each kind of file, by the end of its name."""


def reader_for(path: Path) -> str | None:
    """Name of the reader for a path, None when no reader knows such names."""
    if path.suffix.lower() == ".zip" and not path.stem.lower().endswith(".zarr"):
        return None
    if path.is_dir() and path.suffix.lower() != ".zarr":
        marks = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
        if any((path / mark).exists() for mark in marks):
            return "zarr"
        return "dicom" if any(path.glob("*.[dD][cC][mM]")) else None
    return SUFFIXES.get(path.suffix.lower())


def openslide_is_installed() -> bool:
    """Tell whether openslide-python can be imported."""
    return find_spec("openslide") is not None


def open_slide(
    path: str | Path, *, mpp: float | None = None, reader: str = "auto", image: int | str | None = None
) -> Slide:
    """Open a slide; pixels are read only when asked for.

    Parameters
    ----------
    path : str or Path
        SVS, OME-TIFF, pyramidal TIFF, NDPI, OME-Zarr (folder or .zarr.zip), PNG or JPEG; CZI, DICOM (one file of the
        series, or its folder), MIRAX and others with the extras "czi", "dicom" and "openslide".
    mpp : float, optional
        µm per pixel of level 0; goes before what the file says.
    reader : str
        "auto" (by the name of the file), "tiff", "zarr", "image", "openslide", "czi" or "dicom".
    image : int or str, optional
        Which of several images of the file, by its number from 0 or its name. Without it, the slide is found among
        labels, macros and overviews.

    Returns
    -------
    Slide
        Its `mpp` is None when neither the file nor the caller says it; its `notice` says which of several images of
        the file was opened.

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
    try:
        slide = READERS[chosen](path, image)
    except NeedsOpenSlide:
        if reader != "auto" or not openslide_is_installed():
            raise
        slide = _openslide(path, image)
    return slide if mpp is None else slide.with_mpp(mpp)


def _elsewhere(slide: Slide) -> tuple[Any, ...]:
    """Say how another process makes this slide: from its file, or from its levels when it has none."""
    if slide.path is None:
        return Slide, (slide.name, None, slide.mpp, tuple(slide.levels), slide.magnification, keep_open)
    return _reopen, (slide.path, slide.mpp, slide.reader, slide.image)


def _reopen(path: Path, mpp: float | None, reader: str, image: int) -> Slide:
    return open_slide(path, mpp=mpp, reader=reader, image=image)


# here, as a slide itself does not know who opens files
copyreg.pickle(Slide, _elsewhere)
