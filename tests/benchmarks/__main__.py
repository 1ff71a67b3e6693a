"""Measure the program on this machine: `make bench`, or python -m tests.benchmarks in a screen.

Prints a table beside the bars and writes build/benchmarks.json. A missed bar is said in words and is no failure, as
machines differ; only what could not be measured at all is.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import fields
from pathlib import Path

import psutil
from rich.console import Console
from tests.benchmarks.isolation import Models, in_fresh_process, keep_to_two_cores
from tests.benchmarks.report import Measurement, machine, table, taken_by_others, write_report
from tests.benchmarks.subjects import chosen, measure

WIDTH = 120
"""Of the table where the output is no terminal, letters."""

console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    about = machine()
    keep_to_two_cores()
    models = Models(options.detector, options.encoder, options.head)
    measured: dict[str, Measurement] = {}
    shares: dict[str, float | None] = {}
    failed = False
    for subject, units in chosen(options.only).items():
        began, before = time.monotonic(), psutil.cpu_times()
        try:
            samples = in_fresh_process(measure, subject, models, options.repeat)
        except Exception as error:  # noqa: BLE001 - the other subjects can still be measured
            failed = True
            console.print(f"{subject}: not measured ({type(error).__name__}: {error})", style="red", markup=False)
            continue
        measured |= {name: Measurement.of(samples[name], unit) for name, unit in units.items()}
        taken = taken_by_others(before, psutil.cpu_times())
        said = "" if taken is None else f", {taken:.0%} of the processor went to other machines on this host"
        console.print(f"{subject}: measured in {time.monotonic() - began:.0f} s{said}", style="dim")
        shares[subject] = taken
    about["taken_by_others"] = {name: None if share is None else round(share, 3) for name, share in shares.items()}
    console.print(table(measured))
    console.print(", ".join(f"{what}: {value}" for what, value in about.items()), style="dim", markup=False)
    write_report(options.json, measured, about)
    console.print(f"Written to {options.json}")
    return int(failed)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="quantities, or whole subjects")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="how often to measure each (default 3)")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"), metavar="FILE")
    for model in fields(Models):
        parser.add_argument(f"--{model.name}", default=model.default, metavar="NAME", help="shipped name or file")
    options = parser.parse_args(arguments)
    try:
        chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
