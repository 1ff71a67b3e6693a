"""From a slide to classified nuclei: detect, sample features at the points, classify; one result per tile.

DeNuC's pipeline (Yang, Kuang and Fu). Tiles are read with a halo as wide as the networks look, and lie on one grid per
slide, so a nucleus comes out the same whatever region, tile size, order or batch it was found in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nucloop.configuration import read_strictly
from nucloop.engines import Engine, OutOfMemoryError, make_engine
from nucloop.errors import DeviceError
from nucloop.models.cards import Card, load_detector, load_encoder, load_head
from nucloop.models.denuc import REACH, DenucDetector, decode, suppress
from nucloop.models.encoder import PointEncoder, sample_at
from nucloop.models.heads import LinearHead
from nucloop.nuclei import Nuclei
from nucloop.slides.box import Box
from nucloop.slides.tiling import Region, Tile, plan_tiles

if TYPE_CHECKING:
    from nucloop.classes import ClassScheme
    from nucloop.slides import Slide

__all__ = ["InferenceConfig", "Pipeline", "TileResult"]

GLASS = 222
"""A tile in which no pixel is darker than this in any channel is empty glass."""


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
    threshold: float | None = None
    """Score from which a point counts; None takes the detector's own."""

    def __post_init__(self) -> None:
        if self.tile < 64 or self.tile % 64 or self.batch < 1:
            raise ValueError(f"tile {self.tile} must be a multiple of 64, and batch {self.batch} at least 1")
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


class _Stage:
    """One dense network on its engine, with what tiling must know of it."""

    def __init__(self, net: DenucDetector | PointEncoder, card: Card, device: str) -> None:
        self.net, self.card = net, card
        self.stride, self.mpp, self.halo = net.stride, card.mpp, card.halo
        self.align = max(net.config.strides)
        self.engine: Engine = make_engine(net, card.sha256, device)

    def fall_back(self) -> None:
        self.engine = make_engine(self.net.cpu(), self.card.sha256, "cpu")


