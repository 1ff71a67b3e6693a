"""Decoded tiles kept for a while: the halos of neighbouring tiles share them."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

from nucloop.slides.protocol import RgbArray


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
