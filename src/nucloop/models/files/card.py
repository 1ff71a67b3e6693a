"""The card beside a weights file: what it is and where it comes from. Nothing of a network is loaded for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nucloop.configuration import first_fault, read_strictly
from nucloop.errors import WeightsError

__all__ = ["Card", "file_sha256", "find_weights", "read_card", "shipped_weights"]

LARGEST_CARD = 1_000_000
WIDEST_HALO = 4096


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
