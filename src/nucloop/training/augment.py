"""What a network sees in training: random crops in microns, and stains as other hospitals would have made them.

Stain augmentation works on optical density, split into haematoxylin, eosin and DAB (Ruifrok and Johnston, 2001):
amounts and colours of the stains vary, and some crops are re-stained as immunohistochemistry, with some of their nuclei
brown, so that a detector trained on H&E finds nuclei there too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.training.ihc import as_ihc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.training.datasets import Field

__all__ = ["AugmentConfig", "Crop", "CropSampler", "augment_pixels"]

STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
"""Optical density in red, green and blue of haematoxylin, eosin and DAB."""
BLUER = (0.83, 0.50, 0.25)
"""Haematoxylin as a counterstain, without eosin beside it."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How far training images are changed. Zero switches a part off."""

    scale: float = 1.25
    """Largest zoom in or out, as a factor."""
    stain_amount: float = 0.2
    """Standard deviation of the logarithm of each stain's amount."""
    stain_colour: float = 0.03
    """Standard deviation added to each stain vector's components."""
    density: float = 0.1
    """Standard deviation of the logarithm of the whole optical density and, halved, of each channel's."""
    ihc: float = 0.0
    """Share of crops re-stained as haematoxylin with DAB."""
    ihc_scale: float = 1.7
    """Largest zoom into those: tumours for which Ki-67 is counted have larger nuclei than the H&E sets."""
    grey: float = 0.0
    """Share of crops without colour."""
    blur: float = 0.2
    """Share of crops blurred, and share sharpened."""
    noise: float = 0.2
    """Share of crops with added noise."""


@dataclass(frozen=True)
class Crop:
    """A training image and the nuclei in it: rgb (3, S, S) 0 to 255, yx (K, 2) pixels, label (K,)."""

    rgb: Tensor
    yx: NDArray[np.float32]
    label: NDArray[np.int16]
    zoom: float = 1.0
    """How much larger than life things are."""
    ihc: bool = False
    """Whether it shall be re-stained as immunohistochemistry."""


class CropSampler:
    """Random crops of annotated fields at one working resolution; every field is equally likely per unit of its area.

    Parameters
    ----------
    fields : sequence of Field
        Annotated images of any resolution.
    mpp : float
        Working resolution, µm per pixel.
    side : int
        Side of a crop, working pixels.
    """

    def __init__(self, fields: Sequence[Field], mpp: float, side: int, config: AugmentConfig) -> None:
        self.side, self.config = side, config
        self._images: list[Tensor] = []
        self._points: list[NDArray[np.float32]] = []
        self._labels: list[NDArray[np.int16]] = []
        self._zoom: list[float] = []
        for field in fields:
            image = torch.from_numpy(field.pixels.copy()).permute(2, 0, 1).float()
            shrink = max(int(mpp / field.mpp + 0.3), 1)
            if shrink > 1:
                image = F.avg_pool2d(image[None], shrink)[0]
            self._images.append(image)
            self._points.append(((field.yx + 0.5) / shrink - 0.5).astype(np.float32))
            self._labels.append(field.label)
            self._zoom.append(mpp / (field.mpp * shrink))
        area = np.array([i[0].numel() / z**2 for i, z in zip(self._images, self._zoom, strict=True)])
        # a small field still gets a fair share: the square root lies between per-image and per-area sampling
        self._share = np.sqrt(area) / np.sqrt(area).sum()

    def draw(self, rng: np.random.Generator) -> Crop:
        """Return one crop with random place, rotation, mirror and scale; outside the field is white, as off a slide."""
        k = int(rng.choice(len(self._images), p=self._share))
        image, side = self._images[k], self.side
        height, width = image.shape[1:]
        ihc = bool(rng.random() < self.config.ihc)
        # here a step in the crop is this many steps in the life-size image
        life = math.exp(rng.uniform(-1, 1) * math.log(self.config.scale))
        if ihc:
            life *= math.exp(-rng.uniform(0, 1) * math.log(self.config.ihc_scale))
        zoom = self._zoom[k] * life
        angle, mirror = rng.uniform(0, 2 * math.pi), rng.choice([-1.0, 1.0])
        # columns map an output step (y, x) to a source step
        turn = zoom * np.array(
            [[math.cos(angle), -math.sin(angle) * mirror], [math.sin(angle), math.cos(angle) * mirror]]
        )
        half = min(0.5 * side * zoom, height / 2, width / 2)
        centre = np.array([rng.uniform(half, height - half), rng.uniform(half, width - half)]) - 0.5
        rgb = _warp(image, turn, centre, side, "bicubic" if rng.random() < 0.5 else "bilinear")
        yx = (self._points[k] - centre) @ np.linalg.inv(turn).T + (side - 1) / 2
        inside = ((yx >= 0) & (yx <= side - 1)).all(1)
        return Crop(rgb, yx[inside].astype(np.float32), self._labels[k][inside], 1 / life, ihc)


