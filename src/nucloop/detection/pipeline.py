"""From a slide to classified nuclei: detect, sample features at the points, classify; one result per tile.

DeNuC's pipeline (Yang, Kuang and Fu). Tiles are read with a halo as wide as the networks look, so a nucleus comes out
the same whatever region, tile size, order or batch it was found in.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.detection.classifier import Classifier
from nucloop.detection.contrast import has_contrast
from nucloop.detection.outliner import Outliner
from nucloop.detection.proposer import Proposer
from nucloop.detection.spec import InferenceConfig, PipelineSpec, chosen_models
from nucloop.detection.stage import Stage, Window, batches, read_window
from nucloop.errors import WeightsError
from nucloop.models.files.cards import Card, load_detector, load_head, load_shape
from nucloop.models.files.zoo import open_encoder
from nucloop.nuclei import Nuclei
from nucloop.slides.box import Box
from nucloop.slides.stains import GLASS
from nucloop.slides.tiling import Tile, TiledRegion, plan_tiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import nn

    from nucloop.geometry import Region
    from nucloop.models.heads import LinearHead
    from nucloop.models.proposals import Proposals
    from nucloop.models.shape import PointShape
    from nucloop.outlines import Outlines
    from nucloop.slides import Slide

__all__ = ["Pipeline", "TileResult"]


@dataclass(frozen=True)
class TileResult:
    """The nuclei that one tile owns."""

    nuclei: Nuclei
    """In level-0 pixels, without ids."""
    features: NDArray[np.float32] | None
    """(K, F), one row per nucleus: what the head saw; None where the detector named the classes itself."""
    box: Box
    """What the tile owns, level-0 pixels."""
    done: int
    """Tiles finished, this one included."""
    total: int
    """Tiles of this run."""
    without_contrast: int = 0
    """Points that were left out, because they are no darker than their surroundings."""


@dataclass(frozen=True)
class _TileInput:
    """A tile, and what the detector sees of it."""

    tile: Tile
    window: Window
    pixels: NDArray[np.uint8]


class Pipeline:
    """A detector, an encoder with a head unless the detector names classes itself, and perhaps a shape, on a device.

    Attributes
    ----------
    scheme : ClassScheme
        The classes that it gives.
    threshold : float
        Score from which a point counts.
    """

    def __init__(
        self,
        detector: tuple[nn.Module, Card],
        encoder: tuple[nn.Module, Card] | None = None,
        head: LinearHead | None = None,
        *,
        head_card: Card | None = None,
        shape: tuple[PointShape, Card] | None = None,
        own_outlines: bool = False,
        device: str = "auto",
        config: InferenceConfig | None = None,
    ) -> None:
        self.config, self._head_card = config or InferenceConfig(), head_card
        self._detector = Proposer(*detector, device, self.config, shape)
        self._classifier = None
        if encoder is not None and head is not None:
            self._classifier = Classifier(*encoder, head, device, self.config.rotations)
        self._outliner, self._own_outlines = None, own_outlines
        if shape is not None:
            self._outliner = Outliner(*shape, None if self._detector.shares else device)
        scheme = self._detector.scheme if self._classifier is None else self._classifier.head.scheme
        if scheme is None:
            raise WeightsError(
                f"{self._detector.card.name} only finds nuclei, so an encoder and a head are needed to give them "
                "classes. Choose both."
            )
        self.scheme, self.threshold = scheme, self._detector.threshold

    @classmethod
    def open(cls, spec: PipelineSpec | None = None) -> Pipeline:
        """Load the models of a specification and prepare them for its device.

        Raises
        ------
        WeightsError
            If a file is missing, damaged, of another kind, or the head belongs to another encoder.
        DeviceError
            If the device is not there.
        """
        spec = spec or PipelineSpec()
        net, card = load_detector(spec.detector)
        names = chosen_models(spec, card)
        encoder, head, head_card = None, None, None
        if "encoder" in names:
            encoder = open_encoder(names["encoder"])
            head, head_card = load_head(names["head"], encoder[1])
        return cls(
            (net, card),
            encoder,
            head,
            head_card=head_card,
            shape=load_shape(names["shape"]) if "shape" in names else None,
            own_outlines=spec.shape is None,
            device=spec.device,
            config=spec.config,
        )

    @property
    def _stages(self) -> dict[str, Stage]:
        stages = {"detector": self._detector.stage}
        if self._classifier is not None:
            stages["encoder"] = self._classifier.stage
        if self._outliner is not None and self._outliner.stage is not None:
            stages["shape"] = self._outliner.stage
        return stages

    @property
    def notices(self) -> list[str]:
        """What a person should know of the last run, such as a device that ran out of memory."""
        return list(dict.fromkeys(notice for stage in self._stages.values() for notice in stage.notices))

    @property
    def weights(self) -> dict[str, dict[str, str]]:
        """Name and sha256 of the networks and of the head, and the stains that it knows: for provenance."""
        cards = {kind: stage.card for kind, stage in self._stages.items()} | {"detector": self._detector.card}
        if self._outliner is not None:
            cards["shape"] = self._outliner.card
        if self._head_card is not None:
            cards["head"] = self._head_card
        return {kind: card.provenance for kind, card in cards.items()}

    @property
    def networks(self) -> dict[str, tuple[nn.Module, float, int]]:
        """The networks by kind, each with its µm per pixel and how many times it sees a picture."""
        return {kind: (stage.net, stage.mpp, len(stage.turns)) for kind, stage in self._stages.items()}

    @property
    def encoder_sha256(self) -> str | None:
        """Which encoder the features are of; None where the detector names the classes itself."""
        return None if self._classifier is None else self._classifier.stage.card.sha256

    @property
    def device(self) -> str:
        """What runs the networks, in words."""
        return self._detector.stage.engine.name

    def plan(
        self,
        slide: Slide,
        regions: Sequence[Box | Region] | None = None,
        *,
        centre: tuple[float, float] | None = None,
    ) -> list[tuple[Tile, Box]]:
        """Return the tiles that `run` works on, in its order, each with what it owns in level-0 pixels."""
        step = self._detector.mpp / slide.require_mpp()
        region = TiledRegion(regions if regions is not None else [slide.box], slide.box)
        return [(tile, _owned(tile, step, slide.box)) for tile in self._planned(slide, region, centre)]

    def _planned(self, slide: Slide, region: TiledRegion, centre: tuple[float, float] | None) -> list[Tile]:
        step = self._detector.mpp / slide.require_mpp()
        # a tile begins where windows of every network may begin
        align = math.lcm(*(stage.align for stage in self._stages.values()))
        return plan_tiles(region, step, self.config.tile, align, centre)

    def run(
        self,
        slide: Slide,
        regions: Sequence[Box | Region | NDArray[np.floating]] | None = None,
        *,
        centre: tuple[float, float] | None = None,
        tiles: Sequence[Tile] | None = None,
    ) -> Iterator[TileResult]:
        """Detect and classify; yield one result per tile, nearest to `centre` first.

        Parameters
        ----------
        slide : Slide
            With a known resolution.
        regions : sequence of Box, Region or (N, 2) outline, optional
            Level-0 pixels; the whole slide when absent.
        centre : (y, x), optional
            Level-0 pixels; the region's middle when absent.
        tiles : sequence of Tile, optional
            Some of those that `plan` gives for the same regions; the others are left out.

        Raises
        ------
        SlideError
            If the slide does not say its resolution, or is damaged.
        RegionError
            If a region is malformed or outside the slide.
        """
        step = slide.working_step(self._detector.mpp)
        region = TiledRegion(regions if regions is not None else [slide.box], slide.box)
        if tiles is None:
            tiles = self._planned(slide, region, centre)
        for stage in self._stages.values():
            stage.notices.clear()
        done = 0
        with ThreadPoolExecutor(1, thread_name_prefix="nucloop-read") as reading:
            for batch in self._read_ahead(reading, slide, tiles):
                for seen, (nuclei, features, pale) in zip(batch, self._batch(slide, region, batch), strict=True):
                    done += 1
                    yield TileResult(nuclei, features, _owned(seen.tile, step, slide.box), done, len(tiles), pale)

    def _read_ahead(
        self, reading: ThreadPoolExecutor, slide: Slide, tiles: Iterable[Tile]
    ) -> Iterator[list[_TileInput]]:
        """Batches of equal tiles with their pixels; the next batch is read while this one is worked on."""
        mpp = self._detector.mpp
        windows = ((tile, self._detector.window(slide, tile)) for tile in tiles)
        source = iter(batches(windows, self._detector.batch))

        def read(batch: list[tuple[Tile, Window]]) -> list[_TileInput]:
            return [_TileInput(tile, window, read_window(slide, window, mpp)) for tile, window in batch]

        waiting = [reading.submit(read, batch) for batch in islice(source, 2)]
        while waiting:
            ready = waiting.pop(0).result()
            waiting += [reading.submit(read, batch) for batch in islice(source, 1)]
            yield ready

    def _batch(
        self, slide: Slide, region: TiledRegion, batch: list[_TileInput]
    ) -> Iterator[tuple[Nuclei, NDArray[np.float32] | None, int]]:
        """Nuclei, their features and how many were left out, tile by tile; tiles of empty glass cost nothing."""
        end = slide.working_shape(self._detector.mpp)
        stained = [_holds_tissue(seen, end) for seen in batch]
        pixels = [seen.pixels for seen, holds in zip(batch, stained, strict=True) if holds]
        proposals = iter(self._detector(np.stack(pixels)) if pixels else ())
        for seen, holds in zip(batch, stained, strict=True):
            if holds:
                yield self._classify(slide, region, seen, *next(proposals))
            else:
                width = None if self._classifier is None else self._classifier.head.features
                yield Nuclei.empty(self.scheme), None if width is None else np.zeros((0, width), np.float32), 0

    def _classify(
        self,
        slide: Slide,
        region: TiledRegion,
        seen: _TileInput,
        found: Proposals,
        maps: NDArray[np.float32] | None,
    ) -> tuple[Nuclei, NDArray[np.float32] | None, int]:
        step = self._detector.mpp / slide.require_mpp()
        found = found.moved(seen.window.origin)
        found = found.take(seen.tile.owns(found.yx))
        # tile shapes differ in the last bits of floating point: rounded, a nucleus is the same in all of them
        level0 = np.round(((found.yx + 0.5) * step - 0.5) * 64) / 64
        # as the table will have them: what is asked of it later gets the same answer on a border
        inside = region.contains(level0.astype(np.float32))
        found, level0 = found.take(inside), level0[inside]
        dark = has_contrast(slide, (seen.window, seen.pixels), found.yx, self._detector.mpp, self.config.contrast)
        found, level0 = found.take(dark), level0[dark]
        table = Nuclei.from_points(self.scheme, level0, score=found.score)
        features = None
        if self._classifier is None:
            table = _named(table, found)
        else:
            pixels = (seen.window, seen.pixels)
            features = self._classifier.features(slide, seen.tile, pixels, found.yx, self._detector.mpp)
            label, probability, nucleus = self._classifier.head.classify(features)
            table = replace(table, label=label, probability=probability).take(nucleus)
            found, features = found.take(nucleus), features[nucleus]
        outlines = self._outlines(slide, seen, found, maps)
        table = replace(table, outlines=None if outlines is None else outlines.scaled(step))
        return table, features, int((~dark).sum())

    def _outlines(
        self, slide: Slide, seen: _TileInput, found: Proposals, maps: NDArray[np.float32] | None
    ) -> Outlines | None:
        """Outlines of a tile's nuclei on the detector's grid; None where nobody draws any."""
        if self._outliner is None or (found.outlines is not None and self._own_outlines):
            return found.outlines
        pixels = (seen.window, seen.pixels)
        return self._outliner.outlines(slide, seen.tile, pixels, found.yx, self._detector.mpp, maps)


def _named(table: Nuclei, found: Proposals) -> Nuclei:
    """Give nuclei the classes that their detector named."""
    if found.probability is None or not len(found):
        return table
    return replace(table, label=found.probability.argmax(1).astype(np.int16), probability=found.probability)


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
