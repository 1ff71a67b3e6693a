"""How the samples of a TIFF page are to be understood, and which encodings are not read, by their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tifffile

from nucloop.errors import SlideError
from nucloop.slides.channels import Channels, are_colours, channels_of_arrays, refuse_multichannel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.slides.channels import ChannelLabel

__all__ = ["JPEG", "JPEG_2000", "Encoding", "encoding_of", "gives_rgb"]

JPEG = (6, 7, 34892, 33007)
JPEG_2000 = (33003, 33004, 33005, 34712)
_PNG = 34933
_APERIO_YCBCR = 33003
_OWN_COLOURS = (*JPEG, _PNG, 22610, 34934, 34927, 50001, 50002, 52546)
"""JPEG, PNG, JPEG XR, WebP and JPEG XL: their decoders give RGB, whatever the page says of their inside."""
_COLOURS = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3, "YCBCR": 3}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_COD = b"\xff\x52"


@dataclass(frozen=True)
class Encoding:
    """What the samples of a page are."""

    channels: Channels
    bits: int
    """Bits of a sample that count."""
    inverted: bool
    """Whether 0 is white."""
    ycbcr: bool
    """Whether its colours may come as luminance and two differences."""


def encoding_of(page: tifffile.TiffPage, planes: int, labels: Sequence[ChannelLabel], name: str) -> Encoding:
    """Tell what the samples of a picture are.

    Parameters
    ----------
    page : TiffPage
        Its page, or the page of its first plane.
    planes : int
        How many pages of one sample make the picture; 1 when its samples are together.
    labels : sequence of ChannelLabel
        What the file says of the channels; empty when it says nothing.
    name : str
        What to call the slide in an error.

    Raises
    ------
    SlideError
        If they are encoded in a way that is not read, or are no colours.
    """
    colour = str(getattr(page.photometric, "name", page.photometric))
    if colour not in _COLOURS:
        raise _unread(name, f"colours of the kind {colour}")
    _refuse_unread_storage(page, name)
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 8
    return Encoding(
        channels=_channels(page, _COLOURS[colour], planes, labels, name),
        bits=bits,
        inverted=colour == "MINISWHITE",
        ycbcr=colour == "YCBCR" or page.compression == _APERIO_YCBCR,
    )


def _channels(
    page: tifffile.TiffPage, colours: int, planes: int, labels: Sequence[ChannelLabel], name: str
) -> Channels:
    count = page.samplesperpixel
    if planes > 1 and count > 1:
        raise SlideError(
            f"{name} has {planes} channels of {count} samples each. NucLoop reads brightfield pictures: export one RGB "
            "picture of it."
        )
    if planes > 1:
        return channels_of_arrays(planes, name, alpha=are_colours(labels, planes, name))
    _check_together(labels, colours, count, name)
    return _of_samples(colours, count, tuple(page.extrasamples), name)


def _check_together(labels: Sequence[ChannelLabel], colours: int, count: int, name: str) -> None:
    """Check the names of samples that are stored together: beyond red, green and blue the page says what they are."""
    try:
        are_colours(labels[:3] if len(labels) == count else labels, colours, name)
    except SlideError:
        raise refuse_multichannel(count, labels, name) from None


def _of_samples(colours: int, count: int, extra: tuple[int, ...], name: str) -> Channels:
    """Tell colour, opacity and the rest apart; what the file leaves unspecified is neither."""
    kinds = dict(enumerate(extra, start=count - len(extra)))
    opacity = [k for k, kind in kinds.items() if kind in (_ASSOCIATED, _UNASSOCIATED)]
    alpha = opacity[0] if opacity else None
    if colours == 1 and count - (alpha is not None) == 3:
        colours = 3
    if count < colours or (colours == 1 and count - (alpha is not None) > 1):
        raise refuse_multichannel(count, (), name)
    if alpha is not None and alpha < colours:
        raise _unread(name, "an opacity before the colours")
    return Channels(count, colours, alpha, alpha is not None and kinds[alpha] == _ASSOCIATED)


def _refuse_unread_storage(page: tifffile.TiffPage, name: str) -> None:
    if page.compression not in tifffile.TIFF.DECOMPRESSORS:
        raise _unread(name, f"the compression {_called(page.compression)}")
    predicted = page.compression not in tifffile.TIFF.IMAGE_COMPRESSIONS and page.predictor != 1
    if predicted and page.predictor not in tifffile.TIFF.UNPREDICTORS:
        raise _unread(name, f"the predictor {_called(page.predictor)}")
    if page.dtype is None:
        kind = _called(page.sampleformat).lower()
        raise _unread(name, f"samples of {page.bitspersample} bits ({kind})")
    if page.is_subsampled:
        if page.compression in (*_OWN_COLOURS, *JPEG_2000):
            if page.compression not in JPEG:
                page.subsampling = (1, 1)  # the decoder has undone it
        else:
            raise _unread(name, "YCbCr with fewer differences than pixels, outside of JPEG")


def _called(value: object) -> str:
    return str(getattr(value, "name", None) or f"number {value}")


def _unread(name: str, what: str) -> SlideError:
    return SlideError(
        f"{name} is whole, but has {what}, which NucLoop does not read. Export it as RGB of 8 bits with JPEG, LZW or "
        "Deflate compression."
    )


def gives_rgb(compression: int, data: bytes) -> bool:
    """Tell whether the decoder of a tile turns luminance and differences into RGB by itself."""
    if compression in _OWN_COLOURS:
        return True
    if compression not in JPEG_2000:
        return False
    # a codestream with a multiple component transformation is decoded with its inverse
    at = data.find(_COD, 0, 4096)
    return 0 <= at < len(data) - 8 and data[at + 8] != 0