def _warp(image: Tensor, turn: NDArray[np.float64], centre: NDArray[np.float64], side: int, mode: str) -> Tensor:
    step = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    matrix, origin = torch.from_numpy(turn).float(), torch.from_numpy(centre).float()
    y = origin[0] + matrix[0, 0] * step[:, None] + matrix[0, 1] * step[None]
    x = origin[1] + matrix[1, 0] * step[:, None] + matrix[1, 1] * step[None]
    height, width = image.shape[1:]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    # sampled as 255 - image: zero padding is then white glass
    warped = F.grid_sample(255 - image[None], grid[None], mode=mode, padding_mode="zeros", align_corners=False)
    return 255 - warped[0].clamp(0, 255)


def augment_pixels(crops: Sequence[Crop], config: AugmentConfig, mpp: float, rng: np.random.Generator) -> Tensor:
    """Change stains, focus and noise; each crop by its own draw.

    Parameters
    ----------
    mpp : float
        µm per pixel.

    Returns
    -------
    (N, 3, S, S) tensor
        RGB, 0 to 255.
    """
    density = [_restain(crop, config, mpp, rng) for crop in crops]
    out = (256 * torch.exp(-torch.stack(density)) - 1).clamp(0, 255)
    return torch.stack([_refocus(image, config, rng) for image in out])


def _restain(crop: Crop, config: AugmentConfig, mpp: float, rng: np.random.Generator) -> Tensor:
    """Return one crop's optical density (3, S, S) in other stains."""
    density = -torch.log((crop.rgb + 1) / 256)
    stains = np.array(STAINS)
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    amounts = torch.einsum("sc,chw->shw", torch.from_numpy(np.linalg.inv(stains).T).float(), density)
    ground = np.zeros(3)
    if crop.ihc:
        amounts = as_ihc(amounts, crop.yx, mpp, crop.zoom, rng)
        stains[0] += rng.uniform(0, 1) * (np.array(BLUER) - stains[0])
        ground = rng.uniform(0, 0.12) * np.array([0.6, 0.7, 1.0]) + rng.uniform(0, 0.04, 3)
    colours = stains + rng.normal(0, config.stain_colour, stains.shape)
    colours /= np.linalg.norm(colours, axis=1, keepdims=True)
    scale = np.exp(rng.normal(0, config.stain_amount, 3))
    weights = torch.from_numpy((colours * scale[:, None]).T).float()
    out = torch.einsum("cs,shw->chw", weights, amounts)
    channel = np.exp(rng.normal(0, config.density) + rng.normal(0, config.density / 2, 3))
    out = out * torch.from_numpy(channel).float()[:, None, None] + torch.from_numpy(ground).float()[:, None, None]
    if rng.random() < config.grey:
        out = out.mean(0, keepdim=True).expand(3, -1, -1)
    return out


def _refocus(image: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Blur, sharpen or add noise to one image (3, H, W)."""
    draw = rng.random()
    if draw < 2 * config.blur:
        sigma = rng.uniform(0.4, 1.6)
        reach = np.arange(-3, 4)
        kernel = torch.from_numpy(np.exp(-(reach**2) / (2 * sigma**2))).float()
        kernel = (kernel / kernel.sum()).expand(3, 1, 7)
        padded = F.pad(image[None], (3, 3, 3, 3), mode="replicate")
        soft = F.conv2d(F.conv2d(padded, kernel[:, :, None], groups=3), kernel[..., None], groups=3)[0]
        image = soft if draw < config.blur else image + rng.uniform(0.3, 1.2) * (image - soft)
    if rng.random() < config.noise:
        noise = torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
        image = image + rng.uniform(1, 8) * noise
    return image.clamp(0, 255)
