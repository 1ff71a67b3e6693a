"""Random crops of annotated fields, a batch at a time: the fields lie on the device, one sampling cuts the crops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from nucloop.training.crops import ABSENT, Crops, table_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from nucloop.training.augment import AugmentConfig
    from nucloop.training.fields import Field

__all__ = ["CropSampler"]


class CropSampler:
    """Draws random crops at one working resolution; every field is equally likely per root of its area, by its weight.

    Parameters
    ----------
    fields : sequence of Field
        Annotated images of any size and resolution. Each is read once and kept on the device, in eight bits.
    mpp : float
        Working resolution, µm per pixel.
    side : int
        Side of a crop, working pixels.
    instances : bool
        Whether crops say whose each pixel is.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        mpp: float,
        side: int,
        config: AugmentConfig,
        device: torch.device | str = "cpu",
        *,
        instances: bool = False,
    ) -> None:
        self.side, self.config, self.device = side, config, torch.device(device)
        shrink = [max(int(mpp / field.mpp + 0.3), 1) for field in fields]
        images = [_shrunk(field.read(), k) for field, k in zip(fields, shrink, strict=True)]
        self._size = np.array([image.shape for image in images])
        self._start = np.cumsum([0, *(image.numel() for image in images[:-1])])
        self._pixels = torch.cat([image.flatten() for image in images]).to(self.device)
        owners = [_owners(f, k, i.shape) for f, k, i in zip(fields, shrink, images, strict=True)] if instances else []
        self._owners = torch.cat([owner.flatten() for owner in owners]).to(self.device) if instances else None
        self._zoom = np.array([mpp / (field.mpp * k) for field, k in zip(fields, shrink, strict=True)])
        self._points = np.concatenate([(f.yx + 0.5) / k - 0.5 for f, k in zip(fields, shrink, strict=True)])
        self._labels = np.concatenate([field.label.astype(np.int64) for field in fields])
        self._choices = _all_choices(fields)
        self._exhaustive = np.array([field.exhaustive for field in fields])
        self._count = np.array([len(field.yx) for field in fields])
        self._first = np.cumsum(self._count) - self._count
        # a small field still gets a fair share: the square root lies between per-image and per-area sampling
        share = np.array([field.weight for field in fields]) * np.sqrt(self._size.prod(1)) / self._zoom
        self._share = share / share.sum()

    def draw(self, count: int, rng: np.random.Generator) -> Crops:
        """Return crops with random place, rotation, mirror and scale; outside the field is white, as off a slide."""
        field = rng.choice(len(self._share), count, p=self._share)
        ihc = rng.random(count) < self.config.ihc
        # here a step in the crop is this many steps in the life-size image
        life = np.exp(rng.uniform(-1, 1, count) * np.log(self.config.scale))
        life *= np.where(ihc, np.exp(-rng.uniform(0, 1, count) * np.log(self.config.ihc_scale)), 1)
        turn = _turns(self._zoom[field] * life, rng)
        size = self._size[field]
        half = np.minimum(0.5 * self.side * self._zoom[field] * life, size.min(1) / 2)[:, None]
        centre = rng.uniform(half, size - half) - 0.5
        # which crops are sampled smoothly and which sharply does not depend on the rest: the first ones are
        smooth = 0 if self.device.type == "mps" else int(rng.binomial(count, 0.5))
        parts = [
            self._sampled(field[rows], turn[rows], centre[rows], mode)
            for rows, mode in ((slice(0, smooth), "bicubic"), (slice(smooth, count), "bilinear"))
            if len(field[rows])
        ]
        crop, row, yx = self._nuclei(field, turn, centre)
        place, width = _places(crop, count)
        table = np.full((count, width, 2), ABSENT, np.float32)
        label = np.full((count, width), -1, np.int64)
        table[crop, place], label[crop, place] = yx, self._labels[row]
        choices = None
        if self._choices is not None:
            choices = np.zeros((count, width, self._choices.shape[1]), bool)
            choices[crop, place] = self._choices[row]
        instances = None
        if self._owners is not None:
            # nuclei seen in part, without their centre, come after those of the table
            renumbered = np.tile(np.arange(self._count.max(initial=0) + 2) + width, (count, 1))
            renumbered[:, 0], renumbered[:, -1] = 0, -1
            renumbered[crop, row - self._first[field[crop]] + 1] = place + 1
            instances = self._instances(field, turn, centre, self._lay(renumbered))
        return Crops(
            torch.cat(parts),
            self._lay(table),
            self._lay(label),
            1 / life,
            ihc,
            self._exhaustive[field],
            None if choices is None else self._lay(choices),
            instances,
        )

    def _lay(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def _nuclei(
        self, field: NDArray[np.intp], turn: NDArray[np.float64], centre: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Crop, row among all nuclei and place (P, 2) of every nucleus that a crop shows."""
        count = self._count[field]
        crop = np.repeat(np.arange(len(field)), count)
        row = np.arange(len(crop)) + np.repeat(self._first[field] - (np.cumsum(count) - count), count)
        back = np.linalg.inv(turn)[crop]
        yx = (back @ (self._points[row] - centre[crop])[..., None])[..., 0] + (self.side - 1) / 2
        inside = ((yx >= 0) & (yx <= self.side - 1)).all(1)
        return crop[inside], row[inside], yx[inside].astype(np.float32)

    def _sampled(
        self, field: NDArray[np.intp], turn: NDArray[np.float64], centre: NDArray[np.float64], mode: str
    ) -> Tensor:
        """Crops (N, 3, S, S): a window around each is taken from its field, and sampled at the turned places."""
        reach = 0.5 * (self.side - 1) * np.abs(turn).sum(2).max() + 3
        window = int(-(-2 * reach // 32)) * 32
        corner = np.floor(centre).astype(np.int64) - window // 2
        inside, index = self._window(field, corner, window)
        packed = torch.where(inside, self._pixels[index], 0)
        image = packed.view(torch.uint8).view(*packed.shape, 4).permute(0, 3, 1, 2)[:, :3].float()
        step = torch.arange(self.side, device=self.device, dtype=torch.float32) - (self.side - 1) / 2
        # in grid_sample's units, x before y
        turned = self._lay((turn[:, ::-1] * 2 / window).astype(np.float32))
        origin = self._lay(((2 * (centre - corner) + 1) / window - 1)[:, ::-1].astype(np.float32))
        grid = turned[:, None, :, 0] * step[:, None] + origin[:, None]
        grid = grid[:, :, None] + turned[:, None, None, :, 1] * step[:, None]
        # the pixels lie there as 255 - value: zero padding is then white glass
        warped = F.grid_sample(image, grid, mode=mode, padding_mode="zeros", align_corners=False)
        return warped.clamp_(0, 255).neg_().add_(255)

    def _instances(
        self, field: NDArray[np.intp], turn: NDArray[np.float64], centre: NDArray[np.float64], renumbered: Tensor
    ) -> Tensor:
        """Whose each pixel of the crops is (N, S, S), from the numbers that their fields' nuclei have there."""
        assert self._owners is not None
        step = torch.arange(self.side, device=self.device, dtype=torch.float32) - (self.side - 1) / 2
        turned, origin = self._lay(turn.astype(np.float32)), self._lay(centre.astype(np.float32))
        y, x = (
            (turned[:, axis, 0, None, None] * step[:, None] + turned[:, axis, 1, None, None] * step)
            .add_(origin[:, axis, None, None])
            .round_()
            .long()
            for axis in range(2)
        )
        height, width = (self._lay(self._size[field, axis])[:, None, None] for axis in range(2))
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        index = self._lay(self._start[field])[:, None, None] + y * width + x
        owner = self._owners[torch.where(inside, index, 0)].long()
        # the last number stands for "nobody knows"
        owner = torch.where(inside & (owner >= 0), owner, renumbered.shape[1] - 1)
        return renumbered.gather(1, owner.flatten(1)).view_as(owner)

    def _window(self, field: NDArray[np.intp], corner: NDArray[np.int64], side: int) -> tuple[Tensor, Tensor]:
        """Which pixels of square windows lie in their field, and where all pixels lie: (N, W, W) each."""
        line = np.arange(side)
        rows, columns = corner[:, :1] + line, corner[:, 1:] + line
        height, width = self._size[field, 0, None], self._size[field, 1, None]
        down = self._lay((rows >= 0) & (rows < height))
        across = self._lay((columns >= 0) & (columns < width))
        above = self._lay(self._start[field, None] + rows.clip(0, height - 1) * width)
        return down[:, :, None] & across[:, None], above[:, :, None] + self._lay(columns.clip(0, width - 1))[:, None]


def _shrunk(pixels: NDArray[np.uint8], factor: int) -> Tensor:
    """Return an image (H, W), one number a pixel: 255 - value of red, green and blue are its first three bytes."""
    image = torch.from_numpy(pixels.copy())
    if factor > 1:
        channels = image.permute(2, 0, 1)[None].float()
        image = F.avg_pool2d(channels, factor)[0].round().byte().permute(1, 2, 0)
    packed = torch.zeros(*image.shape[:2], 4, dtype=torch.uint8)
    packed[..., :3] = 255 - image
    return packed.view(torch.int32)[..., 0]


def _owners(field: Field, factor: int, shape: Sequence[int]) -> Tensor:
    """Whose each pixel of a field is (H, W), as `Field.instances` says, at the size of its shrunk image."""
    owners = field.instances()
    if owners is None:
        return torch.full(tuple(shape), -1, dtype=torch.int32)
    middle = factor // 2
    return torch.from_numpy(owners[middle::factor, middle::factor][: shape[0], : shape[1]].copy())


def _all_choices(fields: Sequence[Field]) -> NDArray[np.bool_] | None:
    """Choices of all nuclei, one below the other; None where no field has any."""
    classes = {field.choices.shape[1] for field in fields if field.choices is not None}
    if not classes:
        return None
    (width,) = classes
    return np.concatenate([np.zeros((len(f.yx), width), bool) if f.choices is None else f.choices for f in fields])


def _turns(zoom: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Matrices (N, 2, 2) from a step (y, x) in a crop to one in its image, turned at random, half of them mirrored."""
    angle, mirror = rng.uniform(0, 2 * np.pi, len(zoom)), rng.choice([-1.0, 1.0], len(zoom))
    cos, sin = np.cos(angle), np.sin(angle)
    turn: NDArray[np.float64] = np.stack([np.stack([cos, -sin * mirror], -1), np.stack([sin, cos * mirror], -1)], 1)
    return turn * zoom[:, None, None]


def _places(crop: NDArray[np.intp], count: int) -> tuple[NDArray[np.intp], int]:
    """Row of each nucleus in its crop's table, and how wide the tables of `count` crops must be."""
    per = np.bincount(crop, minlength=count)
    return np.arange(len(crop)) - (np.cumsum(per) - per)[crop], table_width(int(per.max()))
