"""ClassScheme: the classes a nucleus may have, with their colours and the names other tools use."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from nucloop.configuration import first_fault, read_strictly
from nucloop.errors import DataError

__all__ = ["ClassScheme", "NucleusClass", "builtin_schemes"]

LARGEST_SCHEME_FILE = 1_000_000
MOST_CLASSES = 100
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@read_strictly
@dataclass(frozen=True)
class NucleusClass:
    """One class: its name, its colour as "#rrggbb", and its classification name in QuPath."""

    name: str
    color: str
    qupath: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a class needs a name")
        if not _COLOUR.fullmatch(self.color):
            raise ValueError(f"the colour of class {self.name!r} is {self.color!r}; write it as #rrggbb")
        if not self.qupath:
            object.__setattr__(self, "qupath", self.name)

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16)


@read_strictly
@dataclass(frozen=True)
class ClassScheme:
    """An ordered set of classes; a label is a position in `classes`.

    Parameters
    ----------
    name : str
        What a person types to choose the scheme, such as ``brca-m2c``.
    classes : tuple of NucleusClass
        At least one, with different names.
    description : str
        Where the classes come from.
    """

    name: str
    classes: tuple[NucleusClass, ...]
    description: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.classes) <= MOST_CLASSES:
            raise ValueError(f"a scheme has 1 to {MOST_CLASSES} classes, {self.name!r} has {len(self.classes)}")
        if len(set(self.names)) != len(self.classes):
            raise ValueError(f"two classes of {self.name!r} have the same name")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The class names, in order."""
        return tuple(c.name for c in self.classes)

    @property
    def colors(self) -> tuple[str, ...]:
        """The colours as "#rrggbb", in order."""
        return tuple(c.color for c in self.classes)

    def index(self, name: str) -> int:
        """Return the label of a class by its name or its QuPath name, letter case aside; ValueError when unknown."""
        wanted = name.casefold()
        for label, c in enumerate(self.classes):
            if wanted in (c.name.casefold(), c.qupath.casefold()):
                return label
        raise ValueError(f"class {name!r} is not in scheme {self.name} ({', '.join(self.names)})")

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as a scheme file holds them."""
        return {
            "name": self.name,
            "description": self.description,
            "classes": [{"name": c.name, "color": c.color, "qupath": c.qupath} for c in self.classes],
        }

    @classmethod
    def from_dict(cls, data: object, *, source: str = "class scheme") -> ClassScheme:
        """Check plain types from a file or a weights card; DataError with the reason when they do not fit."""
        try:
            return TypeAdapter(cls).validate_python(data)
        except ValidationError as error:
            raise DataError(
                f"{source} is not a class scheme ({first_fault(error)}). "
                'It needs "name" and "classes", each class with "name" and "color".'
            ) from error

    @classmethod
    def from_file(cls, path: str | Path) -> ClassScheme:
        """Read a user's scheme from JSON or YAML; DataError says what is wrong with the file."""
        path = Path(path)
        try:
            if path.stat().st_size > LARGEST_SCHEME_FILE:
                raise DataError(f"{path.name} is too large for a class scheme (over {LARGEST_SCHEME_FILE:,} bytes).")
            text = path.read_text(encoding="utf-8")
            data = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
        except OSError as error:
            raise DataError(f"Cannot read the class scheme {path}: {error.strerror}. Check the path.") from error
        except (ValueError, yaml.YAMLError, RecursionError) as error:
            raise DataError(
                f"{path.name} is neither JSON nor YAML: {error}. Correct the file at that place."
            ) from error
        return cls.from_dict(data, source=path.name)

    @classmethod
    def named(cls, name: str) -> ClassScheme:
        """Return a built-in scheme by name, or a user's by path; DataError lists the names when there is none."""
        schemes = builtin_schemes()
        if name in schemes:
            return schemes[name]
        if Path(name).suffix.lower() in {".json", ".yaml", ".yml"}:
            return cls.from_file(name)
        raise DataError(
            f"There is no class scheme {name!r}. Built in: {', '.join(schemes)}; or give a JSON or YAML file."
        )


@cache
def builtin_schemes() -> dict[str, ClassScheme]:
    """Every scheme that ships with NucLoop, by name."""
    text = resources.files("nucloop").joinpath("class_schemes.yaml").read_text(encoding="utf-8")
    schemes = [ClassScheme.from_dict(item, source="class_schemes.yaml") for item in yaml.safe_load(text)]
    return {scheme.name: scheme for scheme in schemes}
