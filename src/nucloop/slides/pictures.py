"""Which of several pictures in a file is the slide: by their names, by their kind, then by their size."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from nucloop.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Picture", "choose_picture", "listed", "told_of_choice"]

_ASIDE = {"macro", "label", "labels", "overview", "thumbnail", "thumb", "map", "preview", "barcode", "navigator"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_OVERVIEW_MPP = 8.0
_PYRAMID_MAY_BE_SMALLER = 16
_MOST_LISTED = 12


@dataclass(frozen=True)
class Picture:
    """One of the pictures of a file, as far as its headers tell."""

    name: str
    """What the file calls it, empty when it does not."""
    shape: tuple[int, int]
    """Height and width, pixels."""
    aside: bool = False
    """Whether the format itself says that it is a label, macro or thumbnail."""
    pyramid: bool = False
    """Whether it has coarser levels."""
    mpp: float | None = None
    """µm per pixel as the file says it, whether a slide can have that or not."""


def choose_picture(pictures: Sequence[Picture], wanted: int | str | None, file_name: str) -> int:
    """Return the number of the picture to open.

    Parameters
    ----------
    pictures : sequence of Picture
        All that the file holds, in its own order.
    wanted : int or str, optional
        A number from 0, or a name or the only name with that part; without it, the slide is found.
    file_name : str
        What to call the file in an error.

    Raises
    ------
    SlideError
        If the file holds none, or not the one asked for.
    """
    if not pictures:
        raise SlideError(f"{file_name} holds no picture. Export it again as a pyramidal RGB image.")
    if wanted is None:
        return _the_slide(pictures)
    found = _numbered(pictures, wanted) if isinstance(wanted, int) else _named(pictures, wanted)
    if found is None:
        raise SlideError(f"{file_name} has no image {wanted!r}. It holds {listed(pictures)}.")
    return found


def _numbered(pictures: Sequence[Picture], number: int) -> int | None:
    return number if 0 <= number < len(pictures) else None


def _named(pictures: Sequence[Picture], wanted: str) -> int | None:
    name = wanted.strip().lower()
    equal = [k for k, picture in enumerate(pictures) if picture.name.lower() == name]
    if equal:
        return equal[0]
    if name.isdecimal() and len(name) < 9:
        return _numbered(pictures, int(name))
    within = [k for k, picture in enumerate(pictures) if name and name in picture.name.lower()]
    return within[0] if len(within) == 1 else None


def _the_slide(pictures: Sequence[Picture]) -> int:
    # a word that all names share, such as the file's own name, tells none of them apart
    words = [Counter(word.lower() for word in _WORD.findall(picture.name)) for picture in pictures]
    shared = reduce(and_, words) if len(words) > 1 else Counter()
    named_aside = [bool((one - shared).keys() & _ASIDE) for one in words]
    left = list(range(len(pictures)))
    left_out: list[list[bool]] = [
        [picture.aside for picture in pictures],
        named_aside,
        [picture.mpp is not None and picture.mpp > _OVERVIEW_MPP for picture in pictures],
    ]
    for out in left_out:
        left = [k for k in left if not out[k]] or left
    areas = [picture.shape[0] * picture.shape[1] for picture in pictures]
    largest = max(areas[k] for k in left)
    pyramids = [k for k in left if pictures[k].pyramid and areas[k] * _PYRAMID_MAY_BE_SMALLER >= largest]
    return max(pyramids or left, key=lambda k: areas[k])


def listed(pictures: Sequence[Picture]) -> str:
    """Return the pictures of a file as a person reads them: number, name and size."""
    lines = [_line(k, picture) for k, picture in enumerate(pictures[:_MOST_LISTED])]
    rest = len(pictures) - len(lines)
    return ", ".join(lines) + (f" and {rest:,} more" if rest else "")


def _line(number: int, picture: Picture) -> str:
    name = f" '{picture.name}'" if picture.name else ""
    return f"{number}{name} ({picture.shape[0]:,} x {picture.shape[1]:,})"


def told_of_choice(
    pictures: Sequence[Picture], chosen: int, wanted: int | str | None, file_name: str
) -> tuple[int, tuple[str, ...], bool, str]:
    """Return what a slide says of its choice: its number, all names, whether it is the usual one, and the notice.

    A notice is given where nobody asked for a picture.
    """
    names = tuple(picture.name for picture in pictures)
    if wanted is None:
        return chosen, names, True, _notice_of(pictures, chosen, file_name)
    return chosen, names, chosen == choose_picture(pictures, None, file_name), ""


def _notice_of(pictures: Sequence[Picture], chosen: int, file_name: str) -> str:
    """Return the sentence that says which of several pictures was opened; empty when there was no choice.

    Where the format itself names its label and macro, nobody has to be told that they are not the slide.
    """
    candidates = [k for k, picture in enumerate(pictures) if k == chosen or not picture.aside]
    if len(candidates) < 2 and not pictures[chosen].aside:
        return ""
    return (
        f"{file_name} holds {len(pictures):,} images: {listed(pictures)}. Image {_line(chosen, pictures[chosen])} was "
        "opened; on the command line --image opens another."
    )
