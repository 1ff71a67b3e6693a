"""Crops drawn and changed a whole batch at a time, against the same rules applied one by one."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ks_2samp
from tests.training import one_by_one

from nucloop.training.augment import AugmentConfig, augment_pixels
from nucloop.training.crops import Crops, padded
from nucloop.training.ihc import drawn_nuclei
from nucloop.training.sampling import CropSampler

PLAIN = AugmentConfig(scale=1.0, stain_amount=0, stain_colour=0, density=0, ihc=0, grey=0, blur=0, noise=0)
STRONG = AugmentConfig(stain_amount=0.35, stain_colour=0.06, density=0.2, ihc=0.45, grey=0.1)
SIDE, MANY = 48, 400


def tissue(size: int = 120, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A noisy pink ground with dark uneven nuclei: (H, W, 3) uint8 and centres (K, 2)."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(8, size - 8, (40, 2)).astype(np.float32)
    y, x = np.mgrid[:size, :size]
    image = np.array([225, 170, 205]) + rng.normal(0, 8, (size, size, 1))
    for cy, cx in points:
        spot = np.hypot(y - cy, x - cx) < rng.uniform(4, 7)
        image[spot] = np.array([100, 60, 140]) + rng.normal(0, 12, (int(spot.sum()), 1))
    return image.clip(0, 255).astype(np.uint8), points


def statistics(rgb: torch.Tensor, yx: list[np.ndarray]) -> dict[str, np.ndarray]:
    """What an image's optical density is like, one number for each image."""
    density = -torch.log((rgb + 1) / 256)
    flat = density.flatten(2)
    middle = density.unfold(2, 3, 3).unfold(3, 3, 3).mean((-1, -2)).flatten(2)
    brown = [float(((r[0] - r[2])[tuple(p.astype(int).T)] > 25).float().mean()) for r, p in zip(rgb, yx, strict=True)]
    figures = {f"{name} {'RGB'[c]}": value[:, c] for c in range(3) for name, value in moments(flat).items()}
    return {
        **{name: value.numpy() for name, value in figures.items()},
        "fine grain": (flat.std(2) - middle.std(2)).mean(1).numpy(),
        "brown nuclei": np.array(brown),
    }


def moments(flat: torch.Tensor) -> dict[str, torch.Tensor]:
    return {
        "mean": flat.mean(2),
        "spread": flat.std(2),
        "darkest": flat.quantile(0.98, 2),
        "ground": flat.quantile(0.1, 2),
    }


