"""From a slide to classified nuclei: detect, sample features at the points, classify; one result per tile.

DeNuC's pipeline (Yang, Kuang and Fu). Tiles are read with a halo as wide as the networks look, so a nucleus comes out
the same whatever region, tile size, order or batch it was found in.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nucloop.configuration import read_strictly
from nucloop.detection.stage import Stage, Window, align_up, batches, read_window
from nucloop.models.denuc import REACH, DenucDetector, decode, suppress
from nucloop.models.encoder import PointEncoder, sample_at
from nucloop.models.files.cards import Card, load_detector, load_encoder, load_head
from nucloop.nuclei import Nuclei
from nucloop.slides.box import Box
from nucloop.slides.stains import GLASS
from nucloop.slides.tiling import Region, Tile, plan_tiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nucloop.classes import ClassScheme
    from nucloop.models.heads import LinearHead
    from nucloop.slides import Slide

__all__ = ["InferenceConfig", "Pipeline", "TileResult"]

TURNS = {1: (0,), 2: (0, 2), 4: (0, 1, 2, 3)}
"""Quarter turns of each number of rotations."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class InferenceConfig:
    """How a pipeline walks a slide."""

    tile: int = 1024
    """Side of what a tile owns, working pixels."""
    batch: int = 8
    """Tiles at a time on a GPU; a CPU takes one."""
    suppression_um: float = 3.5
    """Of two detections nearer than this the better one stays, µm (DeNuC: 3)."""
    rotations: int = 2
    """Turns in which the encoder sees a tile, 1, 2 or 4; its features are averaged. Detection sees one."""
    threshold: float | None = None
    """Score from which a point counts; None takes the detector's own."""

    def __post_init__(self) -> None:
        if self.tile < 64 or self.tile % 64 or self.batch < 1:
            raise ValueError(f"tile {self.tile} must be a multiple of 64, and batch {self.batch} at least 1")
        if self.rotations not in TURNS:
            raise ValueError(f"rotations must be 1, 2 or 4, got {self.rotations}")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(f"threshold {self.threshold} must lie between 0 and 1")


@dataclass(frozen=True)
class TileResult:
    """The nuclei that one tile owns."""

    nuclei: Nuclei
    """In level-0 pixels, without ids."""
    features: NDArray[np.float32]
    """(K, F), one row per nucleus: what the head saw."""
    box: Box
    """What the tile owns, level-0 pixels."""
    done: int
    """Tiles finished, this one included."""
    total: int
    """Tiles of this run."""


@dataclass(frozen=True)
class _TileInput:
    """A tile, and what the detector sees of it."""

    tile: Tile
    window: Window
    pixels: NDArray[np.uint8]


