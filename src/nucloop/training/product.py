"""What a training run leaves behind: weights with a card that says how they were made and how far they look."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nucloop.models.families import DEFAULT_FAMILY, FAMILIES, alignment
from nucloop.models.files.cards import Card, file_sha256, save_head, save_module
from nucloop.training.point_classifier import PointClassifier, head_of
from nucloop.training.provenance import notice_of, program_commit, stains_of
from nucloop.training.recipe import DetectorRecipe, EncoderRecipe, EndToEndRecipe, Recipe, recipe_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nucloop.classes import ClassScheme

__all__ = [
    "Origins",
    "family_card",
    "halo_tries",
    "measured_halo",
    "save_detector",
    "save_encoder",
    "save_family",
    "save_shape",
]


@dataclass(frozen=True, kw_only=True)
class Origins:
    """Where a network comes from, for its card."""

    data: list[dict[str, Any]] = field(default_factory=list)
    """One entry per data set: name, split, licence, images left out."""
    initial: Path | None = None
    """Pretrained backbone."""
    start: Card | None = None
    """Of the network that training went on from."""
    steps: int | None = None
    """How many were done, where the clock decided."""
    device: str = ""
    """What it was trained on."""


def measured_halo(net: nn.Module, align: int, tolerance: float = 1e-3, core: int = 128, widest: int = 288) -> int:
    """Working pixels around a tile that change what is inside it; see `halo_tries`."""
    tries = halo_tries(net, align, tolerance, core, widest)
    return next(halo for halo in tries if halo is not None)


def halo_tries(
    net: nn.Module, align: int, tolerance: float = 1e-3, core: int = 128, widest: int = 288
) -> Iterator[int | None]:
    """Yield None before each try, then how many pixels around a tile change its inside by more than `tolerance`.

    Compares the middle of a large random image with the same pixels in a smaller window; the outputs are
    measured in their own standard deviations.

    Parameters
    ----------
    align : int
        The network's largest stride: windows begin on its multiples.
    """
    net = net.cpu().eval()
    side = core + 2 * widest
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, side // 8, side // 8, generator=generator)
    image = 255 * nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)

    @torch.no_grad()
    def middle(window: Tensor, halo: int) -> Tensor:
        out: Tensor = net(window)
        stride = window.shape[-1] // out.shape[-1]
        a, b = halo // stride, (halo + core) // stride
        return out[..., a:b, a:b]

    whole = middle(image, widest)
    spread = whole.std(dim=(0, 2, 3), keepdim=True) + 1e-6
    # what lies farther away changes less: each try halves what is left
    too_few, enough = 0, -(-widest // align)
    while enough - too_few > 1:
        yield None
        tried = (too_few + enough) // 2
        cut = widest - tried * align
        error = (middle(image[..., cut : side - cut, cut : side - cut], tried * align) - whole).abs() / spread
        too_few, enough = (too_few, tried) if error.max() <= tolerance else (tried, enough)
    yield min(enough * align, widest)


def _recipe(recipe: Recipe, origins: Origins) -> dict[str, Any]:
    """Return a recipe with what it was begun with and how far it came."""
    record, initial, start = recipe_record(recipe), origins.initial, origins.start
    if origins.steps is not None:
        record["done"] = {"steps": origins.steps, "device": origins.device}
    if initial is not None:
        record["initial"] = {"file": initial.name, "sha256": file_sha256(initial)}
    if start is not None:
        about = {"recipe": start.recipe, "training_data": start.training_data, "commit": start.commit}
        record["start"] = {"name": start.name, "sha256": start.sha256, **about}
    return record


def _notice(origins: Origins) -> str:
    return notice_of(origins.data, origins.initial, "" if origins.start is None else origins.start.notice)


def save_detector(out: Path, detector: nn.Module, recipe: DetectorRecipe, origins: Origins) -> Card:
    """Write a DeNuC detector with its card."""
    return save_family(out, detector, recipe, origins, threshold=recipe.threshold)


def save_family(
    out: Path,
    net: nn.Module,
    recipe: Recipe,
    origins: Origins,
    *,
    family: str = DEFAULT_FAMILY,
    threshold: float,
    scheme: ClassScheme | None = None,
) -> Card:
    """Write a detector of any family with its card.

    Parameters
    ----------
    net : Module
        `nucloop.models.families.Trained`, of the recipe's model.
    threshold : float
        Score from which a proposal counts.
    scheme : ClassScheme, optional
        The classes that it names itself.
    """
    halo = measured_halo(net, alignment(recipe.model))
    card = family_card(out.stem, recipe, origins, family=family, threshold=threshold, halo=halo, scheme=scheme)
    return save_module(out, net, card)


def family_card(
    name: str,
    recipe: Recipe,
    origins: Origins,
    *,
    family: str,
    threshold: float,
    halo: int,
    scheme: ClassScheme | None = None,
) -> Card:
    """Return the card of a detector of any family, see `save_family`."""
    config = asdict(recipe.model)
    backbone = getattr(recipe.model, "backbone", "")
    return Card(
        kind="detector",
        name=name,
        architecture=", ".join(part for part in (FAMILIES[family].architecture, backbone) if part),
        family="" if family == DEFAULT_FAMILY else family,
        mpp=config.pop("mpp"),
        config=config,
        halo=halo,
        threshold=threshold,
        classes=None if scheme is None else scheme.to_dict(),
        training_data=origins.data,
        recipe=_recipe(recipe, origins),
        commit=program_commit(),
        notice=_notice(origins),
    )


def save_encoder(
    out: Path,
    head_out: Path,
    classifier: PointClassifier,
    scheme: ClassScheme,
    recipe: EncoderRecipe | EndToEndRecipe,
    origins: Origins,
) -> Card:
    """Write an encoder and the head trained with it, each with its card; return the encoder's."""
    encoder = classifier.encoder
    config = asdict(encoder.config)
    common: dict[str, Any] = {
        "mpp": config.pop("mpp"),
        "training_data": origins.data,
        "recipe": _recipe(recipe, origins),
        "commit": program_commit(),
        "notice": _notice(origins),
    }
    card = Card(
        kind="encoder",
        name=out.stem,
        architecture=f"dense encoder sampled at points, {recipe.model.backbone}",
        config=config,
        halo=measured_halo(encoder, alignment(recipe.model)),
        **common,
    )
    card = save_module(out, encoder, card)
    head = Card(
        kind="head",
        name=head_out.stem,
        architecture="linear head over classes and background",
        encoder_sha256=card.sha256,
        stains=stains_of(origins.data),
        **common,
    )
    save_head(head_out, head_of(classifier, scheme), head)
    return card


def save_shape(out: Path, net: nn.Module, recipe: Recipe, origins: Origins) -> Card:
    """Write a network that gives nuclei their outlines, with its card."""
    config = asdict(recipe.model)
    card = Card(
        kind="shape",
        name=out.stem,
        architecture=f"radii sampled at points, {recipe.model.backbone}",
        mpp=config.pop("mpp"),
        config=config,
        halo=measured_halo(net, max(recipe.model.strides)),
        training_data=origins.data,
        recipe=_recipe(recipe, origins),
        commit=program_commit(),
        notice=_notice(origins),
    )
    return save_module(out, net, card)
