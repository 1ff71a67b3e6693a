"""``nucloop cohort``: many slides, with one table and one report in the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from nucloop.cli.terminal import (
    CONTRAST_HELP,
    ENCODER_HELP,
    GRADES_HELP,
    HEAD_HELP,
    OUTLINES_HELP,
    SHAPE_HELP,
    check_writable,
    complain,
    output,
    parse_grades,
    progress_bar,
    say,
)
from nucloop.cohort.marks import Mark, read_marks
from nucloop.cohort.project import open_project
from nucloop.cohort.settings import CohortSettings
from nucloop.cohort.states import State, counts_of, states_of
from nucloop.detection.spec import CONTRAST
from nucloop.errors import DataError, NucLoopError

__all__ = ["cohort"]

cohort = typer.Typer(help="Many slides: detect, classify, measure; one table and one report.", no_args_is_help=True)

_PROJECT = Annotated[Path, typer.Argument(metavar="PROJECT", help="Folder of the cohort.")]
_MOST_TOLD = 20


@cohort.command("init")
def init_command(
    source: Annotated[Path, typer.Argument(help="Folder of slides, or a list: CSV with the column slide, or lines.")],
    project: _PROJECT,
    mpp: Annotated[float | None, typer.Option(min=0.01, max=50, help="µm per pixel of slides that do not say.")] = None,
    detector: Annotated[str, typer.Option(help="Name or .safetensors file.")] = "denuc-mobilenet",
    encoder: Annotated[str | None, typer.Option(help=ENCODER_HELP)] = None,
    head: Annotated[str | None, typer.Option(help=HEAD_HELP)] = None,
    threshold: Annotated[float | None, typer.Option(min=0.01, max=0.99, help="Detection score.")] = None,
    contrast: Annotated[float, typer.Option(min=0, max=1, help=CONTRAST_HELP)] = CONTRAST,
    outlines: Annotated[bool, typer.Option("--outlines", help=OUTLINES_HELP)] = False,
    shape: Annotated[str | None, typer.Option(help=SHAPE_HELP)] = None,
    measurements: Annotated[
        bool, typer.Option("--measurements", help="Size, shape and stains; with outlines.")
    ] = False,
    geojson: Annotated[bool, typer.Option("--geojson", help="A file for QuPath for each slide, too.")] = False,
    sessions: Annotated[bool, typer.Option("--sessions", help="A session for each slide, to be corrected.")] = False,
    ki67: Annotated[
        bool, typer.Option("--ki67/--no-ki67", help="The Ki-67 index where classes or DAB tell it.")
    ] = True,
    dab: Annotated[
        bool, typer.Option("--dab", help="Let DAB tell positive nuclei, whatever the classes; with H-score and Allred.")
    ] = False,
    threshold_of_dab: Annotated[
        float | None, typer.Option("--dab-threshold", min=0.01, help="Optical density; else found on each slide.")
    ] = None,
    grades: Annotated[str, typer.Option(help=GRADES_HELP)] = "",
    again: Annotated[
        bool, typer.Option("--keep-settings", help="Of a cohort that is there; look at slides only.")
    ] = False,
) -> None:
    """Make a cohort of a folder or list of slides, or bring one up to date. Results stay."""
    # what reads slides takes seconds to load, and a person may only have asked how far a cohort is
    from nucloop.cohort import init

    settings = None
    if not again:
        try:
            settings = CohortSettings(
                detector=_place(detector) or detector,
                encoder=_place(encoder),
                head=_place(head),
                threshold=threshold,
                contrast=contrast,
                outlines=outlines or measurements,
                shape=_place(shape),
                measurements=measurements,
                geojson=geojson,
                sessions=sessions,
                ki67=ki67,
                dab=dab,
                dab_threshold=threshold_of_dab,
                grades=parse_grades(grades),
            )
        except ValueError as error:
            raise DataError(f"These settings do not go together: {error}.") from error
    check_writable(project)
    troubled = []
    with progress_bar() as bar:
        task = bar.add_task("looking at slides", total=None, note="")
        number = 0
        for number, (entry, total) in enumerate(init(source, project, settings, mpp=mpp), 1):
            bar.update(task, completed=number, total=total, note=entry.id)
            if entry.trouble:
                troubled.append(entry)
    for entry in troubled[:_MOST_TOLD]:
        complain(entry.trouble, about=entry.id)
    say(f"{project}: {number:,} slides, {len(troubled):,} of which cannot be worked on yet.")
    say(f"Next: nucloop cohort run {project}")


def _place(name: str | None) -> str | None:
    """Return a file's whole path: a worker elsewhere has another current folder."""
    return str(Path(name).absolute()) if name is not None and Path(name).is_file() else name


