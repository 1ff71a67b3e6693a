"""Cohorts: many slides, worked on by one computer or by many, with one table and one report in the end.

from nucloop import cohort

for step in cohort.run("study", client=client):     # of dask.distributed; without one, in this process
print(step.slide, step.sentence)
slides, regions = cohort.tables_of(cohort.open_project("study"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nucloop.cohort.preparing import init
    from nucloop.cohort.project import Project, open_project
    from nucloop.cohort.report import write_report
    from nucloop.cohort.running import Step, run
    from nucloop.cohort.schedulers import client_of
    from nucloop.cohort.settings import CohortSettings
    from nucloop.cohort.slide_entry import SlideEntry
    from nucloop.cohort.states import SlideState, State, counts_of, states_of
    from nucloop.cohort.table import tables_of, write_tables

__all__ = [
    "CohortSettings",
    "Project",
    "SlideEntry",
    "SlideState",
    "State",
    "Step",
    "client_of",
    "counts_of",
    "init",
    "open_project",
    "run",
    "states_of",
    "tables_of",
    "write_report",
    "write_tables",
]

_PLACES = {
    "preparing": ("init",),
    "project": ("Project", "open_project"),
    "report": ("write_report",),
    "running": ("Step", "run"),
    "schedulers": ("client_of",),
    "settings": ("CohortSettings",),
    "slide_entry": ("SlideEntry",),
    "states": ("SlideState", "State", "counts_of", "states_of"),
    "table": ("tables_of", "write_tables"),
}
"""Where each name is, loaded when it is asked for: who asks how far a cohort is needs no network."""
_place_of = {name: place for place, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _place_of:
        raise AttributeError(f"nucloop.cohort has no {name}")
    return getattr(import_module(f"nucloop.cohort.{_place_of[name]}"), name)
