"""What the first slide and the first click would otherwise wait for, done in a job's thread before they come."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pint

from nucloop.gui.detect.pipelines import Offer, find_offer, load_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nucloop.detection.spec import PipelineSpec

__all__ = ["loading_steps", "use_units"]

_FOR_SLIDES = (
    "nucloop.slides.open_file",
    "nucloop.slides.pictures",
    "nucloop.slides.tiff.opening",
    "nucloop.session",
    "napari.components.histogram",
    "distributed",
)
"""What opening a slide imports; dask looks for a cluster of `distributed` before it computes the first pixel."""


def loading_steps(choice: PipelineSpec) -> Iterator[pint.UnitRegistry | Offer | Any]:
    """Read what opening a slide needs, find what the machine offers, load the chosen models. Runs in a job's thread.

    Reading pint's table of units takes half a second, and napari would do it with the first layer.
    """
    yield pint.UnitRegistry()
    for name in _FOR_SLIDES:
        with suppress(ImportError):
            import_module(name)
    yield find_offer()
    yield load_pipeline(choice)


def use_units(found: object) -> None:
    """Give everybody the units that were read, unless somebody has needed some already; in the window's thread."""
    unread = type(pint.application_registry.get()) is not pint.UnitRegistry
    if isinstance(found, pint.UnitRegistry) and unread:
        pint.set_application_registry(found)
