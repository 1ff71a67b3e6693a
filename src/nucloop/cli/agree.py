"""``nucloop agree``: how far two readers of one slide agree, as the dock shows it."""

from pathlib import Path
from typing import Annotated

import typer

from nucloop.cli.annotations import AREAS_HELP, Areas, drawn_areas, read_told
from nucloop.cli.terminal import check_writable, say, write_json
from nucloop.errors import DataError
from nucloop.evaluation.live import with_ids
from nucloop.evaluation.readers import compare_readers

__all__ = ["agree_command"]


def agree_command(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="File of nuclei, of any format.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="Another reader's, of the same slide.")],
    mpp: Annotated[float | None, typer.Option(min=0.01, max=100, help="µm per pixel; else as the files say.")] = None,
    radius_um: Annotated[float, typer.Option(min=0.1, max=100, help="Two marks this near can be one nucleus.")] = 3.0,
    regions: Annotated[Path | None, typer.Option(help="GeoJSON: only inside these areas, each on its own.")] = None,
    areas_are: Annotated[Areas | None, typer.Option("--areas-are", help=AREAS_HELP)] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything measured to this file.")] = None,
) -> None:
    """Compare two readers: F1 both ways, Cohen's kappa, the Ki-67 index by region, and where they differ."""
    if json is not None:
        check_writable(json.parent)
    mine, theirs = (read_told(path, areas=areas_are, mpp=mpp) for path in (first, second))
    said = [d.slide.mpp for d in (mine, theirs) if d.slide is not None and d.slide.mpp]
    pixel = mpp or (said[0] if said else None)
    if pixel is None:
        raise DataError(f"Neither {first.name} nor {second.name} says how many µm a pixel is. Give it with --mpp.")
    areas = drawn_areas(regions)
    readings = compare_readers(with_ids(mine.nuclei), with_ids(theirs.nuclei), pixel, radius_um, areas)
    report = readings.to_dict()
    if json is not None:
        write_json(json, report)
    forth, back = report["first_by_second"]["detection"], report["second_by_first"]["detection"]
    say(f"F1 {forth['f1']:.4f} both ways; {forth['precision']:.4f} of SECOND is in FIRST, {back['precision']:.4f} back")
    ends = report["kappa_interval_95"]
    interval = "" if ends is None else f", 95% {ends[0]:.3f} to {ends[1]:.3f}"
    say(
        "kappa is not defined: one reader gives one class only"
        if report["kappa"] is None
        else f"kappa {report['kappa']:.4f}{interval}"
    )
    for name, value in report["class_kappa"].items():
        say(f"  {name}: {'not defined' if value is None else f'{value:.4f}'}")
    if report["ki67"] is not None:
        say(f"Ki-67 index, FIRST minus SECOND: bias {100 * report['ki67']['bias']:+.1f} points")
    say("they differ at " + ", ".join(f"{count} ({kind})" for kind, count in report["disagreements"].items()))
