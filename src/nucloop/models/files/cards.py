"""Weights with their cards: networks and heads, loaded from safetensors files and written to them."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save, save_file
from torch import nn

from nucloop.classes import ClassScheme
from nucloop.configuration import first_fault
from nucloop.errors import WeightsError
from nucloop.models.encoder import EncoderConfig, PointEncoder
from nucloop.models.families import DEFAULT_FAMILY, FAMILIES, Family
from nucloop.models.files.card import Card, file_sha256, find_weights, read_card, shipped_weights
from nucloop.models.heads import LinearHead
from nucloop.models.library_networks import bounded, room_for
from nucloop.models.shape import PointShape, ShapeConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = [
    "Card",
    "family_of",
    "file_sha256",
    "find_weights",
    "load_detector",
    "load_encoder",
    "load_head",
    "load_head_with_extra",
    "load_shape",
    "module_sha256",
    "read_card",
    "save_head",
    "save_module",
    "scheme_of",
    "shipped_weights",
]

Network = TypeVar("Network", bound=nn.Module)


def _load(name: str, kind: str) -> tuple[Card, dict[str, np.ndarray]]:
    path = find_weights(name)
    card = read_card(path)
    if card.kind != kind:
        raise WeightsError(f"{path.name} holds a {card.kind}, a {kind} is needed here. Choose another file.")
    try:
        tensors = load_file(str(path))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path.name} is not a safetensors file ({error}). Copy it again.") from error
    broken = [key for key, value in tensors.items() if value.dtype.kind == "f" and not np.isfinite(value).all()]
    if broken:
        raise WeightsError(
            f"{path.name} holds weights that are no numbers (NaN or infinite, in {broken[0]}): its training went "
            "wrong. Take an earlier file, or train again."
        )
    return card, tensors


def _filled(name: str, build: Callable[[Any], Network], config: Any, tensors: dict[str, np.ndarray]) -> Network:
    """Build a network that is no larger than its file, and fill it."""
    import torch

    path = find_weights(name)
    with bounded(room_for(path)):
        module = build(config)
    try:
        module.load_state_dict({key: torch.from_numpy(value) for key, value in tensors.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{path.stem} does not fit the network its card describes ({reason}). "
            "Copy both again from where they came from."
        ) from error
    return module.eval()


def _config(card: Card, kind: type[Any]) -> Any:
    try:
        return TypeAdapter(kind).validate_python({**card.config, "mpp": card.mpp})
    except ValidationError as error:
        raise WeightsError(
            f"The card of {card.name} describes no network that NucLoop knows ({first_fault(error)}). Copy it again."
        ) from error


def family_of(card: Card) -> Family:
    """Return the family that a detector's card names.

    Raises
    ------
    WeightsError
        If this version knows no such family.
    """
    name = card.family or DEFAULT_FAMILY
    if name not in FAMILIES:
        raise WeightsError(
            f"{card.name} is a network of the family {name!r}, which this version of NucLoop does not know "
            f"(it knows {', '.join(FAMILIES)}). Install the version it was made with, or choose another detector."
        )
    return FAMILIES[name]


def scheme_of(card: Card) -> ClassScheme | None:
    """Return the classes that a card names, None where it names none."""
    return None if card.classes is None else ClassScheme.from_dict(card.classes, source=f"{card.name}.json")


def load_detector(name: str) -> tuple[nn.Module, Card]:
    """Load a detector of any family by shipped name or path.

    Raises
    ------
    WeightsError
        If it is missing, damaged or of a family that nobody knows, or names other classes than it has outputs for.
    """
    card, tensors = _load(name, "detector")
    family = family_of(card)
    config = _config(card, family.config)
    scheme, outputs = scheme_of(card), getattr(config, "classes", 0)
    if outputs != (0 if scheme is None else len(scheme)):
        raise WeightsError(
            f"The card of {card.name} names {0 if scheme is None else len(scheme)} classes for a network of {outputs}. "
            "Copy both again from where they came from."
        )
    return _filled(name, family.build, config, tensors), card


def load_encoder(name: str) -> tuple[PointEncoder, Card]:
    """Load an encoder by shipped name or path."""
    card, tensors = _load(name, "encoder")
    return _filled(name, PointEncoder, _config(card, EncoderConfig), tensors), card


def load_shape(name: str) -> tuple[PointShape, Card]:
    """Load a network that gives nuclei their outlines, by shipped name or path."""
    card, tensors = _load(name, "shape")
    return _filled(name, PointShape, _config(card, ShapeConfig), tensors), card


def load_head(name: str, encoder: Card | None = None) -> tuple[LinearHead, Card]:
    """Load a head by shipped name or path; with `encoder` given, refuse a head of another encoder."""
    head, card, _ = load_head_with_extra(name, encoder)
    return head, card


def load_head_with_extra(name: str, encoder: Card | None = None) -> tuple[LinearHead, Card, dict[str, np.ndarray]]:
    """Load a head as `load_head` does, and with it all tensors of its file."""
    card, tensors = _load(name, "head")
    if encoder is not None and card.encoder_sha256 != encoder.sha256:
        raise WeightsError(
            f"The head {card.name} reads the features of another encoder than {encoder.name}. "
            "Choose that encoder too, or train a head for this one."
        )
    scheme = ClassScheme.from_dict(card.classes, source=f"{card.name}.json")
    try:
        head = LinearHead(scheme, tensors["weight"], tensors["bias"], float(card.config.get("keep", LinearHead.keep)))
    except (KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{card.name} is not a linear head ({error}). Choose another file.") from error
    return head, card, tensors


def _save(path: Path, tensors: dict[str, np.ndarray], card: Card) -> Card:
    temporary, card_part = path.with_name(path.name + ".part"), path.with_suffix(".json.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(_laid_out(tensors), str(temporary))
        temporary.chmod(0o644)  # the library writes for its user alone; weights are shared
        card = replace(card, sha256=file_sha256(temporary))
        card_part.write_text(json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, path)
        os.replace(card_part, path.with_suffix(".json"))
    except (OSError, SafetensorError) as error:
        for part in (temporary, card_part):
            with suppress(OSError):
                part.unlink()
        raise WeightsError(f"Cannot write {path}: {error}. Make room or choose another folder.") from error
    return card


def save_module(path: Path, module: nn.Module, card: Card) -> Card:
    """Write a network and its card; return the card with its sha256."""
    return _save(path, _arrays(module), card)


def module_sha256(module: nn.Module) -> str:
    """SHA-256 of the file that `save_module` would write, hexadecimal."""
    return hashlib.sha256(save(_laid_out(_arrays(module)))).hexdigest()


def _arrays(module: nn.Module) -> dict[str, np.ndarray]:
    return {key: value.detach().cpu().numpy() for key, value in module.state_dict().items()}


def _laid_out(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: np.ascontiguousarray(value) for key, value in tensors.items()}


def save_head(path: Path, head: LinearHead, card: Card, extra: Mapping[str, np.ndarray] | None = None) -> Card:
    """Write a linear head and its card, with `extra` tensors beside its own; return the card with its sha256."""
    card = replace(card, classes=head.scheme.to_dict(), config={"keep": head.keep})
    return _save(path, {**(extra or {}), "weight": head.weight, "bias": head.bias}, card)
