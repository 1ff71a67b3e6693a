"""NucLoop: detect nuclei, classify them, and measure how well, on slides of any size.

For a notebook: `nucloop.open_slide`, `nucloop.Pipeline`, `nucloop.Session` and `nucloop.cohort` (docs/recipes.md).
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__all__ = ["__version__"]

__version__: str = version("napari-nucloop")

_FOR_NOTEBOOKS = {
    "open_slide": "nucloop.slides",
    "Pipeline": "nucloop.detection.pipeline",
    "Session": "nucloop.session",
    "cohort": "",
}
"""What a notebook gets without knowing the rooms, and where it is; loaded when it is asked for, not before."""


def __getattr__(name: str) -> Any:
    if name not in _FOR_NOTEBOOKS:
        raise AttributeError(f"nucloop has no {name}")
    place = _FOR_NOTEBOOKS[name]
    return getattr(import_module(place), name) if place else import_module(f"nucloop.{name}")
