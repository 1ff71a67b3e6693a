"""What a person says about a file that does not say it itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NOTHING_ASKED", "Asked"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a file is to be read, where it leaves that open."""

    areas_are_nuclei: bool = False
    """Whether drawn areas are outlines of nuclei, not regions."""
    mpp: float | None = None
    """µm per pixel of its slide, for tables that count in µm."""


NOTHING_ASKED = Asked()
