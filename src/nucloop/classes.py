"""ClassScheme: the classes a nucleus may have, and `join`: which classes of two schemes mean the same."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from nucloop.class_names import ALIKE, folded, spelt
from nucloop.configuration import SettingsError, first_fault, read_settings, read_strictly
from nucloop.errors import DataError, legible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["MOST_KEYS", "ClassJoin", "ClassScheme", "NucleusClass", "as_classes", "builtin_schemes", "join"]

MOST_CLASSES = 100
MOST_KEYS = 9
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_GREY = "#808080"


@read_strictly
@dataclass(frozen=True)
class NucleusClass:
    """One class: its name, its colour as "#rrggbb", its classification name in QuPath, and its number key."""

    name: str
    color: str
    qupath: str = ""
    key: int = 0
    """Which of the number keys gives it, 1 to 9; 0: the first that is free, in the order of the classes."""

    def __post_init__(self) -> None:
        for field in ("name", "qupath"):
            object.__setattr__(self, field, legible(getattr(self, field)))
        if not self.name.strip():
            raise ValueError("a class needs a name")
        if not _COLOUR.fullmatch(self.color):
            raise ValueError(f"the colour of class {self.name!r} is {self.color!r}; write it as #rrggbb")
        if not 0 <= self.key <= MOST_KEYS:
            raise ValueError(f"the key of class {self.name!r} is {self.key}; the keys are 1 to {MOST_KEYS}")
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
        for field in ("name", "description"):
            object.__setattr__(self, field, legible(getattr(self, field)))
        if not 1 <= len(self.classes) <= MOST_CLASSES:
            raise ValueError(f"a scheme has 1 to {MOST_CLASSES} classes, {self.name!r} has {len(self.classes)}")
        if len(set(self.names)) != len(self.classes):
            raise ValueError(f"two classes of {self.name!r} have the same name")
        chosen = [c.key for c in self.classes if c.key]
        if len(set(chosen)) != len(chosen):
            raise ValueError(f"two classes of {self.name!r} have the same key")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The class names, in order."""
        return tuple(c.name for c in self.classes)

    @property
    def qupath_names(self) -> tuple[str, ...]:
        """What the classes are called in QuPath, in order and all different.

        QuPath takes classes of one name for one: where a class's name there is another's too, it goes by its own.
        """
        taken = Counter(name for c in self.classes for name in {c.name, c.qupath})
        return tuple(c.qupath if taken[c.qupath] == 1 else c.name for c in self.classes)

    @property
    def colors(self) -> tuple[str, ...]:
        """The colours as "#rrggbb", in order."""
        return tuple(c.color for c in self.classes)

    @property
    def keys(self) -> tuple[int, ...]:
        """The number key of each class, 1 to 9, in the order of the classes; 0 where there is none left for it."""
        chosen = {c.key for c in self.classes}
        free = iter([key for key in range(1, MOST_KEYS + 1) if key not in chosen])
        return tuple(c.key or next(free, 0) for c in self.classes)

    def find(self, name: str) -> int | None:
        """Return the label of the class that a name means, by `join`; None when there is none, or several."""
        return join([name], self.classes).forth[0] if name.strip() else None

    def index(self, name: str) -> int:
        """Return the label of the class that a name means, as `find` does; ValueError where that says None."""
        label = self.find(name)
        if label is not None:
            return label
        several = join([name], self.classes).unclear.get(0, ()) if name.strip() else ()
        wrong = f"could be {' or '.join(self.names[k] for k in several)}" if several else "is not"
        raise ValueError(f"class {name!r} {wrong} in scheme {self.name} ({', '.join(self.names)})")

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as a scheme file holds them."""
        return {
            "name": self.name,
            "description": self.description,
            "classes": [_plain(c) for c in self.classes],
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
            data = read_settings(path)
        except OSError as error:
            raise DataError(f"Cannot read the class scheme {path}: {error.strerror}. Check the path.") from error
        except SettingsError as error:
            raise DataError(
                f"{path.name} is no class scheme, or neither JSON nor YAML: {error}. Correct the file at that place."
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


def _plain(one: NucleusClass) -> dict[str, Any]:
    # versions that know no keys read a scheme in which nobody has chosen one
    key = {"key": one.key} if one.key else {}
    return {"name": one.name, "color": one.color, "qupath": one.qupath, **key}


@cache
def builtin_schemes() -> dict[str, ClassScheme]:
    """Every scheme that ships with NucLoop, by name."""
    items = read_settings(resources.files("nucloop").joinpath("class_schemes.yaml"))
    schemes = [ClassScheme.from_dict(item, source="class_schemes.yaml") for item in items]
    return {scheme.name: scheme for scheme in schemes}


@dataclass(frozen=True)
class ClassJoin:
    """Which classes of a first and a second scheme mean the same, as `join` says.

    Parameters
    ----------
    forth : tuple of int or None
        For each class of the first scheme its row in the second.
    back : tuple of int or None
        For each class of the second scheme its row in the first.
    likely : tuple of int or None
        For each class of the first that is not joined the one it probably stands for: only a person can say.
    unclear : dict
        Classes of the first that could as well be any of several of the second, with these: they are joined to none.
    """

    forth: tuple[int | None, ...]
    back: tuple[int | None, ...]
    likely: tuple[int | None, ...]
    unclear: dict[int, tuple[int, ...]]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Rows (first, second) of classes that are each other's own: no class is in two pairs."""
        return tuple((i, j) for i, j in enumerate(self.forth) if j is not None and self.back[j] == i)

    @property
    def merged(self) -> dict[int, tuple[int, ...]]:
        """Classes of the second that several of the first mean, with these."""
        rows: dict[int, tuple[int, ...]] = {}
        for i, j in enumerate(self.forth):
            if j is not None:
                rows[j] = (*rows.get(j, ()), i)
        return {j: several for j, several in rows.items() if len(several) > 1}

    @property
    def reached(self) -> tuple[int, ...]:
        """Classes of the second that any of the first means, ascending."""
        return tuple(sorted({j for j in self.forth if j is not None}))

    def table(self, stranger: int = -1) -> list[int]:
        """Labels of the second scheme by those of the first, to be indexed with these; the last, -1, stays -1."""
        return [*(stranger if j is None else j for j in self.forth), -1]


