"""What a result was made from, as a short key: the slide, the networks, the settings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from nucloop.detection.spec import chosen_models
from nucloop.models.files.card import file_sha256, find_weights, read_card, shipped_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.cohort.settings import CohortSettings
    from nucloop.cohort.slide_entry import SlideEntry

__all__ = ["key_maker", "model_hashes"]

RESULT = 2
"""Rises whenever a result holds other figures than before, so that earlier ones are stale."""
_DIGITS = 10


def model_hashes(settings: CohortSettings) -> dict[str, str]:
    """Return the sha256 of each network and of the head, by kind; nothing is loaded.

    A foundation model counts by its name, and by its file where it is given as NAME=PATH.

    Raises
    ------
    WeightsError
        If a file is missing or not what its card says.
    """
    card = read_card(find_weights(settings.detector))
    return {kind: _hash(name) for kind, name in chosen_models(settings.spec("cpu"), card).items()}


def _hash(name: str) -> str:
    known, _, place = name.partition("=")
    if place and Path(place).expanduser().is_file():
        return f"{known}={file_sha256(Path(place).expanduser())}"
    ours = name in shipped_weights() or Path(name).suffix == ".safetensors"
    return read_card(find_weights(name)).sha256 if ours else name


def key_maker(settings: CohortSettings, hashes: dict[str, str]) -> Callable[[SlideEntry], str]:
    """Return what gives the key of each slide's result; what all slides share is worked out once."""
    common = json.dumps({"result": RESULT, "settings": settings.deciding(hashes)}, sort_keys=True).encode()
    begun = hashlib.sha256(common)

    def key_of(entry: SlideEntry) -> str:
        slide = [entry.sha256, entry.bytes, entry.height, entry.width, entry.mpp, entry.image, entry.regions_sha256]
        own = begun.copy()
        own.update(json.dumps(slide).encode())
        return own.hexdigest()[:_DIGITS]

    return key_of
