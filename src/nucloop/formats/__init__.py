"""Interchange formats, one file each, and the table of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nucloop.classes import ClassScheme, builtin_schemes
from nucloop.errors import DataError
from nucloop.formats.asked import NOTHING_ASKED, Asked
from nucloop.formats.carries import Carries, left_out
from nucloop.formats.document import Document, checked
from nucloop.formats.mapping import UnknownClassesError, adopt, suggested_mapping, unknown_classes
from nucloop.formats.regions import read_regions
from nucloop.formats.registry import FORMATS, SOURCES, Format, format_of
from nucloop.formats.slide_info import SlideInfo, Weights
from nucloop.formats.source.plain import PACKED, plain
from nucloop.garbage import no_search
from nucloop.geometry import Region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei

__all__ = [
    "FORMATS",
    "NOTHING_ASKED",
    "PACKED",
    "SOURCES",
    "Asked",
    "Carries",
    "Document",
    "Format",
    "Region",
    "SlideInfo",
    "UnknownClassesError",
    "adopt",
    "format_of",
    "only_areas",
    "read_document",
    "read_nuclei",
    "read_regions",
    "read_slide_info",
    "suggested_mapping",
    "unknown_classes",
    "write_document",
    "write_nuclei",
]


def write_nuclei(
    path: str | Path,
    nuclei: Nuclei,
    slide: SlideInfo | None = None,
    format: str | None = None,
    *,
    weights: Weights | None = None,
    notes: Mapping[str, NDArray[np.object_]] | None = None,
    regions: Sequence[Region] = (),
) -> list[str]:
    """Write nuclei to a file; the file is whole or not there.

    Parameters
    ----------
    path : str or Path
        Where to; missing folders are made.
    nuclei : Nuclei
        In level-0 pixels.
    slide : SlideInfo, optional
        The slide they lie on.
    format : str, optional
        A key of `FORMATS`; by default the one that the file name ends with.
    weights : dict, optional
        What made the nuclei (`Pipeline.weights`), kept in the file's header.
    notes : dict of (N,) object arrays, optional
        Author, time and model, as texts.
    regions : sequence of Region
        Drawn areas.

    Returns
    -------
    list of str
        What the format cannot carry and was left out, one phrase each.

    Raises
    ------
    DataError
        If the format is not known, the file cannot be written, or the format has other classes.
    """
    document = Document(nuclei=nuclei, slide=slide, weights=weights, notes=notes or {}, regions=tuple(regions))
    return write_document(path, document, format)


def write_document(path: str | Path, document: Document, format: str | None = None) -> list[str]:
    """Write a document as `write_nuclei` does; return what was left out."""
    path = Path(path)
    kind = format_of(path, format)
    checked(document, "the table of nuclei")
    if document.microns and not kind.carries.microns:
        able = ", ".join(name for name, one in FORMATS.items() if one.carries.microns)
        raise DataError(f"{kind.title} counts in pixels, not in µm. Export pixels, or one of: {able}.")
    if kind.carries.classes is not None:
        scheme = builtin_schemes()[kind.carries.classes]
        nuclei = adopt(document.nuclei, scheme, source=f"{kind.title} cannot carry these classes")
        document = replace(document, nuclei=nuclei)
    with no_search():
        kind.write(path, document)
    return left_out(document, kind.carries)


def read_document(path: str | Path, format: str | None = None, asked: Asked = NOTHING_ASKED) -> Document:
    """Read a file with the classes that it names itself, in level-0 pixels.

    Parameters
    ----------
    path : str or Path
        Also packed with gzip, ZIP or Snappy.
    format : str, optional
        Name of a format; by default what the file's name and beginning say.
    asked : Asked
        What a person says of the file, where it leaves that open.

    Raises
    ------
    DataError
        If the format is not known or the file is damaged.
    """
    with plain(Path(path)) as file, no_search():
        kind = format_of(file, format, look=True)
        document = kind.read(file) if kind.read_asked is None else kind.read_asked(file, asked)
        return checked(document, file.name)


def only_areas(document: Document, source: str) -> str:
    """Say that a file holds areas and no nuclei, and what to do; empty where that is not so."""
    if len(document.nuclei) or not document.regions:
        return ""
    number = len(document.regions)
    return (
        f"{source} holds {number:,} drawn area{'s' * (number > 1)} and no nuclei. If each is the outline of a nucleus, "
        "say so: --areas-are nuclei on the command line, the choice Areas are nuclei in the window."
    )


def read_nuclei(
    path: str | Path,
    scheme: ClassScheme,
    format: str | None = None,
    *,
    mapping: Mapping[str, str | None] | None = None,
) -> Nuclei:
    """Read nuclei from a file, in level-0 pixels.

    Parameters
    ----------
    path : str or Path
        Where from.
    scheme : ClassScheme
        The classes they get.
    format : str, optional
        A key of `FORMATS`; by default what the file's name and beginning say.
    mapping : dict, optional
        Which class of the scheme a class of the file stands for; None for no class.

    Raises
    ------
    UnknownClassesError
        If the file names classes that neither `scheme` nor `mapping` has; it lists them.
    DataError
        If the format is not known, or the file is damaged or holds no nuclei but areas.
    """
    document = read_document(path, format)
    trouble = only_areas(document, Path(path).name)
    if trouble:
        raise DataError(trouble)
    if document.remarks and not len(document.nuclei):
        raise DataError(f"{Path(path).name} holds no nuclei. {' '.join(document.remarks)}")
    return adopt(document.nuclei, scheme, mapping, source=Path(path).name)


def read_slide_info(path: str | Path, format: str | None = None) -> SlideInfo | None:
    """Return what a file of nuclei says about its slide, None when it says nothing."""
    with plain(Path(path)) as file:
        kind = format_of(file, format, look=True)
        return kind.read(file).slide if kind.read_slide is None else kind.read_slide(file)
