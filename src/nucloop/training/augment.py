"""What a network sees in training: stains as other hospitals would have made them, focus, and noise.

Stain augmentation works on optical density, split into haematoxylin, eosin and DAB (Ruifrok and Johnston, 2001):
amounts and colours of the stains vary, and some crops are re-stained as immunohistochemistry, with some of their nuclei
brown, so that a detector trained on H&E finds nuclei there too. Every crop has its own draw; all are made at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nucloop.configuration import read_strictly
from nucloop.training.ihc import as_ihc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.training.crops import Crops

__all__ = ["AugmentConfig", "augment_pixels"]

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


def augment_pixels(crops: Crops, config: AugmentConfig, mpp: float, rng: np.random.Generator) -> Tensor:
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
    density = ((crops.rgb + 1) / 256).log_().neg_()
    matrix, ground = _mixing(crops.ihc, config, rng)
    if crops.ihc.any():
        rows = _on(np.flatnonzero(crops.ihc), density)
        amounts = torch.matmul(_on(_unmixing(), density), density[rows].flatten(2)).view(-1, 3, *density.shape[2:])
        painted = as_ihc(amounts, crops.yx[rows], mpp, crops.zoom[crops.ihc], rng)
        density[rows] = torch.matmul(_on(_stains().T, density), painted.flatten(2)).view_as(painted)
    mixed = torch.baddbmm(_on(ground, density)[:, :, None], _on(matrix, density), density.flatten(2))
    out = mixed.neg_().exp_().mul_(256).sub_(1).clamp_(0, 255).view_as(density)
    return _refocus(out, config, rng)


def _on(values: NDArray[np.generic], like: Tensor) -> Tensor:
    """Lay an array beside `like`, in its type where both hold fractions."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if tensor.is_floating_point():
        tensor = tensor.to(like.dtype)
    return tensor.to(like.device)


def _stains() -> NDArray[np.float64]:
    return _of_unit_length(np.array(STAINS))


def _of_unit_length(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide vectors, along the last axis, by their lengths."""
    lengths: NDArray[np.float64] = np.sqrt((colours**2).sum(-1, keepdims=True))
    return colours / lengths


def _unmixing() -> NDArray[np.float64]:
    """Matrix (3, 3) from density in red, green and blue to amounts of the stains."""
    unmixing: NDArray[np.float64] = np.linalg.inv(_stains()).T.astype(np.float64)
    return unmixing


def _mixing(
    ihc: NDArray[np.bool_], config: AugmentConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return matrices (N, 3, 3) from density to density in other stains, and what the ground adds (N, 3)."""
    count = len(ihc)
    colours = np.repeat(_stains()[None], count, 0)
    ground = rng.uniform(0, 0.12, (count, 1)) * [0.6, 0.7, 1.0] + rng.uniform(0, 0.04, (count, 3))
    ground[~ihc] = 0
    colours[:, 0] += (ihc * rng.uniform(0, 1, count))[:, None] * (np.array(BLUER) - colours[:, 0])
    varied = _of_unit_length(colours + rng.normal(0, config.stain_colour, colours.shape))
    scale = np.exp(rng.normal(0, config.stain_amount, (count, 3, 1)))
    channel = np.exp(rng.normal(0, config.density, (count, 1)) + rng.normal(0, config.density / 2, (count, 3)))
    matrix = channel[:, :, None] * ((varied * scale).transpose(0, 2, 1) @ _unmixing())
    grey = rng.random(count) < config.grey
    matrix[grey] = matrix[grey].mean(1, keepdims=True)
    ground[grey] = ground[grey].mean(1, keepdims=True)
    return matrix, ground


def _refocus(images: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Blur or sharpen some images (N, 3, H, W) and add noise to some, in place."""
    draw = rng.random(len(images))
    changed = np.flatnonzero(draw < 2 * config.blur)
    if len(changed):
        sharper = np.where(draw[changed] < config.blur, -1.0, rng.uniform(0.3, 1.2, len(changed)))
        rows = _on(changed, images)
        some = images[rows]
        soft = _softened(some, rng.uniform(0.4, 1.6, len(changed)))
        images[rows] = torch.addcmul(some, _on(sharper, images)[:, None, None, None], some - soft)
    noisy = np.flatnonzero(rng.random(len(images)) < config.noise)
    if len(noisy):
        generator = torch.Generator(images.device).manual_seed(int(rng.integers(2**62)))
        rows, amount = _on(noisy, images), _on(rng.uniform(1, 8, len(noisy)), images)
        noise = torch.randn((len(noisy), *images.shape[1:]), generator=generator, device=images.device)
        images[rows] = torch.addcmul(images[rows], amount[:, None, None, None], noise)
    return images.clamp_(0, 255)


def _softened(images: Tensor, sigma: NDArray[np.float64]) -> Tensor:
    """Blur images (N, 3, H, W), each with a Gaussian of its own width (N,), in pixels."""
    reach = np.arange(-3, 4)
    kernel = np.exp(-(reach**2) / (2 * sigma[:, None] ** 2))
    kernel = np.repeat(kernel / kernel.sum(1, keepdims=True), 3, 0)
    weight, groups = _on(kernel, images)[:, None], 3 * len(images)
    padded = F.pad(images, (3, 3, 3, 3), mode="replicate").view(1, groups, images.shape[2] + 6, -1)
    down = F.conv2d(padded, weight[..., None], groups=groups)
    return F.conv2d(down, weight[:, :, None], groups=groups).view_as(images)