class Pipeline:
    """A detector, an encoder and a head, ready to run on a device.

    Attributes
    ----------
    scheme : ClassScheme
        The head's classes.
    threshold : float
        Score from which a point counts.
    """

    def __init__(
        self,
        detector: tuple[DenucDetector, Card],
        encoder: tuple[PointEncoder, Card],
        head: LinearHead,
        *,
        device: str = "auto",
        config: InferenceConfig | None = None,
    ) -> None:
        self.config = config or InferenceConfig()
        self.head = head
        self._detector = Stage(*detector, device, self.config.batch)
        self._encoder = Stage(*encoder, device, 1, TURNS[self.config.rotations])
        self.threshold = self.config.threshold or self._detector.card.threshold

    @classmethod
    def load(
        cls,
        detector: str = "denuc-mobilenet",
        encoder: str = "embedded",
        head: str = "brca-m2c",
        device: str = "auto",
        config: InferenceConfig | None = None,
    ) -> Pipeline:
        """Load shipped weights by name, or files by path, and prepare them for a device.

        Raises
        ------
        WeightsError
            If a file is missing, damaged, of another kind, or the head belongs to another encoder.
        DeviceError
            If the device is not there.
        """
        encoder_net, encoder_card = load_encoder(encoder)
        linear, _ = load_head(head, encoder_card)
        return cls(load_detector(detector), (encoder_net, encoder_card), linear, device=device, config=config)

    @property
    def scheme(self) -> ClassScheme:
        """The head's classes."""
        return self.head.scheme

    @property
    def notices(self) -> list[str]:
        """What a person should know of the last run, such as a device that ran out of memory."""
        return list(dict.fromkeys(self._detector.notices + self._encoder.notices))

    @property
    def weights(self) -> dict[str, dict[str, str]]:
        """Name and sha256 of the networks, for provenance."""
        stages = {"detector": self._detector.card, "encoder": self._encoder.card}
        return {kind: {"name": card.name, "sha256": card.sha256} for kind, card in stages.items()}

    @property
    def device(self) -> str:
        """What runs the networks, in words."""
        return self._detector.engine.name

    def run(
        self,
        slide: Slide,
        regions: Sequence[Box | NDArray[np.floating]] | None = None,
        *,
        centre: tuple[float, float] | None = None,
    ) -> Iterator[TileResult]:
        """Detect and classify; yield one result per tile, nearest to `centre` first.

        Parameters
        ----------
        slide : Slide
            With a known resolution.
        regions : sequence of Box or (N, 2) polygon, optional
            Level-0 pixels; the whole slide when absent.
        centre : (y, x), optional
            Level-0 pixels; the region's middle when absent.

        Raises
        ------
        SlideError
            If the slide does not say its resolution, or is damaged.
        RegionError
            If a region is malformed or outside the slide.
        """
        step = self._detector.mpp / slide.require_mpp()
        region = Region(regions if regions is not None else [slide.box], slide.box)
        align = max(self._detector.align, self._encoder.align)
        tiles = plan_tiles(region, step, self.config.tile, align, centre)
        for stage in (self._detector, self._encoder):
            stage.notices.clear()
        done = 0
        with ThreadPoolExecutor(1, thread_name_prefix="nucloop-read") as reading:
            for batch in self._read_ahead(reading, slide, tiles):
                for seen, (nuclei, features) in zip(batch, self._batch(slide, region, batch), strict=True):
                    done += 1
                    yield TileResult(nuclei, features, _owned(seen.tile, step, slide.box), done, len(tiles))

    def _read_ahead(
        self, reading: ThreadPoolExecutor, slide: Slide, tiles: Iterable[Tile]
    ) -> Iterator[list[_TileInput]]:
        """Batches of equal tiles with their pixels; the next batch is read while this one is worked on."""
        mpp = self._detector.mpp
        windows = ((tile, self._detector.window(slide, tile, mpp, self._margin)) for tile in tiles)
        source = iter(batches(windows, 1 if self._detector.engine.cpu else self._detector.batch))

        def read(batch: list[tuple[Tile, Window]]) -> list[_TileInput]:
            return [_TileInput(tile, window, read_window(slide, window, mpp)) for tile, window in batch]

        waiting = [reading.submit(read, batch) for batch in islice(source, 2)]
        while waiting:
            ready = waiting.pop(0).result()
            waiting += [reading.submit(read, batch) for batch in islice(source, 1)]
            yield ready

    @property
    def _margin(self) -> int:
        """Working pixels beyond a tile in which detections still decide which of its own are suppressed."""
        radius = self.config.suppression_um / self._detector.mpp
        return align_up(radius + REACH * self._detector.stride, self._detector.align)

    def _batch(
        self, slide: Slide, region: Region, batch: list[_TileInput]
    ) -> Iterator[tuple[Nuclei, NDArray[np.float32]]]:
        """Nuclei and their features, tile by tile; tiles of empty glass cost nothing."""
        end = slide.working_shape(self._detector.mpp)
        stained = [_holds_tissue(seen, end) for seen in batch]
        pixels = [seen.pixels for seen, holds in zip(batch, stained, strict=True) if holds]
        outputs = iter(self._detector(np.stack(pixels)) if pixels else ())
        for seen, holds in zip(batch, stained, strict=True):
            if holds:
                yield self._classify(slide, region, seen, next(outputs))
            else:
                yield Nuclei.empty(self.scheme), np.zeros((0, self.head.features), np.float32)

    def _classify(
        self, slide: Slide, region: Region, seen: _TileInput, output: NDArray[np.float32]
    ) -> tuple[Nuclei, NDArray[np.float32]]:
        step = self._detector.mpp / slide.require_mpp()
        yx, score = self._points(seen, output)
        # tile shapes differ in the last bits of floating point: rounded, a nucleus is the same in all of them
        level0 = np.round(((yx + 0.5) * step - 0.5) * 64) / 64
        inside = region.contains(level0)
        yx, level0, score = yx[inside], level0[inside], score[inside]
        features = self._features(slide, seen, yx)
        label, probability, nucleus = self.head.classify(features)
        table = Nuclei.from_points(self.scheme, level0, label=label, score=score, probability=probability)
        return table.take(nucleus), features[nucleus]

    def _points(self, seen: _TileInput, output: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return the detections that a tile owns, in working pixels of the slide, and their scores."""
        local, score = decode(output, self._detector.stride, self.threshold)
        yx = local.astype(np.float64) + seen.window.origin
        kept = suppress(yx.astype(np.float32), score, self.config.suppression_um / self._detector.mpp)
        yx, score = yx[kept], score[kept]
        own = seen.tile.owns(yx)
        return yx[own], score[own]

    def _features(self, slide: Slide, seen: _TileInput, yx: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features (K, F) of points in detector working pixels."""
        if not len(yx):
            return np.zeros((0, self.head.features), np.float32)
        window = self._encoder.window(slide, seen.tile, self._detector.mpp)
        same = self._encoder.mpp == self._detector.mpp
        crop = seen.window.cut(seen.pixels, window) if same else None
        if crop is None:
            crop = read_window(slide, window, self._encoder.mpp)
        dense = torch.from_numpy(self._encoder(crop[None])[0])
        points = (yx + 0.5) * (self._detector.mpp / self._encoder.mpp) - 0.5 - window.origin
        return sample_at(dense, torch.from_numpy(points.astype(np.float32)), self._encoder.stride).numpy()


def _holds_tissue(seen: _TileInput, end: tuple[int, int]) -> bool:
    """Whether any pixel that the tile owns is darker than glass; the slide ends at `end`, working pixels."""
    tile, window = seen.tile, seen.window
    rows = slice(tile.top - window.top, min(tile.top + tile.height, end[0]) - window.top)
    columns = slice(tile.left - window.left, min(tile.left + tile.width, end[1]) - window.left)
    own = seen.pixels[rows, columns]
    return bool(own.size) and bool(own.min() < GLASS)


def _owned(tile: Tile, step: float, bounds: Box) -> Box:
    top, left = round(tile.top * step), round(tile.left * step)
    bottom, right = round((tile.top + tile.height) * step), round((tile.left + tile.width) * step)
    return Box(top, left, bottom - top, right - left).intersect(bounds)
