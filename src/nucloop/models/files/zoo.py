"""The zoo: encoders by a name that a person types, foundation models of pathology among them.

A name of zoo.yaml, any timm name, or a folder in the hub's layout gives an encoder that is used like the one that
ships. Nothing that comes with a model is run: neither pickles nor code.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from nucloop.errors import WeightsError
from nucloop.models.files.cards import Card, file_sha256, load_encoder, shipped_weights
from nucloop.models.files.foundation import DEFAULT_MPP, FoundationModel, foundation_models
from nucloop.models.files.hub import CONFIG, WEIGHT_FILES, fetch_model
from nucloop.models.files.transformer_files import build_transformer, read_tensors, timm_config, timm_shape
from nucloop.models.library_networks import FilledFrom
from nucloop.models.windowed import WindowedEncoder

if TYPE_CHECKING:
    from nucloop.models.encoder import PointEncoder

__all__ = ["load_foundation", "open_encoder"]

LARGEST_CONFIG = 1_000_000


def open_encoder(
    name: str, *, token: str | None = None, mpp: float | None = None
) -> tuple[PointEncoder | WindowedEncoder, Card]:
    """Open any encoder: shipped, a file with a card, a foundation model, a timm name, a folder, or NAME=PATH.

    Parameters
    ----------
    name : str
        ``NAME=PATH`` takes the weights of a named model from a file or a folder instead of the hub.
    token : str, optional
        Access token for gated models.
    mpp : float, optional
        Working resolution where nothing says it; 0.5 otherwise.

    Raises
    ------
    WeightsError
        With what to do next.
    """
    if name in shipped_weights() or (Path(name).suffix == ".safetensors" and Path(name).with_suffix(".json").is_file()):
        return load_encoder(name)
    known, _, path = name.partition("=")
    if path:
        return _by_name(known, Path(path).expanduser(), token, mpp)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return load_foundation(_of_folder(folder, mpp), folder)
    if folder.suffix in {".safetensors", ".bin", ".pth", ".pt"}:
        raise WeightsError(
            f"{name} does not say which network it holds. Write it as NAME={name} with NAME one of "
            f"{', '.join(foundation_models())} or a timm name."
        )
    return _by_name(name, None, token, mpp)


def load_foundation(
    entry: FoundationModel, source: Path | None = None, *, token: str | None = None, endpoint: str | None = None
) -> tuple[WindowedEncoder, Card]:
    """Load a foundation model from the hub, or from a folder or a file on this computer.

    Raises
    ------
    WeightsError
        If it cannot be had, or what lies there is something else.
    """
    place = source if source is not None else fetch_model(entry.repo, token=token, endpoint=endpoint)
    weights = _weights_in(place)
    net, patches = build_transformer(entry, place, weights)
    encoder = WindowedEncoder(net, patches, entry.features, entry.windows).eval()
    card = Card(
        kind="encoder",
        name=entry.name,
        architecture=entry.title,
        mpp=entry.mpp,
        # every patch looks at its whole window, but hardly beyond its neighbours
        halo=entry.window // 2,
        recipe={"zoo": entry.name, "repo": entry.repo, "file": weights.name},
        notice=f"Licence: {entry.licence}",
        sha256=file_sha256(weights),
    )
    return encoder, card


def _weights_in(place: Path) -> Path:
    if place.is_file():
        return place
    for name in WEIGHT_FILES:
        if (place / name).is_file():
            return place / name
    raise WeightsError(
        f"{place} holds neither {' nor '.join(WEIGHT_FILES)}. "
        "Give the folder as it was downloaded, or the weights file."
    )


def _by_name(
    name: str, source: Path | None, token: str | None, mpp: float | None
) -> tuple[PointEncoder | WindowedEncoder, Card]:
    entry = foundation_models().get(name.lower())
    if entry is None:
        plain = name.removeprefix("timm:")
        config = timm_config(plain)
        if config is None:
            raise WeightsError(
                f"There is no encoder {name!r}. Ships: embedded. By name: {', '.join(foundation_models())}. "
                "Or give a timm name, a folder with config.json, or a file with its card."
            )
        repo = str(config.get("hf_hub_id") or f"timm/{plain}")
        if timm_shape(plain, {}) is None:
            return _convolutional(plain, _weights_in(source or fetch_model(repo, token=token)), mpp or DEFAULT_MPP)
        entry = _from_timm(plain, repo, config, {})
    return load_foundation(entry if mpp is None else replace(entry, mpp=mpp), source, token=token)


def _convolutional(name: str, weights: Path, mpp: float) -> tuple[PointEncoder, Card]:
    """Open a timm network that is no transformer: two of its feature maps, side by side."""
    from nucloop.models.encoder import EncoderConfig, PointEncoder

    try:
        tensors = read_tensors(weights)
        config = EncoderConfig(backbone=name, strides=(8, 16), channels=0, mpp=mpp, options=FilledFrom(tensors))
        encoder = PointEncoder(config)
    except (OSError, SafetensorError, pickle.UnpicklingError, KeyError, EOFError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{weights} is not {name}, or is damaged ({error}). Download it again.") from error
    encoder.config = replace(config, options={})
    about = asdict(encoder.config)
    title = f"dense features of {name} (timm)"
    sha256 = file_sha256(weights)
    card = Card(kind="encoder", name=name, architecture=title, mpp=about.pop("mpp"), config=about, sha256=sha256)
    return encoder.eval(), card


def _of_folder(folder: Path, mpp: float | None) -> FoundationModel:
    """Describe a folder in the hub's layout by its config.json."""
    path = folder / CONFIG
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise WeightsError(f"{path} is too large for a model's configuration. Download it again.")
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"{folder} has no readable {CONFIG} ({error}). Give a folder as it was downloaded."
        ) from error
    if not isinstance(config, dict):
        raise WeightsError(f"{path} is not a model's configuration. Download the folder again.")
    try:
        entry = _described(config, folder)
    except WeightsError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        raise WeightsError(f"{path} describes no model ({error}). Download the folder again.") from error
    return replace(entry, name=folder.resolve().name, mpp=mpp or DEFAULT_MPP)


