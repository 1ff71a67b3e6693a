"""What a TIFF says about its own resolution; each vendor says it elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nucloop.slides.headers.markup import MarkupError, attribute, elements, parse_markup
from nucloop.slides.headers.resolution import microns_of, plausible

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import tifffile

    from nucloop.slides.tiff.pictures import TiffPicture

__all__ = ["magnification", "resolution", "tiles_overlap"]

_NUMBER = r"([0-9]*[.,]?[0-9]+(?:[eE][-+]?[0-9]+)?)"
_APERIO_MPP = re.compile(r"\bMPP\s*=\s*" + _NUMBER)
_APERIO_POWER = re.compile(r"\bAppMag\s*=\s*" + _NUMBER)
_INCH, _CENTIMETRE = 2, 3
_XMP = 700


def resolution(file: tifffile.TiffFile, picture: TiffPicture, page: tifffile.TiffPage) -> float | None:
    """Return µm per pixel of level 0, None when the file does not say.

    Parameters
    ----------
    file : TiffFile
        Open file.
    picture : TiffPicture
        The one of its pictures that is asked about.
    page : TiffPage
        The page of its finest level.
    """
    if picture.ome is not None:
        found = plausible(*picture.ome.mpp)
        if found is not None:
            return found
    if not picture.about.aside:
        first = file.pages.first
        said = _APERIO_MPP.search(first.description)
        sides = (_decimal(said.group(1)),) * 2 if said else _from_vendor_xml(first, page)
        if sides is not None:
            return plausible(*sides)
    if file.is_imagej:
        unit = microns_of(str((file.imagej_metadata or {}).get("unit", "")))
        return _from_tags(page, unit)
    # where the tag is missing, the standard means inches
    unit_tag = page.tags.valueof("ResolutionUnit", _INCH)
    unit = {_INCH: microns_of("inch"), _CENTIMETRE: microns_of("cm")}.get(int(unit_tag))
    return _from_tags(page, unit)


def _decimal(text: str) -> float:
    return float(text.replace(",", "."))


def _from_vendor_xml(first: tifffile.TiffPage, own: tifffile.TiffPage) -> tuple[float, float] | None:
    """Philips gives millimetres in its description, Ventana µm in its XMP; (y, x)."""
    if "DICOM_PIXEL_SPACING" in first.description:
        for one in _all(first.description, "Attribute"):
            if attribute(one, "Name") == "DICOM_PIXEL_SPACING":
                numbers = re.findall(_NUMBER, one.text or "")
                if numbers:
                    y, x = _decimal(numbers[0]) * 1e3, _decimal(numbers[-1]) * 1e3
                    return y, x
    for page in (first, own):
        for one in _all(_xmp(page), "iScan"):
            numbers = re.findall(_NUMBER, attribute(one, "ScanRes") or "")
            if numbers:
                return (_decimal(numbers[0]),) * 2
    return None


def _all(text: str, name: str) -> list[Element]:
    """Return the elements of a name in XML that may be none."""
    if name not in text:
        return []
    try:
        return elements(parse_markup(text), name, deep=True)
    except MarkupError:
        return []


def _xmp(page: tifffile.TiffPage) -> str:
    xmp = page.tags.valueof(_XMP)
    return bytes(xmp).decode("utf-8", "replace") if isinstance(xmp, bytes | tuple) else str(xmp or "")


def tiles_overlap(file: tifffile.TiffFile, page: tifffile.TiffPage) -> bool:
    """Tell whether Ventana's tiles lie over each other, so that laid side by side they would make a wrong picture."""
    return any(
        _joined_with_overlap(joint)
        for holder in (file.pages.first, page)
        for joint in _all(_xmp(holder), "TileJointInfo")
    )


def _joined_with_overlap(joint: Element) -> bool:
    if attribute(joint, "FlagJoined") == "0":
        return False
    sides = [attribute(joint, name) or "0" for name in ("OverlapX", "OverlapY")]
    return any(number and float(number) for side in sides for number in re.findall(r"[0-9]+(?:\.[0-9]+)?", side))


def magnification(file: tifffile.TiffFile, picture: TiffPicture, page: tifffile.TiffPage) -> float | None:
    """Return the objective's nominal power when the file says it."""
    first = file.pages.first
    said = _APERIO_POWER.search(first.description)
    value = _decimal(said.group(1)) if said else None
    if value is None and picture.ome is not None:
        value = picture.ome.magnification
    if value is None:
        value = _ndpi_lens(page)
    return value if value and 1 <= value <= 200 else None


def _ndpi_lens(page: tifffile.TiffPage) -> float | None:
    value = page.tags.valueof(65421) if page.is_ndpi else None
    return float(value) if isinstance(value, int | float) else None


def _from_tags(page: tifffile.TiffPage, microns_per_unit: float | None) -> float | None:
    if microns_per_unit is None:
        return None
    sides = []
    for name in ("YResolution", "XResolution"):
        value = page.tags.valueof(name)
        if not isinstance(value, tuple) or len(value) != 2 or not value[0] or not value[1]:
            return None
        sides.append(microns_per_unit * value[1] / value[0])
    return plausible(*sides)
