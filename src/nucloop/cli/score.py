"""``nucloop score``: F1 of any two annotation files, whoever made them."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from nucloop.cli.annotations import AREAS_HELP, Areas, drawn_areas, read_told
from nucloop.cli.tables import check_table_name, confusion_table, score_table, write_table
from nucloop.cli.terminal import check_writable, complain, output, progress_bar, say, write_json
from nucloop.errors import DataError
from nucloop.evaluation.comparison import ComparisonConfig, compare, pair_files
from nucloop.formats import read_regions
from nucloop.metrics.report import table_rows
from nucloop.metrics.rules import RULES
from nucloop.session.keeping.place import SUFFIX

__all__ = ["check_rule", "score_command"]

RULES_HELP = "; ".join(f"{rule.name}: {rule.label} ({rule.used_by})" for rule in RULES.values())


def score_command(
    predicted: Annotated[Path, typer.Argument(metavar="PRED", help="File of nuclei, session, or folder of them.")],
    reference: Annotated[Path, typer.Argument(metavar="REF", help="What it is compared with, of any format.")],
    mpp: Annotated[float | None, typer.Option(min=0.01, max=100, help="µm per pixel; else as the files say.")] = None,
    radius_um: Annotated[float, typer.Option(min=0.1, max=100, help="Matching radius, µm.")] = 3.0,
    rule: Annotated[str, typer.Option(help=RULES_HELP)] = "boolean",
    classes: Annotated[str, typer.Option(help="Classes to count, A,B,...; else those of REF.")] = "",
    regions: Annotated[Path | None, typer.Option(help="GeoJSON: only inside these areas.")] = None,
    ignore: Annotated[Path | None, typer.Option(help="GeoJSON: not inside these areas, nor in Ignore* of REF.")] = None,
    areas_are: Annotated[Areas | None, typer.Option("--areas-are", help=AREAS_HELP)] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything measured to this file.")] = None,
    table: Annotated[Path | None, typer.Option(help="Write the table to this file (.md, .csv).")] = None,
) -> None:
    """Compare nuclei with reference nuclei of the same slide; a CSV with y, x and class is enough."""
    check_rule(rule)
    check_table_name(table)
    for path in (json, table):
        if path is not None:
            check_writable(path.parent)
    config = ComparisonConfig(
        mpp=mpp,
        radius_um=radius_um,
        rule=rule,
        classes=tuple(name.strip() for name in classes.split(",") if name.strip()),
        regions=tuple(drawn_areas(regions)),
        ignored=() if ignore is None else tuple(read_regions(ignore, complain)),
    )
    read = partial(read_told, areas=areas_are, mpp=mpp, told=set())
    pairs = pair_files(predicted, reference, also=(SUFFIX,))
    with progress_bar() as bar:
        task = bar.add_task(reference.name, total=len(pairs), note="")
        for result in compare(pairs, config, read):
            bar.update(task, advance=1, note=f"detection F1 {result.total.detection.f1:.3f}")
    report = result.report()
    if json is not None:
        write_json(json, report)
    if table is not None:
        write_table(table, table_rows(predicted.name, report))
    output.print(score_table(report))
    if report["classes"]:
        output.print(confusion_table(report))
    say(f"{reference.name}: {report['n_images']} images, {report['rule']}, radius {radius_um:g} µm")
    for remark in result.remarks:
        say(remark)


def check_rule(rule: str) -> None:
    """Refuse a rule that does not exist before the work begins."""
    if rule not in RULES:
        raise DataError(f"There is no matching rule {rule!r}. Choose one of {', '.join(RULES)}.")
