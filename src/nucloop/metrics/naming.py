"""Classes of two schemes are the same when their names are: which are counted, and what each nucleus is then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.metrics.marks import Marks
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei

__all__ = ["counted_classes", "named_marks", "others", "renamed"]

_GREY = "#808080"


def counted_classes(references: Iterable[Nuclei]) -> tuple[str, ...]:
    """Name the classes that are counted by default: those of the references, in order of appearance."""
    names: dict[str, None] = {}
    for nuclei in references:
        # A file that names no class has a scheme with one that nobody bears.
        if (nuclei.label != UNLABELLED).any() or len(nuclei.scheme) > 1:
            names |= dict.fromkeys(nuclei.scheme.names)
    return tuple(names)


def named_marks(nuclei: Nuclei, mpp: float, names: Sequence[str]) -> Marks:
    """Label marks by their positions in `names`, found by name or QuPath name, letter case aside."""
    marks = Marks.of(nuclei, mpp)
    return Marks(marks.yx, _positions(nuclei.scheme, names)[marks.label], marks.score)


def renamed(nuclei: Nuclei, names: Sequence[str]) -> Nuclei:
    """Return nuclei whose labels are positions in `names`, as `named_marks` labels them; others are unlabelled."""
    classes = tuple(NucleusClass(name, _GREY) for name in names) or (NucleusClass("nucleus", _GREY),)
    label = _positions(nuclei.scheme, names)[nuclei.label].astype(np.int16)
    unknown = np.full((len(nuclei), len(classes)), np.nan, np.float32)
    return replace(nuclei, scheme=ClassScheme("counted", classes), label=label, probability=unknown)


def others(nuclei: Nuclei, names: Sequence[str]) -> list[str]:
    """Name the classes of nuclei that are not counted, as far as they occur; these count as detections."""
    borne = nuclei.label[(_positions(nuclei.scheme, names)[nuclei.label] < 0) & (nuclei.label >= 0)]
    return sorted({nuclei.scheme.names[label] for label in np.unique(borne)})


def _positions(scheme: ClassScheme, names: Sequence[str]) -> NDArray[np.int64]:
    """Position in `names` of each class of a scheme; the last entry serves UNLABELLED, which is -1."""
    wanted = {name.casefold(): k for k, name in reversed(list(enumerate(names)))}
    by_name = (wanted.get(c.name.casefold(), wanted.get(c.qupath.casefold(), UNLABELLED)) for c in scheme.classes)
    return np.array([*by_name, UNLABELLED], np.int64)
