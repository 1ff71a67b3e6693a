"""Zeiss CZI, when pylibCZIrw is installed: scenes as pictures, read at any power of two of their pixels."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nucloop.errors import SlideError
from nucloop.slides.channels import ChannelLabel, refuse_multichannel
from nucloop.slides.headers.resolution import plausible
from nucloop.slides.locked_pixels import LockedLevel, LockedPixels
from nucloop.slides.open_file import OpenFile
from nucloop.slides.pictures import Picture, choose_picture, told_of_choice
from nucloop.slides.pixels import refuse_stack
from nucloop.slides.slide import Slide, build_levels

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_czi"]

_SAMPLES = {"Bgr24": 3, "Gray8": 1}
_SMALLEST_SIDE = 512
_MOST_LEVELS = 12
_STACKS = {"Z": "z", "T": "t", "H": "i", "R": "i", "I": "i", "V": "i", "B": "i"}


def open_czi(path: Path, image: int | str | None = None) -> Slide:
    """Open one scene of a CZI.

    Parameters
    ----------
    path : Path
        The file.
    image : int or str, optional
        Number or name (such as "scene 1") of the scene; without it, the largest.

    Raises
    ------
    SlideError
        If pylibCZIrw is not installed, or the file is damaged or no brightfield picture.
    """
    try:
        library: Any = import_module("pylibCZIrw.czi")
    except (ImportError, OSError) as error:
        raise SlideError(
            f"{path.name} is of a kind that needs pylibCZIrw. Install it with: pip install 'napari-nucloop[czi]'"
        ) from error
    with ExitStack() as files:
        try:
            document = files.enter_context(library.open_czi(str(path)))
            boxes, scenes = document.total_bounding_box, document.scenes_bounding_rectangle
            kinds, about = document.pixel_types, document.metadata["ImageDocument"]["Metadata"]
        except Exception as error:
            raise SlideError(f"Cannot open {path.name}: it is no complete CZI. Copy or export it again.") from error
        _refuse_other_pictures(boxes, kinds, about, path.name)
        rectangles = [scenes[k] for k in sorted(scenes)] or [document.total_bounding_rectangle]
        numbers = sorted(scenes) or [None]
        pictures = [Picture(f"scene {k}", (one.h, one.w), pyramid=True) for k, one in enumerate(rectangles)]
        number = choose_picture(pictures, image, path.name)
        pixels, rectangle = LockedPixels(path.name, _SAMPLES[kinds[min(kinds)]]), rectangles[number]
        sources = [_level(pixels, document, numbers[number], rectangle, 2**k) for k in range(_levels(rectangle))]
        levels = build_levels(sources, path.name)
        pixels.opened = opened = OpenFile(files.pop_all().close)
    return Slide(
        path.name, path, plausible(_side(about, "Y"), _side(about, "X")), levels, None, opened.close, "czi",
        *told_of_choice(pictures, number, image, path.name),
    )  # fmt: skip


def _refuse_other_pictures(boxes: dict[str, Any], kinds: dict[int, str], about: Any, name: str) -> None:
    for axis, letter in _STACKS.items():
        first, behind = boxes.get(axis, (0, 1))
        if behind - first > 1:
            raise refuse_stack(letter, behind - first, name)
    if len(kinds) > 1:
        raise refuse_multichannel(len(kinds), [ChannelLabel(one) for one in _channel_names(about)], name)
    kind = kinds[min(kinds)]
    if kind not in _SAMPLES:
        raise SlideError(
            f"{name} is whole, but has pixels of the kind {kind}, which NucLoop does not read. Export it as RGB of 8 "
            "bits."
        )


def _channel_names(about: Any) -> list[str]:
    try:
        found = about["Information"]["Image"]["Dimensions"]["Channels"]["Channel"]
        return [str(one.get("@Name") or "") for one in (found if isinstance(found, list) else [found])]
    except (KeyError, TypeError, AttributeError):
        return []


def _side(about: Any, axis: str) -> float | None:
    """µm per pixel along an axis; the file gives metres."""
    try:
        items = about["Scaling"]["Items"]["Distance"]
        return next(float(one["Value"]) * 1e6 for one in items if one["@Id"] == axis)
    except (KeyError, TypeError, ValueError, StopIteration):
        return None


def _levels(rectangle: Any) -> int:
    count = 1
    while count < _MOST_LEVELS and min(rectangle.w, rectangle.h) >> count >= _SMALLEST_SIDE:
        count += 1
    return count


def _level(pixels: LockedPixels, document: Any, number: int | None, rectangle: Any, step: int) -> LockedLevel:
    """Return a level of a scene, so many times coarser: libCZI takes it from the file's pyramid."""

    def ask(y0: int, x0: int, y1: int, x1: int) -> Any:
        found = document.read(
            roi=(rectangle.x + x0 * step, rectangle.y + y0 * step, (x1 - x0) * step, (y1 - y0) * step),
            plane={"C": 0, "Z": 0, "T": 0},
            scene=number,
            zoom=1.0 / step,
            background_pixel=(1.0, 1.0, 1.0),
        )
        return found[: y1 - y0, : x1 - x0, ::-1]

    return LockedLevel(pixels, (rectangle.h // step, rectangle.w // step), f"the level {step} times coarser", ask)
