"""The list of slides as a file: the table of all slides, those that are shown, with what people said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.cohort.table import tables_of
from nucloop.formats.atomic import replacing
from nucloop.spreadsheets import as_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nucloop.cohort.overview import Overview
    from nucloop.cohort.project import Project

__all__ = ["export_steps"]


def export_steps(path: Path, project: Project, slides: Sequence[Overview]) -> Iterator[str]:
    """Write slides as CSV, in their order; yield what a person reads then. Runs in a job's thread.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    table, _ = tables_of(project, [one.state for one in slides])
    said = {"progress": [one.stage.value for one in slides], "by": [one.by for one in slides]}
    at = table.columns.get_loc("state") if "state" in table else 0
    for k, (name, values) in enumerate(said.items(), int(at)):
        # a label of the list may be called so
        table.insert(k, name if name not in table else f"{name} in NucLoop", values)
    with replacing(path) as file:
        file.write(as_cells(table).to_csv(index=False).encode())
    yield (
        f"{path.name} has the {len(slides):,} slides that are shown."
        if len(slides) != 1
        else (f"{path.name} has the one slide that is shown.")
    )
