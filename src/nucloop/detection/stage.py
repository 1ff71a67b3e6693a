"""One dense network on its engine, and the windows of a slide that it must see to decide about a tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nucloop.detection.engines import Engine, OutOfMemoryError, make_engine
from nucloop.errors import DeviceError
from nucloop.models.families import alignment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from torch import nn

    from nucloop.models.files.cards import Card
    from nucloop.slides import Slide
    from nucloop.slides.tiling import Tile

__all__ = ["Stage", "Window", "align_up", "batches", "read_window"]

BEYOND = 128
"""Grey value beyond a slide's edges."""


@dataclass(frozen=True)
class Window:
    """A rectangle of a working grid; it may reach outside the slide."""

    top: int
    left: int
    height: int
    width: int

    @property
    def origin(self) -> NDArray[np.float64]:
        """First pixel as (y, x)."""
        return np.array([self.top, self.left], np.float64)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def cut(self, pixels: NDArray[np.uint8], inner: Window) -> NDArray[np.uint8] | None:
        """Return the part of this window's pixels that `inner` covers; None when it reaches farther."""
        y, x = inner.top - self.top, inner.left - self.left
        if min(y, x) < 0 or y + inner.height > self.height or x + inner.width > self.width:
            return None
        return pixels[y : y + inner.height, x : x + inner.width]


def read_window(slide: Slide, window: Window, mpp: float) -> NDArray[np.uint8]:
    """Read a window of the working grid at `mpp`; the few pixels beyond the slide are mid-grey, the networks' zero.

    White there would be an edge of glass through the tissue, and mirrored tissue shows nuclei that are none: both
    cost up to a point of detection F1 on small fields (docs/models.md).

    Returns
    -------
    (height, width, 3) array
    """
    pixels = slide.read_working(window.top, window.left, window.height, window.width, mpp)
    height, width = slide.working_shape(mpp)
    bottom, right = height - window.top, width - window.left
    if bottom < window.height or right < window.width:
        pixels = pixels.copy()
        pixels[max(bottom, 0) :] = BEYOND
        pixels[:, max(right, 0) :] = BEYOND
    return pixels


def align_up(value: float, step: int) -> int:
    """Return the least multiple of `step` that is not below `value`."""
    return int(np.ceil(value / step)) * step


def batches(tiles: Iterable[tuple[Tile, Window]], size: int) -> Iterator[list[tuple[Tile, Window]]]:
    """Consecutive tiles whose windows have one shape, at most `size` together."""
    batch: list[tuple[Tile, Window]] = []
    for tile, window in tiles:
        if batch and (len(batch) == size or window.shape != batch[0][1].shape):
            yield batch
            batch = []
        batch.append((tile, window))
    if batch:
        yield batch


class Stage:
    """A network, its engine, and what its card says of resolution and halo.

    Parameters
    ----------
    net : Module
        A detector or an encoder (`nucloop.models.families.Trained`), in evaluation mode.
    card : Card
        Its card; `halo` decides how much a window reaches beyond its tile.
    device : str
        As `nucloop.detection.engines.make_engine` takes it.
    batch : int
        Tiles to begin with at a time on a GPU.
    turns : tuple of int
        Quarter turns in which the picture is shown to the network; its outputs are turned back and averaged.
        Only for outputs that do not point anywhere: features, not offsets.
    """

    def __init__(self, net: nn.Module, card: Card, device: str, batch: int, turns: tuple[int, ...] = (0,)) -> None:
        known: Any = net
        self.net, self.card, self.shape = net, card, known.config
        self.stride, self.mpp = known.stride, card.mpp
        self.align = alignment(self.shape)
        self.engine: Engine = make_engine(net, card.sha256, device)
        self.batch, self.turns = batch, turns
        self.notices: list[str] = []

    def window(self, slide: Slide, tile: Tile, mpp: float, margin: int = 0) -> Window:
        """Return what the network must see of a tile that is given on the grid at `mpp` µm per pixel.

        `margin` widens it by pixels of the network's own grid, where its answers shall be right as well. It ends at
        the slide's edges: there the network's own zero padding goes on, as at a training crop's edge.
        """
        scale = mpp / self.mpp
        reach = align_up(self.card.halo + margin, self.align)
        top = int(np.floor(tile.top * scale / self.align)) * self.align - reach
        left = int(np.floor(tile.left * scale / self.align)) * self.align - reach
        bottom = align_up((tile.top + tile.height) * scale, self.align) + reach
        right = align_up((tile.left + tile.width) * scale, self.align) + reach
        height, width = (align_up(length, self.align) for length in slide.working_shape(self.mpp))
        top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
        return Window(top, left, bottom - top, right - left)

    def look(
        self, slide: Slide, tile: Tile, seen: tuple[Window, NDArray[np.uint8]], mpp: float, margin: int = 0
    ) -> tuple[Window, NDArray[np.float32]]:
        """Return a tile's window on the network's own grid, and what the network makes of it, (1, C, h, w).

        `seen` is what was read of the slide at `mpp` for another network; pixels are read anew only where this one sees
        farther or at another scale. `mpp` and `margin` are as in `window`.
        """
        window = self.window(slide, tile, mpp, margin)
        crop = seen[0].cut(seen[1], window) if self.mpp == mpp else None
        return window, self((read_window(slide, window, self.mpp) if crop is None else crop)[None])

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map RGB (N, H, W, 3) to (N, C, h, w); out of memory, on smaller batches and then on the CPU.

        Raises
        ------
        DeviceError
            If not even the CPU has room for one tile.
        """
        turned = (np.rot90(self._run(np.rot90(pixels, k, (1, 2))), -k, (2, 3)) for k in self.turns)
        total = next(turned)
        for one in turned:
            total += one
        if len(self.turns) > 1:
            total /= np.float32(len(self.turns))
        return total

    def _run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            return self.engine(np.ascontiguousarray(pixels))
        except OutOfMemoryError as error:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if len(pixels) > 1:
                half = len(pixels) // 2
                self.batch = min(self.batch, half)
                self._say(f"Out of GPU memory: working on {half} tiles at a time instead of {len(pixels)}.")
                return np.concatenate([self._run(pixels[:half]), self._run(pixels[half:])])
            if self.engine.cpu:
                raise DeviceError("Out of memory. Close other programs, or use smaller tiles.") from error
        self.engine = make_engine(self.net.cpu(), self.card.sha256, "cpu")
        self._say("Out of GPU memory: going on with the CPU. Close other programs that use the GPU.")
        return self._run(pixels)

    def _say(self, line: str) -> None:
        if line not in self.notices:
            self.notices.append(line)
