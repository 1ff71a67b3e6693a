"""What a TIFF says about its own resolution; each vendor says it elsewhere."""

import re
from html import unescape

import tifffile

from nucloop.slides.slide import PLAUSIBLE_MPP

MICRONS = {
    "m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "pm": 1e-6,
    "å": 1e-4, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "millimeter": 1e3, "millimetre": 1e3, "nanometer": 1e-3, "nanometre": 1e-3,
    "centimeter": 1e4, "meter": 1e6, "metre": 1e6, "angstrom": 1e-4,
}  # fmt: skip
"""µm in a unit of length, by the names OME and ImageJ use (lower case)."""

_NUMBER = r"([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


def plausible(y: float | None, x: float | None) -> float | None:
    """One µm per pixel from two, None unless both are those of square pixels of a microscope."""
    if y is None or x is None:
        return None
    low, high = PLAUSIBLE_MPP
    if not (low <= y <= high and low <= x <= high) or abs(y - x) > 0.03 * max(x, y):
        return None
    return (y + x) / 2


def resolution(file: tifffile.TiffFile, shape: tuple[int, int]) -> float | None:
    """Return µm per pixel of level 0, None when the file does not say.

    Parameters
    ----------
    file : TiffFile
        Open file.
    shape : (int, int)
        Height and width of level 0, to find the right image in OME metadata.
    """
    page = file.pages[0]
    assert isinstance(page, tifffile.TiffPage)
    if file.is_ome:
        found = _from_ome(file.ome_metadata or "", shape)
        if found is not None:
            return found
    aperio = re.search(r"\bMPP\s*=\s*" + _NUMBER, page.description)
    if aperio:
        value = float(aperio.group(1))
        return plausible(value, value)
    vendor = _from_vendor_xml(page)
    if vendor is not None:
        return vendor
    if file.is_imagej:
        unit = str((file.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ").lower()
        return _from_tags(page, MICRONS.get(unit))
    unit_tag = page.tags.valueof("ResolutionUnit")
    return _from_tags(page, {2: 25_400.0, 3: 10_000.0}.get(int(unit_tag or 0)))


def _from_vendor_xml(page: tifffile.TiffPage) -> float | None:
    """Philips gives millimetres in its description, Ventana µm in its XMP."""
    philips = re.search(r"DICOM_PIXEL_SPACING[^>]{0,200}>\s*(?:&quot;|\")" + _NUMBER, page.description)
    if philips:
        size = float(philips.group(1)) * MICRONS["mm"]
        return plausible(size, size)
    xmp = page.tags.valueof(700)
    text = bytes(xmp).decode("utf-8", "replace") if isinstance(xmp, bytes | tuple) else str(xmp or "")
    ventana = re.search(r'\bScanRes="' + _NUMBER + '"', text)
    return plausible(float(ventana.group(1)), float(ventana.group(1))) if ventana else None


def magnification(file: tifffile.TiffFile) -> float | None:
    """Return the objective's nominal power when the file says it."""
    page = file.pages[0]
    assert isinstance(page, tifffile.TiffPage)
    found = re.search(r"\bAppMag\s*=\s*" + _NUMBER, page.description)
    if not found and file.is_ome:
        found = re.search(r'NominalMagnification="' + _NUMBER + '"', file.ome_metadata or "")
    value = float(found.group(1)) if found else _ndpi_lens(page)
    return value if value and 1 <= value <= 200 else None


def channel_names(file: tifffile.TiffFile) -> list[str]:
    """Names of the channels in OME metadata."""
    if not file.is_ome:
        return []
    return [unescape(n) for n in re.findall(r'<Channel\b[^>]*\bName="([^"]{1,200})"', file.ome_metadata or "")]


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


def _from_ome(xml: str, shape: tuple[int, int]) -> float | None:
    """Read the Pixels element of the picture of this size (the first, when none is)."""
    elements = re.findall(r"<(?:\w+:)?Pixels\b([^>]{0,4000})>", xml)
    described = [dict(re.findall(r'(\w+)="([^"]*)"', element)) for element in elements]
    wanted = (str(shape[0]), str(shape[1]))
    fitting = [d for d in described if (d.get("SizeY"), d.get("SizeX")) == wanted] or described[:1]
    return plausible(_side(fitting[0], "Y"), _side(fitting[0], "X")) if fitting else None


def _side(pixels: dict[str, str], axis: str) -> float | None:
    unit = unescape(pixels.get(f"PhysicalSize{axis}Unit", "µm")).strip().lower()
    try:
        return float(pixels[f"PhysicalSize{axis}"]) * MICRONS[unit]
    except (KeyError, ValueError):
        return None
