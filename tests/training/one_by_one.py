"""How one crop is drawn and changed, in plain steps: what the batched code is compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional as F

from nucloop.training.augment import BLUER, STAINS

FAR = 9.0


@dataclass(frozen=True)
class Crop:
    rgb: torch.Tensor
    yx: np.ndarray
    zoom: float = 1.0
    ihc: bool = False
    shares: list = field(default_factory=list)


def draw(image, points, zoom, side, config, rng):
    """One crop (3, S, S) of an image (3, H, W) in which a step of the crop is `zoom` pixels at life size."""
    height, width = image.shape[1:]
    ihc = bool(rng.random() < config.ihc)
    life = math.exp(rng.uniform(-1, 1) * math.log(config.scale))
    if ihc:
        life *= math.exp(-rng.uniform(0, 1) * math.log(config.ihc_scale))
    step = zoom * life
    angle, mirror = rng.uniform(0, 2 * math.pi), rng.choice([-1.0, 1.0])
    turn = step * np.array([[math.cos(angle), -math.sin(angle) * mirror], [math.sin(angle), math.cos(angle) * mirror]])
    half = min(0.5 * side * step, height / 2, width / 2)
    centre = np.array([rng.uniform(half, height - half), rng.uniform(half, width - half)]) - 0.5
    rgb = warp(image, turn, centre, side, "bicubic" if rng.random() < 0.5 else "bilinear")
    yx = (points - centre) @ np.linalg.inv(turn).T + (side - 1) / 2
    inside = ((yx >= 0) & (yx <= side - 1)).all(1)
    return Crop(rgb, yx[inside].astype(np.float32), 1 / life, ihc)


def warp(image, turn, centre, side, mode):
    step = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    y = centre[0] + turn[0, 0] * step[:, None] + turn[0, 1] * step[None]
    x = centre[1] + turn[1, 0] * step[:, None] + turn[1, 1] * step[None]
    height, width = image.shape[1:]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1).float()
    warped = F.grid_sample(255 - image[None], grid[None], mode=mode, padding_mode="zeros", align_corners=False)
    return 255 - warped[0].clamp(0, 255)


def augment(crop, config, mpp, rng):
    """RGB (3, S, S) with other stains, focus and noise."""
    out = (256 * torch.exp(-restain(crop, config, mpp, rng)) - 1).clamp(0, 255)
    return refocus(out, config, rng)


def restain(crop, config, mpp, rng):
    density = -torch.log((crop.rgb + 1) / 256)
    stains = np.array(STAINS)
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    amounts = torch.einsum("sc,chw->shw", torch.from_numpy(np.linalg.inv(stains).T).float(), density)
    ground = np.zeros(3)
    if crop.ihc:
        amounts = as_ihc(amounts, crop, mpp, rng)
        stains[0] += rng.uniform(0, 1) * (np.array(BLUER) - stains[0])
        ground = rng.uniform(0, 0.12) * np.array([0.6, 0.7, 1.0]) + rng.uniform(0, 0.04, 3)
    colours = stains + rng.normal(0, config.stain_colour, stains.shape)
    colours /= np.linalg.norm(colours, axis=1, keepdims=True)
    scale = np.exp(rng.normal(0, config.stain_amount, 3))
    out = torch.einsum("cs,shw->chw", torch.from_numpy((colours * scale[:, None]).T).float(), amounts)
    channel = np.exp(rng.normal(0, config.density) + rng.normal(0, config.density / 2, 3))
    out = out * torch.from_numpy(channel).float()[:, None, None] + torch.from_numpy(ground).float()[:, None, None]
    if rng.random() < config.grey:
        out = out.mean(0, keepdim=True).expand(3, -1, -1)
    return out


def refocus(image, config, rng):
    pick = rng.random()
    if pick < 2 * config.blur:
        sigma, reach = rng.uniform(0.4, 1.6), np.arange(-3, 4)
        kernel = torch.from_numpy(np.exp(-(reach**2) / (2 * sigma**2))).float()
        kernel = (kernel / kernel.sum()).expand(3, 1, 7)
        padded = F.pad(image[None], (3, 3, 3, 3), mode="replicate")
        soft = F.conv2d(F.conv2d(padded, kernel[:, :, None], groups=3), kernel[..., None], groups=3)[0]
        image = soft if pick < config.blur else image + rng.uniform(0.3, 1.2) * (image - soft)
    if rng.random() < config.noise:
        image = image + rng.uniform(1, 8) * torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
    return image.clamp(0, 255)


def as_ihc(amounts, crop, mpp, rng):
    """Amounts (3, H, W) of haematoxylin, eosin and DAB; notes the shares of brown and of painted nuclei."""
    blue, ground = amounts[0].clamp(min=0), (amounts[0] + amounts[1]).clamp(min=0)
    height, width = blue.shape
    distance, owner = ellipses(crop.yx, (height, width), mpp / crop.zoom, rng)
    count = len(crop.yx) + 1
    brown = rng.random(count) < rng.choice([0.0, 0.2, 0.5, 0.9])
    painted = rng.random(count) < rng.choice([0.0, 0.3, 0.7])
    brown[-1] = painted[-1] = False
    crop.shares.append((brown[:-1].mean(), painted[:-1].mean()))

    def spread(values):
        return torch.from_numpy(values.astype(np.float32))[owner]

    inside = torch.sigmoid((1 - distance) * rng.uniform(4, 12))
    hidden = spread(painted) * torch.sigmoid((1.4 - distance) * 6)
    level = rng.uniform(0.5, 1.0) * np.exp(rng.normal(0, 0.25, count))
    flat = inside * spread(painted * level) * (1 + rng.uniform(0, 0.5) * clouds(height, width, 3 / mpp, rng))
    tint = chromatin(blue, rng) * (1 - hidden) + flat
    share = spread(brown) * torch.sigmoid((1.3 - distance) * 6)
    pale = math.exp(rng.uniform(math.log(0.06), math.log(0.9))) * np.exp(rng.normal(0, 0.3, count))
    strength = math.exp(rng.uniform(math.log(0.5), math.log(5.0))) * np.exp(rng.normal(0, 0.5, count))
    dab = tint * share * spread(strength)
    if rng.random() < 0.4:
        dab = dab + beyond_nuclei(distance, spread(brown | (rng.random(count) < 0.3)), mpp, rng)
    haze, smear, cap = rng.uniform(0, 0.12), rng.uniform(0, 0.12), rng.uniform(1.2, 3.5)
    dab = cap * (1 - torch.exp(-dab.clamp(min=0) / cap))
    return torch.stack([tint * (1 - share) * spread(pale) + haze * ground, 0.04 * ground, dab + smear * ground])


def ellipses(points, shape, mpp, rng):
    height, width = shape
    count = len(points)
    y, x = torch.meshgrid(torch.arange(0.5, height, 2), torch.arange(0.5, width, 2), indexing="ij")
    centres = torch.from_numpy(points)
    gap = torch.cdist(centres, centres).fill_diagonal_(np.inf).amin(1).numpy() if count > 1 else np.inf
    long = np.exp(rng.normal(np.log(rng.uniform(3.5, 6.5)), 0.25, count)) / mpp
    long = np.minimum(long, np.maximum(0.75 * gap, 1.0))
    short, angle = long * rng.uniform(0.5, 1.0, count), rng.uniform(0, math.pi, count)
    axes = np.stack([np.cos(angle) / long, np.sin(angle) / long, -np.sin(angle) / short, np.cos(angle) / short])
    a, b, c, d = (torch.from_numpy(v.astype(np.float32))[:, None, None] for v in axes)
    dy, dx = y - centres[:, 0, None, None], x - centres[:, 1, None, None]
    nearest, owner = torch.sqrt((a * dy + b * dx) ** 2 + (c * dy + d * dx) ** 2).min(0)
    uneven = nearest + rng.uniform(0, 0.3) * clouds(*nearest.shape, 2 / mpp, rng)
    owner = torch.where(uneven < 3, owner, count)
    large = F.interpolate(uneven[None, None], size=shape, mode="bilinear", align_corners=False)[0, 0]
    return large.clamp(0, FAR), F.interpolate(owner[None, None].float(), size=shape)[0, 0].long()


def chromatin(blue, rng):
    few = blue[::2, ::2].flatten()
    nuclear = torch.sigmoid((blue - few.median() - rng.uniform(0, 0.15)) / 0.06)
    even = rng.uniform(0, 0.8)
    tint = (1 - even) * blue + even * nuclear * few.quantile(0.9)
    return tint * nuclear if rng.random() < 0.6 else tint


def beyond_nuclei(distance, where, mpp, rng):
    cloud = torch.sigmoid(4 * clouds(*distance.shape, 12 / mpp, rng))
    amount = math.exp(rng.uniform(math.log(0.1), math.log(1.2)))
    outside = torch.sigmoid((distance - 1) * 8)
    kind = rng.integers(3)
    if kind == 0:
        return amount * where * torch.exp(-(((distance - rng.uniform(1.2, 1.7)) / 0.2) ** 2))
    if kind == 1:
        return amount * where * outside * torch.sigmoid((rng.uniform(1.5, 2.5) - distance) * 5)
    return amount * cloud * outside


def clouds(height, width, grain, rng):
    rows, columns = max(int(height / grain), 1) + 1, max(int(width / grain), 1) + 1
    coarse = torch.from_numpy(rng.standard_normal((1, 1, rows, columns), dtype=np.float32))
    return F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)[0, 0]