@cohort.command("run")
def run_command(
    project: _PROJECT,
    workers: Annotated[int | None, typer.Option(min=0, help="On this machine; 0: in this process.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, tcp://HOST:8786.")] = None,
    scheduler_file: Annotated[Path | None, typer.Option(help="File in which a scheduler wrote its address.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    only: Annotated[str | None, typer.Option(help="Ids of slides, A,B,...; all unless given.")] = None,
) -> None:
    """Work on every slide that is not done; Ctrl+C stops, and the same command goes on."""
    from nucloop.cohort import client_of, run

    opened = open_project(project)
    ids = None if only is None else [one.strip() for one in only.split(",") if one.strip()]
    unknown = set(ids or ()) - {one.id for one in opened.slides}
    if unknown:
        raise DataError(f"There is no slide {min(unknown)} in {project}. nucloop cohort status --all lists them.")
    failed = done = 0
    try:
        with (
            client_of(workers=workers, scheduler=scheduler, scheduler_file=scheduler_file) as client,
            progress_bar() as bar,
        ):
            task = bar.add_task(opened.folder.name, total=None, note="")
            for step in run(opened, client, device=device, only=ids):
                done, failed = done + (not step.sentence), failed + bool(step.sentence)
                bar.update(task, completed=step.done, total=step.total, note=step.slide)
                if step.sentence:
                    complain(step.sentence, about=step.slide)
    except KeyboardInterrupt:
        complain(f"stopped; {done:,} more slides are done. Go on with: nucloop cohort run {project}")
        raise typer.Exit(130) from None
    say(f"{done:,} slides done, {failed:,} failed")
    _report(project)
    if failed:
        raise NucLoopError(
            f"{failed:,} slides failed; the others are in {project}. Mend what the sentences say, and run again."
        )


@cohort.command("status")
def status_command(
    project: _PROJECT, every: Annotated[bool, typer.Option("--all", help="Name every slide.")] = False
) -> None:
    """Say how far a cohort is, and what is wrong with which slides."""
    opened = open_project(project)
    states, marks = states_of(opened), read_marks(opened)
    say(f"{len(states):,} slides: " + ", ".join(f"{number:,} {name}" for name, number in counts_of(states).items()))
    marked = Counter(one.state for one in marks.values() if one.state)
    if marked:
        say("said by people: " + ", ".join(f"{number:,} {name}" for name, number in sorted(marked.items())))
    if every:
        table = Table("slide", "state", "people say", "tags", "")
        for one in states:
            mark = marks.get(one.entry.id, Mark(one.entry.id))
            word = f"{mark.state}, {mark.by}" if mark.by else mark.state
            table.add_row(one.entry.id, one.state.value, word, ", ".join(mark.tags), one.sentence)
        output.print(table)
        return
    failed = [one for one in states if one.state is State.FAILED]
    for one in failed[:_MOST_TOLD]:
        complain(one.sentence, about=one.entry.id)
    if len(failed) > _MOST_TOLD:
        say(f"and {len(failed) - _MOST_TOLD:,} more; --all names them")


@cohort.command("report")
def report_command(project: _PROJECT) -> None:
    """Write the table of slides and the report of what is done so far."""
    _report(project)


def _report(project: Path) -> None:
    from nucloop.cohort import write_report

    for path in write_report(open_project(project)):
        say(str(path))
