"""Resampling on one global grid, the same to the last bit whatever the window.

A detector sees a slide tile by tile. Were a tile's pixels to depend on where its window starts, the
same nucleus would score differently in two tilings. So the weights of an output pixel depend on its
global position alone, and all sums are exact: weights are multiples of 2**-13 and the sums of their
products fit the 24 bits of a float32, which makes BLAS exact in any order of summation.

The kernel is Catmull-Rom's cubic (Keys 1981, a = -0.5), widened when shrinking so that it also is
the low-pass filter, as in Pillow.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucloop.slides.protocol import RgbArray

FloatArray = NDArray[np.float32]

_WEIGHT_ONE = 1 << 13
_BETWEEN_PASSES = 4.0  # 2 bits behind the point: 319 * 4 * 2**13 * 1.25 < 2**24 stays exact
_BLOCK = 32
_COLUMN_BLOCK = 16
# OpenBLAS wakes its threads for products of more multiplications than this. Tiles are read beside a running network,
# whose threads have the cores already: waiting for each other then costs far more than it gains.
_ONE_THREAD = 260_000


@dataclass(frozen=True)
class AxisWeights:
    """Where the output pixels of one axis take their values from."""

    start: NDArray[np.int64]
    """(N,) first source pixel of each output pixel; may be negative."""
    weights: FloatArray
    """(N, T) weights of the T source pixels from there, multiples of 2**-13 that sum to 1."""

    step: float
    """Source pixels per output pixel."""

    @property
    def source_range(self) -> tuple[int, int]:
        """First source pixel, and the one after the last, that this axis needs."""
        return int(self.start[0]), int(self.start[-1]) + self.weights.shape[1]

    def block(self, first: int, last: int) -> tuple[int, int, FloatArray]:
        """Return the dense matrix of output pixels [first, last) and its source range."""
        start, taps = self.start[first:last], self.weights.shape[1]
        low, high = int(start[0]), int(start[-1]) + taps
        matrix = np.zeros((last - first, high - low), np.float32)
        columns = (start - low)[:, None] + np.arange(taps)
        matrix[np.arange(last - first)[:, None], columns] = self.weights[first:last]
        return low, high, matrix


def axis_weights(centres: NDArray[np.float64], step: float) -> AxisWeights:
    """Weights for output pixels at increasing positions.

    Parameters
    ----------
    centres : (N,) array
        Positions in source pixels, measured from the outer edge of source pixel 0 (whose own centre
        is at 0.5).
    step : float
        Source pixels per output pixel; above 1 the image shrinks.
    """
    widen = max(step, 1.0)
    support = 2.0 * widen
    start = np.floor(centres - support).astype(np.int64)
    taps = int(np.ceil(2 * support)) + 1
    distance = (start[:, None] + np.arange(taps) + 0.5 - centres[:, None]) / widen
    weights = _cubic(np.abs(distance))
    weights /= weights.sum(axis=1, keepdims=True)
    fixed = np.rint(weights * _WEIGHT_ONE)
    rows = np.arange(len(fixed))
    fixed[rows, fixed.argmax(axis=1)] += _WEIGHT_ONE - fixed.sum(axis=1)
    return AxisWeights(start, (fixed / _WEIGHT_ONE).astype(np.float32), step)


def _cubic(t: NDArray[np.float64]) -> NDArray[np.float64]:
    near = (1.5 * t - 2.5) * t * t + 1.0
    far = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    return np.asarray(np.where(t < 1.0, near, np.where(t < 2.0, far, 0.0)))


def resample(source: RgbArray, rows: AxisWeights, columns: AxisWeights) -> RgbArray:
    """Resample a window of source pixels.

    Parameters
    ----------
    source : (H, W, 3) uint8 array
        The pixels of `rows.source_range` by `columns.source_range`.

    Returns
    -------
    (len(rows.start), len(columns.start), 3) uint8 array
    """
    flat = source.reshape(len(source), -1)
    # The pass that shrinks (or grows least) goes first. It depends on the step alone, never on the window.
    if rows.step > 1.0:
        values = _along_columns(_between(_along_rows(flat, rows)), columns)
    else:
        values = _along_rows(_between(_along_columns(flat, columns)), rows)
    out = np.empty(values.shape, np.uint8)
    for first in range(0, len(values), _BLOCK):
        strip = values[first : first + _BLOCK]
        np.clip(strip, 0.0, 255.0, out=strip)
        strip += 0.5
        out[first : first + _BLOCK] = strip
    return out.reshape(len(rows.start), len(columns.start), 3)


def halve(pixels: RgbArray) -> RgbArray:
    """Shrink (2 * H, 2 * W, 3) pixels to (H, W, 3), each the mean of four."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    flat = pixels.reshape(2 * height, 6 * width)
    pairs = np.add(flat[0::2], flat[1::2], dtype=np.uint16)
    out = np.empty((height, 3 * width), np.uint8)
    for channel in range(3):
        # Long strides over one channel: loops over the three of a pixel would take most of the time.
        four = pairs[:, channel::6] + pairs[:, channel + 3 :: 6]
        four += 2
        out[:, channel::3] = four >> 2
    return out.reshape(height, width, 3)


def _between(values: FloatArray) -> FloatArray:
    """Round what the first pass gave, so that the second stays exact."""
    values *= _BETWEEN_PASSES
    np.rint(values, out=values)
    values /= _BETWEEN_PASSES
    return values


def _along_rows(values: NDArray[Any], rows: AxisWeights) -> FloatArray:
    """Resample (H, 3 * W) along y."""
    out = np.empty((len(rows.start), values.shape[1]), np.float32)
    origin = rows.source_range[0]
    for first in range(0, len(out), _BLOCK):
        last = min(first + _BLOCK, len(out))
        low, high, matrix = rows.block(first, last)
        source, side = (
            values[low - origin : high - origin].astype(np.float32, copy=False),
            max(1, _ONE_THREAD // matrix.size),
        )
        for left in range(0, out.shape[1], side):
            np.matmul(matrix, source[:, left : left + side], out=out[first:last, left : left + side])
    return out


def _along_columns(values: NDArray[Any], columns: AxisWeights) -> FloatArray:
    """Resample (H, 3 * W) along x, the channels interleaved as they lie in memory."""
    width, block = len(columns.start), _COLUMN_BLOCK
    out = np.empty((len(values), 3 * width), np.float32)
    origin = columns.source_range[0]
    values = values.astype(np.float32, copy=False)
    for first in range(0, width, block):
        last = min(first + block, width)
        low, high, matrix = columns.block(first, last)
        mixing = np.zeros((3 * matrix.shape[1], 3 * matrix.shape[0]), np.float32)
        for channel in range(3):
            mixing[channel::3, channel::3] = matrix.T
        source, side = values[:, 3 * (low - origin) : 3 * (high - origin)], max(1, _ONE_THREAD // mixing.size)
        for top in range(0, len(out), side):
            np.matmul(source[top : top + side], mixing, out=out[top : top + side, 3 * first : 3 * last])
    return out