def _described(config: dict[str, Any], folder: Path) -> FoundationModel:
    if isinstance(config.get("architecture"), str):
        about = config.get("pretrained_cfg") if isinstance(config.get("pretrained_cfg"), dict) else {}
        return _from_timm(config["architecture"], str(folder), dict(about or {}), dict(config.get("model_args") or {}))
    if str(config.get("model_type", "")).startswith("dinov2"):
        return _from_transformers(folder, config)
    raise WeightsError(
        f"{folder} holds neither a timm model nor a DINOv2 of transformers, so its patches cannot be used. "
        "Choose another encoder."
    )


def _from_timm(name: str, repo: str, about: dict[str, Any], options: dict[str, Any]) -> FoundationModel:
    shape = timm_shape(name, options)
    if shape is None:
        raise WeightsError(
            f"{name} is no transformer with square patches, so it has no patch tokens. Choose another one, or train a "
            "network of this kind as an encoder (nucloop train encoder)."
        )
    size = about.get("input_size") or (3, 224, 224)
    return FoundationModel(
        name=name,
        title=f"{name} (timm)",
        repo=repo,
        library="timm",
        architecture=name.partition(".")[0],
        options=options,
        mean=tuple(about.get("mean") or (0.485, 0.456, 0.406)),
        std=tuple(about.get("std") or (0.229, 0.224, 0.225)),
        patch=shape.patch,
        registers=shape.registers,
        window=int(size[-1]) // shape.patch * shape.patch,
        features=shape.features,
        licence=str(about.get("license") or "see its page"),
    )


def _from_transformers(folder: Path, config: dict[str, Any]) -> FoundationModel:
    registers = int(config.get("num_register_tokens") or 0)
    patch = int(config.get("patch_size") or 14)
    return FoundationModel(
        name=folder.name,
        title=f"{config['model_type']} (transformers)",
        repo=str(folder),
        library="transformers",
        architecture="dinov2_with_registers" if registers else "dinov2",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        patch=patch,
        registers=registers,
        window=min(int(config.get("image_size") or 224), 224) // patch * patch,
        features=int(config.get("hidden_size") or 768),
    )
