"""From whatever an array holds to 8-bit RGB, or a clear refusal."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import SlideError
from nucloop.slides.protocol import RgbArray

_FULL_RANGE_16_BIT = 0x4000
_FLUORESCENCE = re.compile(
    r"dapi|hoechst|fitc|tritc|texas|gfp|rfp|yfp|cfp|alexa|\baf ?\d{3}|\bcy ?[357]|draq|sytox", re.I
)


@dataclass(frozen=True)
class Layout:
    """Which axis of an array is what."""

    ndim: int
    y: int
    x: int
    channel: int | None

    def index(self, y0: int, x0: int, y1: int, x1: int) -> tuple[slice | int, ...]:
        """Index of a window: the other axes have length 1 and are dropped."""
        index: list[slice | int] = [0] * self.ndim
        index[self.y], index[self.x] = slice(y0, y1), slice(x0, x1)
        if self.channel is not None:
            index[self.channel] = slice(None)
        return tuple(index)

    def to_hwc(self, block: NDArray[Any]) -> NDArray[Any]:
        """Bring an indexed block into (height, width, channel) order."""
        if self.channel is None:
            return block[..., None]
        return np.moveaxis(block, 0, -1) if self.channel < self.y else block


def find_layout(shape: Sequence[int], axes: str | None, name: str) -> Layout:
    """Find rows, columns and channels of an array.

    Parameters
    ----------
    shape : sequence of int
        Shape of the array.
    axes : str, optional
        One letter an axis when the file tells: y, x, c or s for channels, others for stacks.
        Without it, channels are the last axis of length 3 or 4, or else the first.
    name : str
        What to call the array in an error.

    Raises
    ------
    SlideError
        If the array is a stack, or not a picture.
    """
    letters = axes.lower() if axes else _guess_axes(shape)
    if letters is None or len(letters) != len(shape) or not {"x", "y"} <= set(letters):
        raise SlideError(
            f"{name} is an array of shape {tuple(shape)}, not a picture. Give (y, x) or "
            "(y, x, channel) with 1, 3 or 4 channels, or (channel, y, x)."
        )
    y, x = letters.index("y"), letters.index("x")
    channel = None
    for axis, (letter, size) in enumerate(zip(letters, shape, strict=True)):
        if letter in "yx":
            continue
        if letter in "cs" and (size > 1 or channel is None):
            if channel is not None and shape[channel] > 1:
                raise SlideError(
                    f"{name} has {shape[channel]} channels of {size} samples each. NucLoop reads "
                    "brightfield pictures: export one RGB picture of it."
                )
            channel = axis
        elif size > 1:
            what = {"z": "planes of a stack", "t": "points in time"}.get(letter, "pictures")
            raise SlideError(
                f"{name} holds {size} {what}. NucLoop reads one flat picture: export the one "
                "that is in focus, or a projection."
            )
    if y > x:
        raise SlideError(f"{name} has its columns before its rows. Transpose it to (y, x).")
    return Layout(len(shape), y, x, channel)


def _guess_axes(shape: Sequence[int]) -> str | None:
    lead = "q" * (len(shape) - 3)
    if len(shape) == 2:
        return "yx"
    if len(shape) < 2 or any(size != 1 for size in shape[: len(lead)]):
        return None if len(shape) < 2 else lead + "qyx"
    if shape[-1] in (1, 3, 4):
        return lead + "yxc"
    if shape[-3] in (1, 3, 4):
        return lead + "cyx"
    return lead + ("yxc" if shape[-1] < 16 else "qyx")


def refuse_fluorescence(channel_names: Sequence[str], name: str) -> None:
    """Raise SlideError when the names of the channels are those of fluorescent dyes."""
    dyes = [channel for channel in channel_names if _FLUORESCENCE.search(channel)]
    if dyes:
        raise SlideError(
            f"{name} is a fluorescence image (channels {', '.join(map(str, channel_names))}). "
            "NucLoop reads brightfield slides: H&E or immunohistochemistry, in RGB."
        )


@dataclass(frozen=True)
class ToRgb:
    """Turns (h, w, channels) blocks of one slide into RGB, always the same way."""

    channels: int
    dtype: np.dtype[Any]

    def __call__(self, block: NDArray[Any]) -> RgbArray:
        """Return a block as (h, w, 3) uint8."""
        values = self._to_bytes(block)
        if self.channels in (2, 4):
            values = _over_white(values[..., :-1], values[..., -1:])
        if values.shape[-1] == 1:
            values = np.repeat(values, 3, axis=-1)
        return np.ascontiguousarray(values)

    def _to_bytes(self, block: NDArray[Any]) -> NDArray[np.uint8]:
        if self.dtype == np.uint8:
            return block
        if self.dtype == np.bool_:
            return block.astype(np.uint8) * np.uint8(255)
        if self.dtype == np.uint16:
            return ((block.astype(np.uint32) + 128) // 257).astype(np.uint8)
        values = np.nan_to_num(block.astype(np.float32), nan=1.0)
        return np.asarray(np.clip(values, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _over_white(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if (alpha == 255).all():
        return colour
    a = alpha.astype(np.uint16)
    blended = (colour * a + np.uint16(255) * (np.uint16(255) - a) + np.uint16(127)) // 255
    return blended.astype(np.uint8)


def choose_conversion(channels: int, dtype: np.dtype[Any], sample: NDArray[Any] | None, name: str) -> ToRgb:
    """Decide once how the pixels of a slide become 8-bit RGB.

    Parameters
    ----------
    channels : int
        Number of channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha.
    dtype : dtype
        Of the pixels.
    sample : array, optional
        Some pixels that show the range of values; needed unless they are 8-bit.
    name : str
        What to call the slide in an error.

    Raises
    ------
    SlideError
        If the pixels are no brightfield picture, or their range is not clear.
    """
    dtype = dtype.newbyteorder("=")
    if not 1 <= channels <= 4:
        raise SlideError(
            f"{name} has {channels} channels. NucLoop reads brightfield slides in RGB: fluorescence "
            "and other multichannel images are not for it."
        )
    if dtype in (np.uint8, np.bool_):
        return ToRgb(channels, dtype)
    high = float(np.nanmax(sample)) if sample is not None and sample.size else 0.0
    low = float(np.nanmin(sample)) if sample is not None and sample.size else 0.0
    if dtype == np.uint16 and high >= _FULL_RANGE_16_BIT:
        return ToRgb(channels, dtype)
    if dtype.kind == "f" and low >= 0.0 and 0.0 < high <= 1.0:
        return ToRgb(channels, dtype)
    wanted = {
        "f": "fractions are read when they lie between 0 and 1",
        "u": "16-bit pixels are read when they use the full range of 65,535",
    }.get(dtype.kind, "whole numbers are read when they are unsigned, 8 or 16 bits")
    raise SlideError(
        f"{name} holds {dtype} pixels from {low:g} to {high:g}, and how bright these are is not "
        f"clear ({wanted}). Convert it to 8-bit RGB."
    )
