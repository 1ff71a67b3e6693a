"""Who works on a session, by name."""

from __future__ import annotations

import getpass
import re

from nucloop.errors import legible

__all__ = ["LONGEST_NAME", "person", "tidy_name"]

LONGEST_NAME = 200
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def tidy_name(name: str) -> str:
    """Return a reader's name as it is kept: in one line of letters that can be written, and not endless."""
    return " ".join(_CONTROLS.sub(" ", legible(name)).split())[:LONGEST_NAME]


def person() -> str:
    """Return the name under which somebody is logged in."""
    try:
        return tidy_name(getpass.getuser()) or "somebody"
    except (OSError, KeyError, ImportError):
        return "somebody"
