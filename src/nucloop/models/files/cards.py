"""Weights and their cards: safetensors beside a JSON file that says what they are and where they come from."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import nn

from nucloop.classes import ClassScheme
from nucloop.configuration import first_fault, read_strictly
from nucloop.errors import WeightsError
from nucloop.models.encoder import EncoderConfig, PointEncoder
from nucloop.models.families import DEFAULT_FAMILY, FAMILIES, Family
from nucloop.models.heads import LinearHead
from nucloop.models.library_networks import bounded, room_for
from nucloop.models.shape import PointShape, ShapeConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    "read_card",
    "save_head",
    "save_module",
    "scheme_of",
    "shipped_weights",
]

LARGEST_CARD = 1_000_000
WIDEST_HALO = 4096


Network = TypeVar("Network", bound=nn.Module)


@read_strictly
@dataclass(frozen=True, kw_only=True)
class Card:
    """What a weights file is, on what it was trained, and what it reached."""

    kind: str
    """detector, encoder, head or shape."""
    name: str
    architecture: str
    """The published model it implements."""
    family: str = ""
    """Detectors: a key of `nucloop.models.families.FAMILIES`; none is DeNuC's."""
    mpp: float
    """Working resolution, µm per pixel."""
    config: dict[str, Any] = field(default_factory=dict)
    """Fields of the family's configuration, of EncoderConfig, LinearHead or ShapeConfig."""
    halo: int = 256
    """Working pixels around a point that change its output by more than 1e-3."""
    threshold: float = 0.5
    """Detectors: score from which a point counts."""
    classes: dict[str, Any] | None = None
    """Heads, and detectors that name classes themselves: the class scheme."""
    stains: list[str] = field(default_factory=list)
    """Heads, and detectors that name classes: on which stains the classes were measured to hold, "H&E", "H-DAB"."""
    encoder_sha256: str = ""
    """Heads: the encoder whose features they read."""
    training_data: list[dict[str, Any]] = field(default_factory=list)
    """One entry per data set: name, split, licence, images left out."""
    recipe: dict[str, Any] = field(default_factory=dict)
    commit: str = ""
    """The program's commit that trained it."""
    metrics: dict[str, Any] = field(default_factory=dict)
    notice: str = ""
    """Licence notices that must travel with the file."""
    sha256: str = ""
    """Of the safetensors file."""

    def __post_init__(self) -> None:
        if not 0 <= self.halo <= WIDEST_HALO:
            raise ValueError(f"a halo of {self.halo} pixels is outside 0 to {WIDEST_HALO}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold {self.threshold} must lie between 0 and 1")

    @property
    def provenance(self) -> dict[str, str]:
        """Name and sha256, and the stains on which its classes hold: what goes along with nuclei."""
        known = {"name": self.name, "sha256": self.sha256}
        return {**known, "stains": ", ".join(self.stains)} if self.stains else known


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shipped_weights() -> dict[str, Path]:
    """Every weights file inside the package, by name."""
    folder = Path(str(resources.files("nucloop.weights")))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def find_weights(name: str) -> Path:
    """Return the file of a shipped name or of a path; WeightsError lists the names when there is none."""
    shipped = shipped_weights()
    if name in shipped:
        return shipped[name]
    path = Path(name).expanduser()
    if path.suffix != ".safetensors":
        raise WeightsError(
            f"{name} is neither a shipped model ({', '.join(shipped) or 'none'}) nor a .safetensors file. "
            "Other checkpoints are not loaded, because they can run code."
        )
    if not path.is_file():
        raise WeightsError(f"There is no file {path}. Check the path, or use a shipped model: {', '.join(shipped)}.")
    return path


def read_card(path: Path) -> Card:
    """Read the card beside a weights file and check that both belong together."""
    card_file = path.with_suffix(".json")
    try:
        if card_file.stat().st_size > LARGEST_CARD:
            raise WeightsError(
                f"{card_file.name} is too large for a card (over {LARGEST_CARD:,} bytes). Copy it again."
            )
        card = TypeAdapter(Card).validate_json(card_file.read_bytes())
    except FileNotFoundError as error:
        raise WeightsError(
            f"{path.name} has no card {card_file.name} beside it, so nobody can tell what it is. "
            "Copy the card from where the weights came from."
        ) from error
    except ValidationError as error:
        raise WeightsError(
            f"{card_file.name} is not a card of NucLoop ({first_fault(error)}). Copy it again."
        ) from error
    except OSError as error:
        raise WeightsError(
            f"Cannot read the card {card_file}: {error.strerror}. Check its rights, or copy it again."
        ) from error
    if file_sha256(path) != card.sha256:
        raise WeightsError(f"{path.name} is not the file that its card {card_file.name} describes. Copy both again.")
    return card


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
        save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, str(temporary))
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
    return _save(path, {key: value.detach().cpu().numpy() for key, value in module.state_dict().items()}, card)


def save_head(path: Path, head: LinearHead, card: Card, extra: Mapping[str, np.ndarray] | None = None) -> Card:
    """Write a linear head and its card, with `extra` tensors beside its own; return the card with its sha256."""
    card = replace(card, classes=head.scheme.to_dict(), config={"keep": head.keep})
    return _save(path, {**(extra or {}), "weight": head.weight, "bias": head.bias}, card)
