"""Configuration as frozen dataclasses: pydantic checks them where files are read, and refuses misspelt keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ConfigDict, with_config

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["first_fault", "read_strictly"]

read_strictly = with_config(ConfigDict(extra="forbid"))
"""Class decorator, above ``@dataclass``: a file with a key that the class does not have is refused."""


def first_fault(error: ValidationError) -> str:
    """Return the first thing that is wrong with what was read, as "place: reason"."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "top level"
    return f"{where}: {first['msg']}"
