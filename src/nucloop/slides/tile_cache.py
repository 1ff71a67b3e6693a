"""Decoded tiles kept for a while: the halos of neighbouring tiles share them, and the next view on screen."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import product
from math import prod
from threading import Lock

import numpy as np

from nucloop.slides.protocol import PixelSource, RgbArray

_MAX_KEPT_PIXELS = 4096 * 1024


class TileCache:
    """The most recently used tiles, up to so many bytes; at least one. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._tiles: OrderedDict[Hashable, RgbArray] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Hashable) -> RgbArray | None:
        """Return a kept tile, None when it is not (any more) here."""
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                self._tiles.move_to_end(key)
            return tile

    def put(self, key: Hashable, tile: RgbArray) -> None:
        """Keep a tile, and let go of the ones used longest ago."""
        with self._lock:
            if key in self._tiles:
                return
            self._tiles[key] = tile
            self._bytes += tile.nbytes
            while self._bytes > self._max_bytes and len(self._tiles) > 1:
                self._bytes -= self._tiles.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._tiles.clear()
            self._bytes = 0


def read_by_tiles(
    read_tile: Callable[[int, int], RgbArray], tile: tuple[int, int], window: tuple[int, int, int, int]
) -> RgbArray:
    """Put a window together from the tiles of a grid.

    Parameters
    ----------
    read_tile : callable
        Gives the pixels of a row and column of the grid; those at the level's edges may be larger than what is left.
    tile : (int, int)
        Height and width of a tile.
    window : (int, int, int, int)
        y0, x0, y1, x1, inside the level.
    """
    (height, width), (y0, x0, y1, x1) = tile, window
    out = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
    for row in range(y0 // height, -(-y1 // height)):
        for column in range(x0 // width, -(-x1 // width)):
            pixels = read_tile(row, column)
            top, left = row * height, column * width
            a, b = max(y0, top), min(y1, top + height)
            c, d = max(x0, left), min(x1, left + width)
            out[a - y0 : b - y0, c - x0 : d - x0] = pixels[a - top : b - top, c - left : d - left]
    return out


def keep_decoded(source: PixelSource, cache: TileCache) -> PixelSource:
    """Return a level that keeps what it has decoded, for a person who looks around.

    Sources that do so by themselves are returned as they are, as are those of which one chunk would fill the memory.
    """
    chunk = getattr(source, "chunk", None)
    return source if chunk is None or prod(chunk) > _MAX_KEPT_PIXELS else KeptTiles(source, chunk, cache)


class KeptTiles:
    """A level whose tiles are kept once they were read.

    Parameters
    ----------
    source : PixelSource
        What they are read from.
    tile : (int, int)
        Height and width of a tile: what the source decodes at once.
    cache : TileCache
        Where they are kept; levels may share it.
    """

    def __init__(self, source: PixelSource, tile: tuple[int, int], cache: TileCache) -> None:
        self._source, self._tile, self._cache = source, tile, cache
        # kept tiles outlive the level, and a later one must not find them
        self._key = object()

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self._source.shape

    def read(self, y0: int, x0: int, y1: int, x1: int) -> RgbArray:
        """Return a window as (y1 - y0, x1 - x0, 3) uint8; raises what the source raises."""
        height, width = self._tile
        places = list(product(range(y0 // height, -(-y1 // height)), range(x0 // width, -(-x1 // width))))
        kept = {place: self._cache.get((self._key, *place)) for place in places}
        tiles = {place: pixels for place, pixels in kept.items() if pixels is not None}
        if len(tiles) < len(places):
            tiles |= self._read_together([place for place in places if place not in tiles])
        return read_by_tiles(lambda row, column: tiles[row, column], self._tile, (y0, x0, y1, x1))

    def _read_together(self, places: list[tuple[int, int]]) -> dict[tuple[int, int], RgbArray]:
        """Read tiles at once, with what lies between them: a store decodes several side by side."""
        grid, tile = np.array(places), np.array(self._tile)
        first, end = grid.min(0) * tile, np.minimum((grid.max(0) + 1) * tile, self.shape)
        block = self._source.read(*first.tolist(), *end.tolist())
        read = {}
        for place in places:
            top, left = np.array(place) * tile - first
            read[place] = block[top : top + tile[0], left : left + tile[1]].copy()
            self._cache.put((self._key, *place), read[place])
        return read
