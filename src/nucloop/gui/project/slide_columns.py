"""What stands in the list of slides, column by column: as it is shown, sorted and searched."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nucloop.cohort.overview import Overview

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["SLIDE", "Column", "columns_of", "searched"]

SLIDE = "slide"
_CLASS = "n_"


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    title: str
    value: Callable[[Overview], Any]
    """A number or a text; None where it is not known."""
    digits: int | None = None
    """Of a number; None for texts."""
    percent: bool = False

    def text(self, one: Overview) -> str:
        """Return what a person reads."""
        value = self.value(one)
        if value is None:
            return ""
        if self.digits is None:
            return str(value)
        return f"{value:,.{self.digits}{'%' if self.percent else 'f'}}"

    def in_order(self, slides: Sequence[Overview], *, descending: bool) -> list[Overview]:
        """Return slides sorted; those of which it is not known come last, either way."""
        known = [one for one in slides if self.value(one) not in (None, "")]
        others = [one for one in slides if self.value(one) in (None, "")]
        return sorted(known, key=lambda one: _natural(self.value(one)), reverse=descending) + others


def columns_of(slides: Sequence[Overview]) -> list[Column]:
    """Return the columns that a list of slides has: the classes that were found, and what the project's list says."""
    classes = dict.fromkeys(name for one in slides for name in one.row if name.startswith(_CLASS))
    labels = dict.fromkeys(name for one in slides for name in one.entry.labels)
    columns = [
        Column(SLIDE, "Slide", lambda one: one.entry.id),
        Column("stage", "State", lambda one: one.stage.value),
        Column("by", "By", lambda one: one.by),
        _figure("nuclei", "Nuclei"),
        *(_figure(name, name.removeprefix(_CLASS)) for name in classes),
        _figure("per_mm2", "Per mm²"),
        _figure("ki67", "Ki-67", 1, percent=True),
        _figure("tissue_mm2", "Tissue, mm²", 2),
        Column("tags", "Tags", lambda one: ", ".join(one.mark.tags)),
        Column("patient", "Patient", lambda one: one.entry.patient),
        *(Column(f"label {name}", name, _label(name)) for name in labels),
        Column("remarks", "Remarks", lambda one: one.sentence),
    ]
    always = {SLIDE, "stage", "nuclei"}
    return [one for one in columns if one.name in always or any(one.value(slide) not in (None, "") for slide in slides)]


def searched(one: Overview) -> str:
    """Return all words by which a slide can be found, without capitals."""
    entry = one.entry
    words = (
        entry.id,
        entry.path,
        entry.patient,
        *entry.labels.values(),
        *one.mark.tags,
        one.by,
        one.stage,
        one.sentence,
    )
    return "\n".join(words).casefold()


def _figure(name: str, title: str, digits: int = 0, *, percent: bool = False) -> Column:
    def value(one: Overview) -> Any:
        found = one.row.get(name)
        # not a number is not known
        return None if found is None or found != found else found

    return Column(name, title, value, digits, percent)


def _label(name: str) -> Callable[[Overview], str]:
    return lambda one: one.entry.labels.get(name, "")


def _natural(value: Any) -> Any:
    """Return what sorts s9 before s10."""
    if not isinstance(value, str):
        return value
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", value.casefold())]