def both_ways(config: AugmentConfig, batch: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float, float]:
    """Statistics of many crops, one by one and in batches, and the shares of grey ones."""
    image, points = tissue()
    picture = torch.from_numpy(image).permute(2, 0, 1).float()
    rng = np.random.default_rng(5)
    crops = [one_by_one.draw(picture, points, 1.0, SIDE, config, rng) for _ in range(MANY)]
    crops = [crop for crop in crops if len(crop.yx)]
    single = torch.stack([one_by_one.augment(crop, config, 0.5, rng) for crop in crops])
    sampler = CropSampler([_Held(image, points)], 0.5, SIDE, config)
    rng, parts, places = np.random.default_rng(6), [], []
    for _ in range(MANY // batch):
        some = sampler.draw(batch, rng)
        parts.append(augment_pixels(some, config, 0.5, rng))
        places += [yx[there].numpy() for yx, there in zip(some.yx, some.there, strict=True)]
    many = torch.cat(parts)
    known = [k for k, yx in enumerate(places) if len(yx)]
    many, places = many[known], [places[k] for k in known]
    grey = [
        float(((rgb - rgb.mean(1, keepdim=True)).abs().amax((1, 2, 3)) < 30).float().mean()) for rgb in (single, many)
    ]
    return statistics(single, [crop.yx for crop in crops]), statistics(many, places), *grey


class _Held:
    """A field that needs no file."""

    mpp, exhaustive, weight, choices = 0.5, True, 1.0, None

    def __init__(self, image: np.ndarray, points: np.ndarray) -> None:
        self._image, self.yx, self.label = image, points, np.zeros(len(points), np.int16)

    def read(self) -> np.ndarray:
        return self._image


@pytest.mark.parametrize("batch", [1, 40])
def test_crops_made_in_batches_are_distributed_like_crops_made_one_by_one(batch):
    single, many, grey, greys = both_ways(STRONG, batch)
    # Kolmogorov and Smirnov: two such samples differ by more than this once in ten thousand times
    furthest = {name: ks_2samp(single[name], many[name]).pvalue for name in single}
    assert min(furthest.values()) > 1e-4, furthest
    assert abs(grey - greys) < 0.07


def test_that_comparison_notices_stains_that_vary_a_little_less():
    single, many, *_ = both_ways(STRONG, 40)
    _, weaker, *_ = both_ways(dataclasses.replace(STRONG, stain_amount=0.15, density=0.1, ihc=0.3), 40)
    assert min(ks_2samp(single[name], weaker[name]).pvalue for name in single) < 1e-4
    assert many.keys() == weaker.keys()


def test_as_many_nuclei_are_brown_and_as_many_are_painted_as_one_by_one():
    rng = np.random.default_rng(0)
    _, points = tissue()
    amounts = torch.rand(3, 40, 40)
    crops = [one_by_one.Crop(amounts, points[:30] % 40, ihc=True) for _ in range(600)]
    for crop in crops:
        one_by_one.as_ihc(amounts, crop, 0.5, rng)
    single = np.array([crop.shares[0] for crop in crops])
    brown, painted = drawn_nuclei(600, 31, rng)
    assert not brown[:, -1].any()
    assert not painted[:, -1].any()
    many = np.stack([brown[:, :-1].mean(1), painted[:, :-1].mean(1)], 1)
    for column in range(2):
        assert ks_2samp(single[:, column], many[:, column]).pvalue > 1e-3
    np.testing.assert_allclose(many.mean(0), [0.4, 1 / 3], atol=0.03)


def test_a_crop_of_a_batch_shows_what_the_same_place_alone_would(monkeypatch):
    image, points = tissue()
    sampler = CropSampler([_Held(image, points)], 0.5, SIDE, dataclasses.replace(PLAIN, scale=1.25))
    seen = []
    sampled = sampler._sampled
    monkeypatch.setattr(sampler, "_sampled", lambda *given: seen.append(given) or sampled(*given))
    crops = sampler.draw(9, np.random.default_rng(2))
    picture = torch.from_numpy(image).permute(2, 0, 1).float()
    alone = [
        one_by_one.warp(picture, turn, centre, SIDE, mode)
        for _, turns, centres, mode in seen
        for turn, centre in zip(turns, centres, strict=True)
    ]
    torch.testing.assert_close(crops.rgb, torch.stack(alone), atol=0.02, rtol=0)


def test_a_crop_keeps_points_on_their_nuclei_under_rotation_mirror_and_scale(field):
    sampler = CropSampler([field], 0.25, 192, dataclasses.replace(PLAIN, scale=1.25))
    crops = sampler.draw(6, np.random.default_rng(3))
    for rgb, yx, there in zip(crops.rgb, crops.yx, crops.there, strict=True):
        assert there.sum() > 3
        rows = yx[there].round().long()
        assert rgb[1, rows[:, 0], rows[:, 1]].max() < 120


def test_classes_go_with_their_nuclei_and_choices_too(field):
    red = field.label == 1
    unsure = dataclasses.replace(
        field, label=np.where(red, -1, 0).astype(np.int16), choices=np.stack([red, red], 1), exhaustive=False
    )
    crops = CropSampler([field, unsure], 0.5, 96, PLAIN).draw(24, np.random.default_rng(0))
    rows = crops.yx.round().long().clamp(min=0)
    redness = torch.stack(
        [rgb[0, r[:, 0], r[:, 1]] - rgb[2, r[:, 0], r[:, 1]] for rgb, r in zip(crops.rgb, rows, strict=True)]
    )
    told = torch.from_numpy(crops.exhaustive)[:, None] & crops.there
    open_ = ~torch.from_numpy(crops.exhaustive)[:, None] & crops.there
    assert ((redness > 0) == (crops.label == 1))[told].all()
    assert ((redness > 0) == crops.choices.all(2))[open_].all()
    assert (crops.label[open_ & (redness > 0)] == -1).all()
    assert told.any()
    assert open_.any()


def test_a_crop_says_whose_each_pixel_is_and_where_nobody_knows(field, tmp_path):
    y, x = np.mgrid[:160, :160]
    away = np.stack([np.hypot(y - cy, x - cx) for cy, cx in field.yx])
    owner = np.where(away.min(0) < 5, len(field.yx) - away.argmin(0), 0)  # in another order than the table's
    Image.fromarray(owner.astype(np.uint16)).save(tmp_path / "mask.png")
    masked = dataclasses.replace(field, mask=tmp_path / "mask.png")
    config = dataclasses.replace(PLAIN, scale=1.25)
    crops = CropSampler([masked], 0.25, 192, config, instances=True).draw(8, np.random.default_rng(3))
    pixels = np.indices((192, 192)).reshape(2, -1).T
    for rgb, yx, there, whose in zip(crops.rgb, crops.yx, crops.there, crops.instances, strict=True):
        rows = yx[there].round().long()
        assert whose[rows[:, 0], rows[:, 1]].tolist() == list(range(1, len(rows) + 1))
        dark = rgb[1] < 130
        assert (whose[dark] > 0).float().mean() > 0.97
        assert (whose > 0)[~dark].float().mean() < 0.06
        cut = whose > len(crops.yx[0])
        if cut.any():  # nuclei without their centre lie at the border
            border = np.minimum(pixels, 191 - pixels).min(1)
            assert border[cut.flatten().numpy()].max() < 24
    assert (crops.instances == -1).any() == bool((crops.rgb.amin(1) > 254).any())
    unknown = CropSampler([field], 0.5, 96, config, instances=True).draw(2, np.random.default_rng(0))
    assert (unknown.instances == -1).all()


def test_a_field_of_another_weight_is_seen_that_often(field):
    fields = [field, dataclasses.replace(field, weight=0.25, exhaustive=False)]
    crops = CropSampler(fields, 0.5, 32, PLAIN).draw(2000, np.random.default_rng(0))
    assert crops.exhaustive.mean() == pytest.approx(0.8, abs=0.03)


def test_fields_of_any_size_and_scale_lie_side_by_side(tmp_path, field):
    image = np.full((31, 333, 3), 30, np.uint8)
    Image.fromarray(image).save(tmp_path / "long.png")
    long = dataclasses.replace(field, image=tmp_path / "long.png", yx=np.array([[15, 166]], np.float32), mpp=0.2,
                               label=np.zeros(1, np.int16))  # fmt: skip
    crops = CropSampler([long, field], 0.5, 64, PLAIN).draw(40, np.random.default_rng(1))
    dark = crops.rgb.amin((1, 2, 3))
    # the long field is halved and is then 0.4 µm a pixel: 12 to 13 of 64 rows of a crop, white above and below
    thin = (crops.there.sum(1) <= 1) & (dark < 32)
    assert thin.any()
    assert crops.rgb[thin].mean() > 180


def test_without_augmentation_pixels_stay_as_they_are():
    rgb = torch.randint(0, 256, (2, 3, 32, 32)).float()
    out = augment_pixels(Crops.of(rgb), PLAIN, 0.5, np.random.default_rng(0))
    assert torch.allclose(out, rgb, atol=0.05)


def test_restaining_turns_nuclei_brown_and_leaves_the_ground(field):
    rgb = torch.from_numpy(field.read().copy()).permute(2, 0, 1).float().expand(24, -1, -1, -1)
    out = augment_pixels(Crops.of(rgb, [field.yx] * 24, ihc=True), PLAIN, 0.5, np.random.default_rng(0))
    rows = field.yx.round().astype(int)
    nuclei = out[:, :, rows[:, 0], rows[:, 1]]
    browner = (nuclei[:, 0] - nuclei[:, 2]).amax(1)
    # brown is more red than blue; some draws leave all nuclei blue
    assert browner.max() > 40
    assert browner.min() < 40
    # some draws stain patches of the ground as well
    assert out[:, :, 0, 0].amin(1).median() > 150


@pytest.mark.parametrize("points", [[], [(5.0, 5.0)], [(9.0, 9.0), (9.0, 9.0), (70.0, 40.0)]])
def test_restaining_works_without_nuclei_with_one_and_with_two_in_one_place(points):
    yx = np.array(points, np.float32).reshape(-1, 2)
    crops = Crops.of(torch.full((12, 3, 80, 80), 200.0), [yx] * 12, ihc=True)
    out = augment_pixels(crops, AugmentConfig(ihc=1.0), 0.5, np.random.default_rng(0))
    assert torch.isfinite(out).all()


def test_crops_for_restaining_show_larger_nuclei(field):
    config = dataclasses.replace(PLAIN, ihc=0.5, ihc_scale=2.0)
    crops = CropSampler([field], 0.5, 96, config).draw(40, np.random.default_rng(0))
    assert set(crops.zoom[~crops.ihc]) == {1.0}
    assert crops.zoom[crops.ihc].min() >= 1
    assert crops.zoom[crops.ihc].max() > 1.5


def test_tables_of_points_have_few_widths_and_say_where_they_end():
    table = padded([np.zeros((3, 2), np.float32), np.zeros((17, 2), np.float32)])
    assert table.shape == (2, 32, 2)
    assert Crops.of(torch.zeros(2, 3, 8, 8), [np.zeros((3, 2)), np.zeros((17, 2))]).there.sum(1).tolist() == [3, 17]
