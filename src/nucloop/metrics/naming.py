"""Which classes of nuclei are counted, and what each nucleus is among these, by `nucloop.classes.join`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.classes import ClassScheme, NucleusClass, as_classes, join
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei

__all__ = ["common_classes", "counted_classes", "equal_where_same", "merged", "others", "renamed"]


def counted_classes(
    references: Iterable[Nuclei], chosen: Sequence[NucleusClass | str] = ()
) -> tuple[NucleusClass, ...]:
    """Return the classes that are counted: those chosen, or those of the references in order of appearance.

    Classes that mean the same are counted as one, the first.
    """
    if chosen:
        return _distinct(as_classes(chosen))
    counted: tuple[NucleusClass, ...] = ()
    for nuclei in references:
        # A file that names no class has a scheme with one that nobody bears.
        if (nuclei.label != UNLABELLED).any() or len(nuclei.scheme) > 1:
            own = _distinct(nuclei.scheme.classes)
            new = (one for one, known in zip(own, join(own, counted).forth, strict=True) if known is None)
            counted = (*counted, *new)
    return counted


def common_classes(found: ClassScheme, truth: ClassScheme) -> tuple[NucleusClass, ...]:
    """Return the classes of a reference, as they are counted, that the other scheme has too."""
    classes = _distinct(truth.classes)
    return tuple(classes[k] for k in join(found.classes, classes).reached)


def _distinct(classes: Iterable[NucleusClass]) -> tuple[NucleusClass, ...]:
    """Leave out those classes of one scheme whose name an earlier one has, written otherwise."""
    distinct: dict[str, NucleusClass] = {}
    for one in classes:
        if join([one.name], distinct).forth == (None,):
            distinct[one.name] = one
    return tuple(distinct.values())


def equal_where_same(first: ClassScheme, second: ClassScheme) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tables from the labels of each scheme to numbers that are equal where the classes are the same.

    They are as long as the scheme and one more, which serves UNLABELLED; no class of the first is -2.
    """
    classes = _distinct(first.classes)
    return _positions(first, classes), np.array(join(second.classes, classes).table(-2), np.int64)


def renamed(nuclei: Nuclei, classes: Sequence[NucleusClass | str]) -> Nuclei:
    """Return nuclei whose labels are positions in `classes`, as `Marks.of` labels them; others are unlabelled."""
    label = _positions(nuclei.scheme, classes)[nuclei.label].astype(np.int16)
    scheme = ClassScheme("counted", as_classes(classes) or as_classes(["nucleus"]))
    unknown = np.full((len(nuclei), len(scheme)), np.nan, np.float32)
    return replace(nuclei, scheme=scheme, label=label, probability=unknown)


def others(nuclei: Nuclei, classes: Sequence[NucleusClass | str]) -> list[str]:
    """Name the classes of nuclei that are not counted, as far as they occur; these count as detections."""
    borne = nuclei.label[(_positions(nuclei.scheme, classes)[nuclei.label] < 0) & (nuclei.label >= 0)]
    return sorted({nuclei.scheme.names[label] for label in np.unique(borne)})


def merged(nuclei: Nuclei, classes: Sequence[NucleusClass | str]) -> list[tuple[str, ...]]:
    """Name the classes of nuclei that are counted as one, as far as they occur, each time all of them."""
    borne = set(np.unique(nuclei.label).tolist())
    several = join(nuclei.scheme.classes, classes).merged.values()
    named = (tuple(nuclei.scheme.names[label] for label in labels if label in borne) for labels in several)
    return [names for names in named if len(names) > 1]


def _positions(scheme: ClassScheme, classes: Sequence[NucleusClass | str]) -> NDArray[np.int64]:
    """Position in `classes` of each class of a scheme; the last entry serves UNLABELLED, which is -1."""
    return np.array(join(scheme.classes, classes).table(UNLABELLED), np.int64)
