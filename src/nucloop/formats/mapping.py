"""From the classes that a file names to those of a scheme, by their names and by what a person says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.classes import join
from nucloop.errors import DataError
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.classes import ClassScheme
    from nucloop.nuclei import Nuclei

__all__ = ["UnknownClassesError", "adopt", "suggested_mapping", "unknown_classes"]


class UnknownClassesError(DataError):
    """A file names classes that the scheme does not have.

    Attributes
    ----------
    classes : dict
        Nuclei per unknown class.
    suggestion : dict
        For every unknown class the one of the scheme that it probably stands for, or None.
    """

    def __init__(self, source: str, classes: dict[str, int], scheme: ClassScheme) -> None:
        self.classes = classes
        self.suggestion = suggested_mapping(classes, scheme)
        names = ", ".join(f"{name!r} ({count:,})" for name, count in list(classes.items())[:10])
        more = f" and {len(classes) - 10} more" if len(classes) > 10 else ""
        are = "is" if len(classes) == 1 else "are"
        guesses = [f"{name!r} perhaps for {guess}" for name, guess in self.suggestion.items() if guess]
        likely = f" ({', '.join(guesses[:10])})" if guesses else ""
        super().__init__(
            f"{source}: {names}{more} {are} not in scheme {scheme.name} ({', '.join(scheme.names)}). "
            f"Say which class each stands for{likely}, or choose the scheme the file was made with."
        )


def suggested_mapping(names: Mapping[str, object] | tuple[str, ...], scheme: ClassScheme) -> dict[str, str | None]:
    """Guess which class of a scheme each name stands for; None where nothing is like it."""
    joined = join(names, scheme.classes)
    guesses = [same if same is not None else like for same, like in zip(joined.forth, joined.likely, strict=True)]
    return {name: None if k is None else scheme.names[k] for name, k in zip(names, guesses, strict=True)}


def _targets(own: ClassScheme, scheme: ClassScheme, mapping: Mapping[str, str | None], source: str) -> list[int | None]:
    """For every class of the file its label in the scheme, UNLABELLED, or None when nobody knows."""
    targets: list[int | None] = []
    for one, same in zip(own.classes, join(own.classes, scheme.classes).forth, strict=True):
        target = same
        if one.name in mapping:
            wanted = mapping[one.name]
            target = UNLABELLED if wanted is None else scheme.find(wanted)
            if target is None:
                raise DataError(
                    f"{one.name!r} of {source} cannot become {wanted!r}, which is not in scheme {scheme.name} "
                    f"({', '.join(scheme.names)}). Choose one of these."
                )
        targets.append(target)
    return targets


def unknown_classes(
    nuclei: Nuclei, scheme: ClassScheme, mapping: Mapping[str, str | None] | None = None
) -> dict[str, int]:
    """Nuclei per class that neither the scheme nor `mapping` knows; classes without nuclei do not count."""
    targets = _targets(nuclei.scheme, scheme, mapping or {}, nuclei.scheme.name)
    counts = nuclei.counts()
    return {
        name: counts[name]
        for name, target in zip(nuclei.scheme.names, targets, strict=True)
        if target is None and counts[name]
    }


def adopt(
    nuclei: Nuclei, scheme: ClassScheme, mapping: Mapping[str, str | None] | None = None, *, source: str = "the file"
) -> Nuclei:
    """Give nuclei the classes of another scheme.

    Parameters
    ----------
    nuclei : Nuclei
        With the classes of their file.
    scheme : ClassScheme
        The classes they get, as `nucloop.classes.join` finds them.
    mapping : dict, optional
        Class of the file to class of the scheme, or to None for no class; it goes before the names.
    source : str
        The file, for messages.

    Returns
    -------
    Nuclei
        Probabilities of classes that become one are added; a class without a source has none (NaN).

    Raises
    ------
    UnknownClassesError
        Listing all classes that nobody knows, with the number of nuclei of each.
    DataError
        If `mapping` leads to a class that is not in `scheme`.
    """
    if nuclei.scheme == scheme and not mapping:
        return nuclei
    targets = _targets(nuclei.scheme, scheme, mapping or {}, source)
    unknown = unknown_classes(nuclei, scheme, mapping)
    if unknown:
        raise UnknownClassesError(source, unknown, scheme)
    table = np.array([UNLABELLED if t is None else t for t in targets] + [UNLABELLED], np.int16)
    probability = np.full((len(nuclei), len(scheme)), np.nan, np.float32)
    for column, target in enumerate(targets):
        if target is None or target == UNLABELLED:
            continue
        own = nuclei.probability[:, column]
        there = probability[:, target]
        probability[:, target] = np.where(np.isnan(there), own, there + np.nan_to_num(own))
    return replace(nuclei, scheme=scheme, label=table[nuclei.label], probability=probability)
