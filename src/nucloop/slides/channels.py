"""What the channels of a picture are: colours, opacity, or markers that no colour picture has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nucloop.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ChannelLabel", "Channels", "are_colours", "channels_of_arrays", "refuse_multichannel"]

_DYES = re.compile(
    r"dapi|hoechst|fitc|tritc|texas|gfp|rfp|yfp|cfp|alexa|\baf ?\d{3}|\bcy ?[357]|draq|sytox|opal ?\d{3}|"
    r"fluor|autofluorescence",
    re.I,
)
_RGB_NAMES = ({"r", "red"}, {"g", "green"}, {"b", "blue"})
_ALPHA_NAMES = {"a", "alpha", "opacity"}
_NO_NAME = re.compile(
    r"(c|ch|chan|channel|image|img|plane|page|sample|band|series|component)?[\s_:#.-]*\d*([:_/.-]\d+)*|"
    r"c:\d+/\d+.*|.*(bright ?field|transmitted|\brgb\b|\bcolou?r\b).*|bf",
    re.I,
)
_PURE = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
_NEARLY = 64
_MOST_NAMED = 8


@dataclass(frozen=True)
class Channels:
    """Which samples of a pixel are colour, and which is opacity; others mean nothing to a picture."""

    count: int
    """Samples of a pixel."""
    colours: int
    """The first 1 (grey) or 3 (red, green, blue) of them."""
    alpha: int | None = None
    """Which one is opacity."""
    premultiplied: bool = False
    """Whether the colours have been multiplied by it."""


@dataclass(frozen=True)
class ChannelLabel:
    """What a file says about one channel."""

    name: str = ""
    colour: tuple[int, int, int] | None = None
    """Red, green and blue in which it is to be shown."""
    fluorescent: bool = False
    """Whether the file says that light was emitted, not absorbed."""


def channels_of_arrays(count: int, name: str, *, alpha: bool) -> Channels:
    """Tell what the channels of an array are that says nothing but how many there are.

    Parameters
    ----------
    count : int
        Number of channels.
    name : str
        What to call the array in an error.
    alpha : bool
        Whether the last of 2 or 4 is known to be opacity.

    Raises
    ------
    SlideError
        If they are no colours.
    """
    if count in (1, 3):
        return Channels(count, count)
    if alpha and count in (2, 4):
        return Channels(count, count - 1, alpha=count - 1)
    raise refuse_multichannel(count, (), name)


def refuse_multichannel(count: int, labels: Sequence[ChannelLabel], name: str) -> SlideError:
    """Return the refusal of a picture whose channels are no colours."""
    names = [label.name for label in labels if label.name]
    listed = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
    if any(_is_marked(label) for label in labels):
        return SlideError(
            f"{name} is a fluorescence image ({f'channels {listed}' if names else f'{count:,} channels'}). "
            "NucLoop reads brightfield slides: H&E or immunohistochemistry, in RGB."
        )
    return SlideError(
        f"{name} has {count:,} channels{f' ({listed})' if names else ''}. NucLoop reads brightfield slides in RGB: "
        "fluorescence and other multichannel images are not for it. If it is brightfield, export it as 8-bit RGB."
    )


def are_colours(labels: Sequence[ChannelLabel], count: int, name: str) -> bool:
    """Check that channels are grey or red, green and blue, and tell whether a fourth is opacity.

    Parameters
    ----------
    labels : sequence of ChannelLabel
        What the file says of the channels, in order; empty when it says nothing.
    count : int
        How many channels there are.
    name : str
        What to call the slide in an error.

    Raises
    ------
    SlideError
        If their number, names or colours are those of markers.
    """
    if count not in (1, 3, 4) or any(_is_marked(label) for label in labels):
        raise refuse_multichannel(count, labels, name)
    names = [label.name.strip().lower() for label in labels]
    named_rgb = len(names) == count >= 3 and all(own in rgb for own, rgb in zip(names, _RGB_NAMES, strict=False))
    if count == 4:
        if named_rgb and names[3] in _ALPHA_NAMES:
            return True
        raise refuse_multichannel(count, labels, name)
    if count == 1 or len(labels) != count or named_rgb:
        return False
    unnamed = len(set(names)) == 1 or all(_NO_NAME.fullmatch(own) for own in names)
    if not (unnamed and _shown_as_rgb([label.colour for label in labels])):
        raise refuse_multichannel(count, labels, name)
    return False


def _is_marked(label: ChannelLabel) -> bool:
    return label.fluorescent or _DYES.search(label.name) is not None


def _shown_as_rgb(colours: Sequence[tuple[int, int, int] | None]) -> bool:
    """Tell whether colours are red, green and blue in this order, or say nothing: none, or one for all."""
    if len(set(colours)) == 1:
        return True
    return all(
        colour is None or all(abs(a - b) <= _NEARLY for a, b in zip(colour, pure, strict=True))
        for colour, pure in zip(colours, _PURE, strict=True)
    )
