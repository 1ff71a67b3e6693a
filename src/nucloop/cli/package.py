"""``nucloop package``: regions of a cohort for readers, and their answers back."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from nucloop.cli.terminal import check_writable, complain, say
from nucloop.cohort import open_project
from nucloop.cohort.packages.answers import answers_of, write_answers
from nucloop.cohort.packages.making import PackagePlan, make_packages
from nucloop.cohort.packages.merging import merge_package
from nucloop.errors import NucLoopError

__all__ = ["package"]

package = typer.Typer(help="Regions of a cohort for several readers, and their answers back.", no_args_is_help=True)


@package.command("make")
def make_command(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="Folder of the cohort.")],
    readers: Annotated[str, typer.Option(help="Names, A,B,...; each gets a folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the packages.")],
    slides: Annotated[str, typer.Option(help="Ids, A,B,...; all that are done unless given.")] = "",
    blinded: Annotated[bool, typer.Option("--blinded", help="Without what the model says of classes.")] = False,
    fields: Annotated[int, typer.Option(min=0, help="So many squares a slide by lot; 0: the list's regions.")] = 0,
    field_um: Annotated[float, typer.Option(min=20, max=5000, help="Side of a square, µm.")] = 250.0,
    reference: Annotated[bool, typer.Option("--reference", help="Links to slides in place of pieces cut out.")] = False,
    zipped: Annotated[bool, typer.Option("--zip", help="Each package as one .zip file.")] = False,
) -> None:
    """Make a folder or zip for each reader: pictures, nuclei, classes and an instruction."""
    check_writable(out)
    names = tuple(one.strip() for one in readers.split(",") if one.strip())
    chosen = tuple(one.strip() for one in slides.split(",") if one.strip())
    plan = PackagePlan(
        readers=names, slides=chosen, blinded=blinded, fields=fields, field_um=field_um, reference=reference
    )
    for folder in make_packages(open_project(project), plan, out):
        if zipped:
            say(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))
            shutil.rmtree(folder)
        else:
            say(str(folder))


@package.command("merge")
def merge_command(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="Folder of the cohort.")],
    answers: Annotated[list[Path], typer.Argument(help="Folders or zips that came back.")],
) -> None:
    """Take answers back as readers' labels, each once; write progress, agreement and what is to be decided."""
    opened, failed = open_project(project), 0
    for answer in answers:
        try:
            merged = merge_package(opened, answer)
        except NucLoopError as error:
            failed += 1
            complain(error, about=answer.name)
            continue
        say(
            f"{merged.reader}: {merged.spoken:,} answered, {merged.added:,} added, {merged.removed:,} removed; "
            f"{merged.new:,} of that is new"
        )
    found = answers_of(opened)
    for path in write_answers(opened, found):
        say(str(path))
    say(f"{len(found.adjudication):,} nuclei are to be decided")
    if failed:
        raise NucLoopError(f"{failed} of {len(answers)} packages were not taken in; the others were.")


@package.command("status")
def status_command(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="Folder of the cohort.")],
) -> None:
    """Say how far each reader is."""
    for row in answers_of(open_project(project)).progress.to_dict("records"):
        back = f"last back {row['back']}" if row["back"] else "not back yet"
        say(f"{row['reader']}: {row['answered']:,} of {row['given']:,} answered ({row['part']:.0%}), {back}")
