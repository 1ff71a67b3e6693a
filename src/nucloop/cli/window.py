"""``nucloop app``: the napari window."""

from pathlib import Path
from typing import Annotated

import typer

from nucloop.errors import NucLoopError
from nucloop.garbage import importing

__all__ = ["app_command"]


def app_command(
    files: Annotated[list[Path] | None, typer.Argument(help="Slides to open.")] = None,
    sample: Annotated[str | None, typer.Option(help="A sample: ki67, he, ihc, synthetic_he, synthetic_ki67.")] = None,
    mpp: Annotated[float | None, typer.Option(help="µm per pixel of slides that do not say.")] = None,
    screenshot: Annotated[Path | None, typer.Option(help="Detect, save a picture of the window and quit.")] = None,
    export: Annotated[Path | None, typer.Option(help="Detect, write the nuclei (.csv, .geojson) and quit.")] = None,
) -> None:
    """Open napari with the NucLoop docks."""
    try:
        with importing():
            from nucloop.gui.plugin.app import run_app
    except ImportError as error:
        raise NucLoopError(
            f'The window needs the app extra ({error.name} is missing): pip install "napari-nucloop[app]"'
        ) from error
    raise typer.Exit(run_app(files or [], sample=sample, screenshot=screenshot, export=export, mpp=mpp))
