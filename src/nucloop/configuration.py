"""Configuration as frozen dataclasses: pydantic checks them where files are read, and refuses misspelt keys."""

from __future__ import annotations

from pydantic import ConfigDict, with_config

__all__ = ["read_strictly"]

read_strictly = with_config(ConfigDict(extra="forbid"))
"""Class decorator, above ``@dataclass``: a file with a key that the class does not have is refused."""
