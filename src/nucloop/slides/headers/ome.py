"""What OME-XML says about the images of a file: names, sizes, channels, resolution, and where the planes are."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

from nucloop.slides.channels import ChannelLabel
from nucloop.slides.headers.markup import MarkupError, attribute, elements, parse_markup
from nucloop.slides.headers.resolution import microns_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["Ome", "OmeImage", "PlaneBlock", "read_ome"]

_PURE_ARGB = (0xFFFF0000, 0xFF00FF00, 0xFF0000FF)
_MAX_COUNT = 10**9
_FLUORESCENT = ("fluorescence", "epifluorescence")


@dataclass(frozen=True)
class PlaneBlock:
    """Some planes of an image that follow each other in a TIFF."""

    page: int
    """The first one's place among the pages of the file."""
    channel: int
    """The first one's channel."""
    count: int | None
    """How many; None for as many as there are."""
    file: str | None
    """Name of the file; None for the one that holds the description."""


@dataclass(frozen=True)
class OmeImage:
    """One image, as its description has it."""

    name: str
    shape: tuple[int, int]
    """Height and width, pixels."""
    channels: int
    """Samples of a pixel, in one plane or several."""
    samples: int
    """Samples that are stored together in one plane."""
    depth: int
    """Planes of a stack."""
    times: int
    """Points in time."""
    labels: tuple[ChannelLabel, ...]
    mpp: tuple[float | None, float | None]
    """µm per pixel along y and x."""
    magnification: float | None
    blocks: tuple[PlaneBlock, ...] = field(repr=False)

    @property
    def planes(self) -> int:
        """How many planes hold the samples of one flat picture."""
        return max(1, self.channels // max(1, self.samples))


@dataclass(frozen=True)
class Ome:
    """The images of a file, or the name of the file that describes them."""

    images: tuple[OmeImage, ...] = ()
    described_in: str | None = None


def read_ome(text: str | bytes) -> Ome:
    """Read OME-XML of any version.

    Raises
    ------
    MarkupError
        If it is no OME-XML, or damaged.
    """
    root = parse_markup(text)
    elsewhere = [attribute(one, "MetadataFile") for one in elements(root, "BinaryOnly")]
    if elsewhere:
        return Ome(described_in=elsewhere[0] or "")
    powers = _powers(root)
    own = attribute(root, "UUID")
    images = [_image(image, powers, own) for image in elements(root, "Image") if elements(image, "Pixels")]
    return Ome(tuple(images))


def _powers(root: Element) -> dict[str, float]:
    """Nominal magnification by the objective's ID."""
    found: dict[str, float] = {}
    for objective in elements(root, "Objective", deep=True):
        power = _number(attribute(objective, "NominalMagnification"))
        if power is not None:
            found[attribute(objective, "ID") or str(len(found))] = power
    return found


def _image(image: Element, powers: dict[str, float], own: str | None) -> OmeImage:
    pixels = elements(image, "Pixels")[0]
    described = elements(pixels, "Channel")
    channels = _whole(pixels, "SizeC", 1)
    samples = _whole(described[0], "SamplesPerPixel", 1) if described else 1
    settings = [attribute(one, "ID") for one in elements(image, "ObjectiveSettings") + elements(image, "ObjectiveRef")]
    named = [powers[one] for one in settings if one in powers] or list(powers.values())
    return OmeImage(
        name=attribute(image, "Name") or "",
        shape=(_whole(pixels, "SizeY", 0), _whole(pixels, "SizeX", 0)),
        channels=channels,
        samples=samples,
        depth=_whole(pixels, "SizeZ", 1),
        times=_whole(pixels, "SizeT", 1),
        labels=_labels(described),
        mpp=(_side(pixels, "Y"), _side(pixels, "X")),
        magnification=named[0] if named else None,
        blocks=tuple(_block(block, own) for block in elements(pixels, "TiffData")),
    )


def _labels(described: list[Element]) -> tuple[ChannelLabel, ...]:
    numbers = [_number(attribute(one, "Color")) for one in described]
    values = [None if number is None else int(number) & 0xFFFFFFFF for number in numbers]
    # the number is RGBA, but some programs write ARGB
    shift = 0 if tuple(values) == _PURE_ARGB else 8
    return tuple(_label(one, value, shift) for one, value in zip(described, values, strict=True))


def _label(channel: Element, value: int | None, shift: int) -> ChannelLabel:
    shown = None if value is None else value >> shift
    colour = None if shown is None else (shown >> 16 & 255, shown >> 8 & 255, shown & 255)
    kinds = [(attribute(channel, name) or "").lower() for name in ("ContrastMethod", "IlluminationType")]
    emitted = attribute(channel, "Fluor") or attribute(channel, "EmissionWavelength")
    alone = _whole(channel, "SamplesPerPixel", 1) == 1
    fluorescent = any(kind in _FLUORESCENT for kind in kinds) or bool(alone and emitted)
    name = attribute(channel, "Name") or attribute(channel, "Fluor") or ""
    return ChannelLabel(name.strip()[:200], colour, fluorescent)


def _block(block: Element, own: str | None) -> PlaneBlock:
    count = attribute(block, "PlaneCount") or attribute(block, "NumPlanes")
    known = 1 if attribute(block, "IFD") is not None else None
    file = None
    for one in elements(block, "UUID"):
        name = attribute(one, "FileName")
        file = None if own is not None and (one.text or "").strip() == own else name
    return PlaneBlock(
        page=_whole(block, "IFD", 0, least=0),
        channel=_whole(block, "FirstC", 0, least=0),
        count=known if count is None else _whole(block, "PlaneCount", _whole(block, "NumPlanes", 1)),
        file=file,
    )


def _side(pixels: Element, axis: str) -> float | None:
    size = _number(attribute(pixels, f"PhysicalSize{axis}"))
    unit = microns_of(attribute(pixels, f"PhysicalSize{axis}Unit") or "µm")
    return None if size is None or unit is None else size * unit


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if isfinite(value) else None


def _whole(element: Element, name: str, absent: int, least: int = 1) -> int:
    text = attribute(element, name)
    if text is None:
        return absent
    try:
        value = int(text)
    except ValueError as error:
        raise MarkupError(f"{name} is no number") from error
    if not least <= value <= _MAX_COUNT:
        raise MarkupError(f"{name} is {text[:20]}")
    return value
