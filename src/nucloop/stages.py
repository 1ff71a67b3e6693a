"""One dense network on its engine, and the windows of a slide that it must see to decide about a tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from nucloop.engines import Engine, OutOfMemoryError, make_engine
from nucloop.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from nucloop.models.cards import Card
    from nucloop.models.denuc import DenucDetector
    from nucloop.models.encoder import PointEncoder
    from nucloop.slides.tiling import Tile

__all__ = ["Stage", "Window", "align_up", "batches"]


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

    def cut(self, pixels: NDArray[np.uint8], inner: Window) -> NDArray[np.uint8] | None:
        """Return the part of this window's pixels that `inner` covers; None when it reaches farther."""
        y, x = inner.top - self.top, inner.left - self.left
        if min(y, x) < 0 or y + inner.height > self.height or x + inner.width > self.width:
            return None
        return pixels[y : y + inner.height, x : x + inner.width]


def align_up(value: float, step: int) -> int:
    """Return the least multiple of `step` that is not below `value`."""
    return int(np.ceil(value / step)) * step


def batches(tiles: Iterable[Tile], size: int) -> Iterator[list[Tile]]:
    """Consecutive tiles of one shape, at most `size` together."""
    batch: list[Tile] = []
    for tile in tiles:
        if batch and (len(batch) == size or (tile.height, tile.width) != (batch[0].height, batch[0].width)):
            yield batch
            batch = []
        batch.append(tile)
    if batch:
        yield batch


class Stage:
    """A network, its engine, and what its card says of resolution and halo.

    Parameters
    ----------
    net : DenucDetector or PointEncoder
        In evaluation mode.
    card : Card
        Its card; `halo` decides how much a window reaches beyond its tile.
    device : str
        As `nucloop.engines.make_engine` takes it.
    batch : int
        Tiles to begin with at a time on a GPU.
    """

    def __init__(self, net: DenucDetector | PointEncoder, card: Card, device: str, batch: int) -> None:
        self.net, self.card = net, card
        self.stride, self.mpp = net.stride, card.mpp
        self.align = max(net.config.strides)
        self.engine: Engine = make_engine(net, card.sha256, device)
        self.batch = batch
        self.notices: list[str] = []

    def window(self, tile: Tile, mpp: float, margin: int = 0) -> Window:
        """Return what the network must see of a tile that is given on the grid at `mpp` µm per pixel.

        `margin` widens it by pixels of the network's own grid, where its answers shall be right as well.
        """
        scale = mpp / self.mpp
        reach = align_up(self.card.halo + margin, self.align)
        top = int(np.floor(tile.top * scale / self.align)) * self.align - reach
        left = int(np.floor(tile.left * scale / self.align)) * self.align - reach
        bottom = align_up((tile.top + tile.height) * scale, self.align) + reach
        right = align_up((tile.left + tile.width) * scale, self.align) + reach
        return Window(top, left, bottom - top, right - left)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map RGB (N, H, W, 3) to (N, C, h, w); out of memory, on smaller batches and then on the CPU.

        Raises
        ------
        DeviceError
            If not even the CPU has room for one tile.
        """
        try:
            return self.engine(pixels)
        except OutOfMemoryError as error:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if len(pixels) > 1:
                half = len(pixels) // 2
                self.batch = min(self.batch, half)
                self._say(f"Out of GPU memory: working on {half} tiles at a time instead of {len(pixels)}.")
                return np.concatenate([self(pixels[:half]), self(pixels[half:])])
            if self.engine.cpu:
                raise DeviceError("Out of memory. Close other programs, or use smaller tiles.") from error
        self.engine = make_engine(self.net.cpu(), self.card.sha256, "cpu")
        self._say("Out of GPU memory: going on with the CPU. Close other programs that use the GPU.")
        return self(pixels)

    def _say(self, line: str) -> None:
        if line not in self.notices:
            self.notices.append(line)
