"""Networks that timm knows by name, as files ask for them: nothing is fetched, and nothing grows without bounds."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING, Any

from torch import device, nn
from torch.nn.modules import module as torch_modules

from nucloop.errors import MisfitError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

__all__ = ["BackboneError", "FilledFrom", "bounded", "check_local", "make_network", "room_for"]

FETCHING = {"pretrained", "checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}
"""Options by which timm takes weights from a network or from a file."""
MOST_MODULES = 10_000
"""timm's largest network has 1,800."""
MOST_PARAMETERS = 1_000_000_000
"""Of a network that no file of weights stands beside; timm's have fewer but for a handful."""
SPARE_PARAMETERS = 100_000_000
LEAST_BYTES = 2
BUILT_TWICE = 2
MOST_VALUES = 1000
LONGEST_TEXT = 200
LARGEST_NUMBER = 100_000
DEEPEST = 4
_FAULTS = (
    RuntimeError, TypeError, ValueError, AttributeError, AssertionError, LookupError, ArithmeticError, MemoryError,
)  # fmt: skip


class BackboneError(WeightsError, ValueError):
    """No library offers a backbone of that name, with those strides or options."""


class FilledFrom(dict[str, Any]):
    """Options that fill a network with tensors which the program has read itself; no file can hold such."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(pretrained=True, pretrained_cfg_overlay={"state_dict": dict(tensors)})


def make_network(
    name: str, options: Mapping[str, Any], what: str = "network", *, most: int = MOST_PARAMETERS, **ours: Any
) -> Any:
    """Build a network by timm's name, with the options that a file gives.

    Parameters
    ----------
    name : str
        One of ``timm.list_models()``.
    options : mapping
        Plain values; only `FilledFrom` brings weights.
    what : str
        What to call it in an error.
    most : int
        Parameters that it may have.
    **ours
        Options of the program's own, which go before the file's.

    Raises
    ------
    BackboneError
        If timm has no such network, if other weights would be fetched, or if it grows beyond its bounds.
    """
    import timm

    check_local(name, options)
    own = isinstance(options, FilledFrom)
    try:
        if not own:
            _check_plain(options)
        if not timm.is_model(name):
            raise MisfitError("it has none of that name")
        asked = {**options, **_layers(options), **ours}
        if not own and any(map(_is_number, _values(options))):
            # what numbers ask for is tried without memory first
            with bounded(most), device("meta"):
                timm.create_model(name, **asked)
        with bounded(most):
            return timm.create_model(name, **asked)
    except BackboneError:
        raise
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:LONGEST_TEXT]
        raise BackboneError(
            f"timm makes no {what} {name!r} with these options: {reason}. timm.list_models() names them all."
        ) from error


def check_local(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a name or options by which a library would take weights from elsewhere.

    Raises
    ------
    BackboneError
        Before anything is built.
    """
    if ":" in name or (FETCHING & set(options) and not isinstance(options, FilledFrom)):
        raise BackboneError(
            f"{name} asks the library to fetch other weights, so it is not loaded. Take weights from where you trust "
            "them, and name a network as timm does."
        )


def _layers(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the kinds of layers that options name, as published configurations name them; timm knows others itself."""
    import timm

    sources = (("mlp_layer", timm.layers), ("act_layer", nn))
    named = ((key, getattr(source, str(options.get(key)), None)) for key, source in sources)
    return {key: kind for key, kind in named if _makes_layers(getattr(kind, "func", kind))}


def _makes_layers(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, nn.Module)


def _check_plain(options: Mapping[str, Any]) -> None:
    """Refuse options that are no plain values of a size that a network has."""
    for count, value in enumerate(_values(options)):
        if count >= MOST_VALUES:
            raise MisfitError(f"there are more than {MOST_VALUES:,} of them")
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise MisfitError(f"{value[:20]!r}... is no value of an option")
        if _is_number(value) and not (isfinite(value) and abs(value) <= LARGEST_NUMBER):
            raise MisfitError(f"{value} is more than any network has")


def _values(value: Any, depth: int = 0) -> Iterator[Any]:
    """Yield what stands in lists and entries within each other."""
    if depth > DEEPEST:
        raise MisfitError("their parts lie too deep within each other")
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _values(one, depth + 1)
    else:
        yield value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def room_for(weights: Path) -> int:
    """Return how many parameters a network may have that is filled from a file.

    A file has two bytes of each at the least. A network is built twice, to see its feature maps and then to keep
    those that are wanted, and some of what is built is left out.
    """
    return BUILT_TWICE * (weights.stat().st_size // LEAST_BYTES + SPARE_PARAMETERS)


@contextmanager
def bounded(most: int) -> Iterator[None]:
    """Stop what is built in this thread when it has so many parameters, or more layers than any network.

    Torch tells of each parameter before it is filled, so the memory of one that is too much has not been touched.

    Raises
    ------
    BackboneError
        While it grows.
    """
    thread, parameters, modules = threading.get_ident(), 0, 0

    def count_parameter(_module: nn.Module, _name: str, value: Any) -> None:
        nonlocal parameters
        if threading.get_ident() == thread and value is not None:
            parameters += value.numel()
            if parameters > most:
                raise BackboneError(
                    f"The network that is asked for has more than {most:,} parameters, far more than fit. "
                    "Copy its files again, or choose a smaller one."
                )

    def count_module(_module: nn.Module, _name: str, _value: Any) -> None:
        nonlocal modules
        if threading.get_ident() == thread:
            modules += 1
            if modules > MOST_MODULES:
                raise BackboneError(
                    f"The network that is asked for has more than {MOST_MODULES:,} layers, which none in use has. "
                    "Correct its options, or choose another one."
                )

    hooks = (
        torch_modules.register_module_parameter_registration_hook(count_parameter),
        torch_modules.register_module_module_registration_hook(count_module),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
