"""Asking napari and vispy for parts that they promise nobody: another release may have none of that name."""

from __future__ import annotations

from typing import Any

__all__ = ["has_parts", "part"]


def part(owner: object, *names: str) -> Any:
    """Return a private part of something of napari's or vispy's, by the first of its names; None where it has none."""
    return next((getattr(owner, name) for name in names if hasattr(owner, name)), None)


def has_parts(owner: object, *names: str) -> bool:
    """Whether something of napari's or vispy's has all of some private parts."""
    return all(hasattr(owner, name) for name in names)
