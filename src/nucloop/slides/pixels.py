"""From whatever an array holds to 8-bit RGB, or a clear refusal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import SlideError
from nucloop.slides.channels import Channels
from nucloop.slides.protocol import RgbArray

_FULL_RANGE_16_BIT = 0x4000
_BAND_PIXELS = 4_000_000
_STACKS = {"z": "planes of a stack", "t": "points in time", "i": "planes"}


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
            raise refuse_stack(letter, size, name)
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


def refuse_stack(letter: str, size: int, name: str) -> SlideError:
    """Return the refusal of a picture that has several planes, points in time or the like along one axis."""
    return SlideError(
        f"{name} holds {size:,} {_STACKS.get(letter.lower(), 'pictures')}. NucLoop reads one flat picture: export the "
        "one that is in focus, or a projection."
    )


@dataclass(frozen=True)
class ToRgb:
    """Turns (h, w, channels) blocks of one slide into RGB, always the same way."""

    channels: Channels
    dtype: np.dtype[Any]
    white: int | None = None
    """Highest value of whole numbers that do not use all their bits."""
    inverted: bool = False
    """Whether 0 is white."""

    def __call__(self, block: NDArray[Any]) -> RgbArray:
        """Return a block as (h, w, 3) uint8."""
        height, width = block.shape[:2]
        if self.is_identity or height * width <= _BAND_PIXELS:
            return self._converted(block)
        out = np.empty((height, width, 3), np.uint8)
        rows = max(1, _BAND_PIXELS // width)
        for top in range(0, height, rows):
            out[top : top + rows] = self._converted(block[top : top + rows])
        return out

    @property
    def is_identity(self) -> bool:
        """Whether blocks are RGB of 8 bits as they are."""
        plain = self.dtype == np.uint8 and self.white is None and not self.inverted
        return plain and self.channels.count == self.channels.colours == 3

    def _converted(self, block: NDArray[Any]) -> RgbArray:
        channels = self.channels
        values = self._to_bytes(block[..., : channels.colours])
        if self.inverted:
            values = ~values
        if channels.alpha is not None:
            alpha = self._to_bytes(block[..., channels.alpha, None])
            values = _over_white(values, alpha, premultiplied=channels.premultiplied)
        if values.shape[-1] == 1:
            values = np.repeat(values, 3, axis=-1)
        return np.ascontiguousarray(values)

    def _to_bytes(self, block: NDArray[Any]) -> NDArray[np.uint8]:
        if self.dtype == np.bool_:
            return block.astype(np.uint8) * np.uint8(255)
        if self.white is not None:
            return ((block.astype(np.uint32) * 255 + self.white // 2) // self.white).astype(np.uint8)
        if self.dtype == np.uint8:
            return block
        if self.dtype == np.uint16:
            return ((block.astype(np.uint32) + 128) // 257).astype(np.uint8)
        values = np.nan_to_num(block.astype(np.float32), nan=1.0)
        return np.asarray(np.clip(values, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _over_white(colour: NDArray[np.uint8], alpha: NDArray[np.uint8], *, premultiplied: bool) -> NDArray[np.uint8]:
    if (alpha == 255).all():
        return colour
    a = alpha.astype(np.uint16)
    if premultiplied:
        return np.minimum(colour + (np.uint16(255) - a), np.uint16(255)).astype(np.uint8)
    blended = (colour * a + np.uint16(255) * (np.uint16(255) - a) + np.uint16(127)) // 255
    return blended.astype(np.uint8)


def choose_conversion(
    channels: Channels,
    dtype: np.dtype[Any],
    sample: NDArray[Any] | None,
    name: str,
    *,
    bits: int | None = None,
    inverted: bool = False,
) -> ToRgb:
    """Decide once how the pixels of a slide become 8-bit RGB.

    Parameters
    ----------
    channels : Channels
        What they are.
    dtype : dtype
        Of the pixels.
    sample : array, optional
        Some pixels that show the range of values; needed unless they are 8-bit.
    name : str
        What to call the slide in an error.
    bits : int, optional
        How many bits of a sample count, where the file says it.
    inverted : bool
        Whether 0 is white.

    Raises
    ------
    SlideError
        If the pixels are no brightfield picture, or their range is not clear.
    """
    dtype = dtype.newbyteorder("=")
    if dtype.kind == "u" and bits is not None and 1 <= bits < min(8 * dtype.itemsize, 17):
        return ToRgb(channels, dtype, 2**bits - 1, inverted)
    if dtype in (np.uint8, np.bool_):
        return ToRgb(channels, dtype, inverted=inverted)
    high = float(np.nanmax(sample)) if sample is not None and sample.size else 0.0
    low = float(np.nanmin(sample)) if sample is not None and sample.size else 0.0
    if dtype == np.uint16 and high >= _FULL_RANGE_16_BIT:
        return ToRgb(channels, dtype, inverted=inverted)
    if dtype.kind == "f" and low >= 0.0 and 0.0 < high <= 1.0:
        return ToRgb(channels, dtype, inverted=inverted)
    wanted = {
        "f": "fractions are read when they lie between 0 and 1",
        "u": "16-bit pixels are read when they use the full range of 65,535",
    }.get(dtype.kind, "whole numbers are read when they are unsigned, 8 or 16 bits")
    raise SlideError(
        f"{name} holds {dtype} pixels from {low:g} to {high:g}, and how bright these are is not "
        f"clear ({wanted}). Convert it to 8-bit RGB."
    )