class Pipeline:
    """A detector, an encoder and a head, ready to run on a device.

    Attributes
    ----------
    scheme : ClassScheme
        The head's classes.
    notices : list of str
        What a person should know about the last run, such as a device that ran out of memory.
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
        self.notices: list[str] = []
        self._detector = _Stage(*detector, device)
        self._encoder = _Stage(*encoder, device)
        self._batch = self.config.batch
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
        self.notices = []
        done = 0
        with ThreadPoolExecutor(1, thread_name_prefix="nucloop-read") as reader:
            for batch, pixels in self._read_ahead(reader, slide, tiles):
                for tile, (nuclei, features) in zip(batch, self._classified(slide, region, batch, pixels), strict=True):
                    done += 1
                    yield TileResult(nuclei, features, _owned(tile, step, slide.box), done, len(tiles))

    def _read_ahead(
        self, reader: ThreadPoolExecutor, slide: Slide, tiles: Iterable[Tile]
    ) -> Iterator[tuple[list[Tile], NDArray[np.uint8]]]:
        """Batches of equal tiles with their pixels; the next batch is read while this one is worked on."""
        source = iter(_batches(tiles, 1 if self._detector.engine.cpu else self._batch))

        def read(batch: list[Tile]) -> tuple[list[Tile], NDArray[np.uint8]]:
            return batch, np.stack([self._read(slide, tile, self._detector) for tile in batch])

        waiting = [reader.submit(read, batch) for batch in islice(source, 2)]
        while waiting:
            ready = waiting.pop(0).result()
            waiting += [reader.submit(read, batch) for batch in islice(source, 1)]
            yield ready

    def _read(self, slide: Slide, tile: Tile, stage: _Stage) -> NDArray[np.uint8]:
        """Pixels of a tile with the stage's halo, at the stage's resolution."""
        window, _ = _window(tile, self._detector, stage, self._margin)
        return slide.read_working(*window, stage.mpp)

    @property
    def _margin(self) -> int:
        """Working pixels beyond a tile in which detections still decide which of its own are suppressed."""
        radius = self.config.suppression_um / self._detector.mpp
        return _up(radius + REACH * self._detector.stride, self._detector.align)

    def _classified(
        self, slide: Slide, region: Region, batch: list[Tile], pixels: NDArray[np.uint8]
    ) -> list[tuple[Nuclei, NDArray[np.float32]]]:
        stained = [k for k in range(len(batch)) if pixels[k].min() < GLASS]
        found = {
            k: self._points(out, batch[k])
            for k, out in zip(stained, self._apply(self._detector, pixels[stained]), strict=True)
        }
        results = []
        for k, tile in enumerate(batch):
            yx, score = found.get(k, (np.zeros((0, 2)), np.zeros(0, np.float32)))
            step = self._detector.mpp / slide.require_mpp()
            inside = region.contains((yx + 0.5) * step - 0.5)
            yx, score = yx[inside], score[inside]
            features = self._features(slide, tile, pixels[k], yx)
            label, probability, nucleus = self.head.classify(features)
            # tile shapes differ in the last bits of floating point: rounded, a nucleus is the same in all of them
            rounded = np.round(((yx + 0.5) * step - 0.5) * 64) / 64
            table = Nuclei.from_points(
                self.scheme, rounded, label=label, score=score, probability=probability
            )
            results.append((table.take(nucleus), features[nucleus]))
        return results

    def _points(self, output: NDArray[np.float32], tile: Tile) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Detections that a tile owns, in working pixels of the slide, and their scores."""
        window, _ = _window(tile, self._detector, self._detector, self._margin)
        local, score = decode(output, self._detector.stride, self.threshold)
        yx = local.astype(np.float64) + window[:2]
        near = Tile(
            *(np.array([tile.top, tile.left]) - self._margin), *(np.array([tile.height, tile.width]) + 2 * self._margin)
        )
        close = near.owns(yx)
        yx, score = yx[close], score[close]
        kept = suppress(yx.astype(np.float32), score, self.config.suppression_um / self._detector.mpp)
        yx, score = yx[kept], score[kept]
        own = tile.owns(yx)
        return yx[own], score[own]

    def _features(
        self, slide: Slide, tile: Tile, pixels: NDArray[np.uint8], yx: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Features (K, F) of points in detector working pixels."""
        if not len(yx):
            return np.zeros((0, self.head.features), np.float32)
        window, scale = _window(tile, self._detector, self._encoder, self._margin)
        if self._encoder.mpp == self._detector.mpp:
            outer, _ = _window(tile, self._detector, self._detector, self._margin)
            y, x = window[0] - outer[0], window[1] - outer[1]
            crop = (
                pixels[y : y + window[2], x : x + window[3]]
                if min(y, x) >= 0
                else self._read(slide, tile, self._encoder)
            )
        else:
            crop = self._read(slide, tile, self._encoder)
        dense = torch.from_numpy(self._apply(self._encoder, crop[None])[0])
        points = (yx + 0.5) * scale - 0.5 - np.array(window[:2])
        return sample_at(dense, torch.from_numpy(points.astype(np.float32)), self._encoder.stride).numpy()

    def _apply(self, stage: _Stage, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run a network; out of memory, run it on smaller batches, then on the CPU."""
        if not len(pixels):
            return np.zeros((0, 1, 1, 1), np.float32)
        try:
            return stage.engine(pixels)
        except OutOfMemoryError as error:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if len(pixels) > 1:
                self._batch = max(1, min(self._batch, len(pixels)) // 2)
                self._say(f"Out of GPU memory: working on {self._batch} tiles at a time instead of {len(pixels)}.")
                half = len(pixels) // 2
                return np.concatenate([self._apply(stage, pixels[:half]), self._apply(stage, pixels[half:])])
            if stage.engine.cpu:
                raise DeviceError("Out of memory. Close other programs, or use smaller tiles.") from error
            stage.fall_back()
            self._say("Out of GPU memory: going on with the CPU. Close other programs that use the GPU.")
            return stage.engine(pixels)

    def _say(self, line: str) -> None:
        if line not in self.notices:
            self.notices.append(line)


def _up(value: float, align: int) -> int:
    return int(np.ceil(value / align)) * align


def _window(tile: Tile, base: _Stage, stage: _Stage, margin: int) -> tuple[tuple[int, int, int, int], float]:
    """Window (top, left, height, width) that `stage` needs for a tile, in its own pixels, and pixels per base pixel.

    A detector needs `margin` more than its halo, in which suppression is settled.
    """
    scale = base.mpp / stage.mpp
    halo = _up(stage.halo + (margin if stage is base else 0), stage.align)
    top = int(np.floor(tile.top * scale / stage.align)) * stage.align - halo
    left = int(np.floor(tile.left * scale / stage.align)) * stage.align - halo
    bottom = _up((tile.top + tile.height) * scale, stage.align) + halo
    right = _up((tile.left + tile.width) * scale, stage.align) + halo
    return (top, left, bottom - top, right - left), scale


def _batches(tiles: Iterable[Tile], size: int) -> Iterator[list[Tile]]:
    """Consecutive tiles of one shape, at most `size` together."""
    batch: list[Tile] = []
    for tile in tiles:
        if batch and (len(batch) == size or (tile.height, tile.width) != (batch[0].height, batch[0].width)):
            yield batch
            batch = []
        batch.append(tile)
    if batch:
        yield batch


def _owned(tile: Tile, step: float, bounds: Box) -> Box:
    top, left = round(tile.top * step), round(tile.left * step)
    bottom, right = round((tile.top + tile.height) * step), round((tile.left + tile.width) * step)
    return Box(top, left, bottom - top, right - left).intersect(bounds)