def join(first: Iterable[NucleusClass | str], second: Iterable[NucleusClass | str]) -> ClassJoin:
    """Say which classes of two schemes mean the same: the one rule, wherever classes of two sources meet.

    Two classes are the same when, the nearer before the further,

    1. their names are the same letter for letter,
    2. their names are the same but for letter case, blanks and the colon of QuPath's derived classes, so that
       "Tumor: Positive" is "tumor positive",
    3. their names are spelt differently ("tumor" and "tumour", "Stroma" and "stromal"), or
    4. one is known by a single name, which is the other's name in QuPath (letter case and blanks aside): what QuPath
       calls "Immune cells" is a scheme's "lymphocyte" that is exported under that name. That two classes with names of
       their own are exported under one name makes them no more than alike: "nucleus", and OCELOT's "background cell",
       are both QuPath's "Other".

    A class is joined to the nearest of the other scheme. Where several are equally near it is joined to none of them,
    and `unclear` says so; where several of one scheme are joined to the same of the other, `merged` says so. The two
    schemes may change places.

    Parameters
    ----------
    first, second : iterable of NucleusClass or str
        Classes of each; a bare name is a class that is known by that name alone.
    """
    return _joined(as_classes(first), as_classes(second))


def as_classes(classes: Iterable[NucleusClass | str]) -> tuple[NucleusClass, ...]:
    """Return classes as they are, and bare names as grey classes that are known by that name alone."""
    return tuple(NucleusClass(one, _GREY) if isinstance(one, str) else one for one in classes)


@lru_cache(maxsize=512)
def _joined(first: tuple[NucleusClass, ...], second: tuple[NucleusClass, ...]) -> ClassJoin:
    near = [[_distance(a, b) for b in second] for a in first]
    forth = [_nearest(row) for row in near]
    back = [_nearest([row[j] for row in near]) for j in range(len(second))]
    guesses = [() if forth[i] else _nearest([_likeness(a, b) for b in second]) for i, a in enumerate(first)]
    unclear = {i: rows for i, rows in enumerate(forth) if len(rows) > 1}
    return ClassJoin(_single(forth), _single(back), _single(guesses), unclear)


def _single(nearest: Sequence[tuple[int, ...]]) -> tuple[int | None, ...]:
    return tuple(rows[0] if len(rows) == 1 else None for rows in nearest)


def _nearest(distances: Sequence[int | None]) -> tuple[int, ...]:
    least = min((d for d in distances if d is not None), default=None)
    return () if least is None else tuple(k for k, d in enumerate(distances) if d == least)


def _distance(a: NucleusClass, b: NucleusClass) -> int | None:
    """Which sentence of `join` makes two classes the same; None when none does."""
    if a.name == b.name:
        return 1
    if folded(a.name) == folded(b.name):
        return 2
    if spelt(a.name) == spelt(b.name):
        return 3
    if any(one.name == one.qupath and folded(one.name) == folded(other.qupath) for one, other in ((a, b), (b, a))):
        return 4
    return None


def _likeness(a: NucleusClass, b: NucleusClass) -> int | None:
    """How well two classes that are not the same could stand for each other: 1 by QuPath's names, 2 by custom."""
    if {folded(a.name), folded(a.qupath)} & {folded(b.name), folded(b.qupath)}:
        return 1
    names = [{spelt(one.name), spelt(one.qupath)} for one in (a, b)]
    return 2 if any(all(one & alike for one in names) for alike in ALIKE) else None
