"""What a drawn region is made of, under the names that QuPath and NucLoop have for it."""

from __future__ import annotations

from nucloop.geometry import IGNORE

__all__ = ["kind_from", "kind_to"]

_QUPATH = {"tumour": "Tumor", "stroma": "Stroma", "necrosis": "Necrosis", IGNORE: "Ignore*"}
_OURS = {name.casefold(): kind for kind, name in _QUPATH.items()} | {"region*": "", "default": ""}
"""QuPath's Region*, and a server's default group, say nothing."""
_LONGEST = 200


def kind_to(kind: str) -> str:
    """Return what others call a kind of region."""
    return _QUPATH.get(kind, kind)


def kind_from(name: object) -> str:
    """Return the kind of region that a class of another program is; empty where it names none."""
    text = name.strip()[:_LONGEST] if isinstance(name, str) else ""
    return _OURS.get(text.casefold(), text)
