"""Configuration as frozen dataclasses: pydantic checks them where files are read, and refuses misspelt keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ConfigDict, with_config

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from pydantic import ValidationError

__all__ = ["SettingsError", "first_fault", "read_settings", "read_strictly"]

LARGEST_SETTINGS = 200_000
"""Bytes of the largest file of settings: a hundred classes take a tenth, and YAML is read 150,000 bytes a second."""

read_strictly = with_config(ConfigDict(extra="forbid"))
"""Class decorator, above ``@dataclass``: a file with a key that the class does not have is refused."""


class SettingsError(ValueError):
    """A file of settings cannot be read; why, as the end of a sentence."""


class _Plain(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases: by them a few lines grow to more than memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise SettingsError("it repeats a part by a name (&, *). Write the part out")
        return super().compose_node(parent, index)


def read_settings(file: Path | Traversable) -> Any:
    """Read a small file that a person writes, JSON by its name, else YAML, as plain values.

    Raises
    ------
    SettingsError
        If it is too large, or neither.
    OSError
        If it cannot be opened.
    """
    with file.open("rb") as opened:
        data = opened.read(LARGEST_SETTINGS + 1)
    if len(data) > LARGEST_SETTINGS:
        raise SettingsError(f"it is too large (over {LARGEST_SETTINGS:,} bytes)")
    as_json = file.name.lower().endswith(".json")
    try:
        text = data.decode("utf-8")
        return json.loads(text) if as_json else yaml.load(text, _Plain)
    except SettingsError:
        raise
    except RecursionError as error:
        raise SettingsError("its parts lie too deep within each other") from error
    except (yaml.YAMLError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SettingsError(str(error)) from error
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        # a tag such as !!int or !!bool before what is none
        raise SettingsError(f"{error or 'one of its values'} is not what it is said to be") from error


def first_fault(error: ValidationError) -> str:
    """Return the first thing that is wrong with what was read, as "place: reason"."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "top level"
    return f"{where}: {first['msg']}"
