"""Measure the Ki-67 index end to end: detect, then DAB with the defaults of dock and command line, against annotators.

    python tools/ki67_end_to_end.py bcdata:PATH deepliif:PATH --json end-to-end.json
    python tools/ki67_end_to_end.py bcdata:PATH --detector FILE.safetensors --encoder FILE --head FILE --threshold 0.4

Each image is a slide of its own. It prints an image a row and, for each data set, mean absolute error, bias, limits of
agreement, how many 95% intervals hold the annotators' index, and `spread`, the standard deviation in log odds that
counting and threshold leave over: the figure that `nucloop.ki67.uncertainty.ErrorConfig` has. With `--slide` it also
measures slides without a reference, such as one field on two scanners.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import InferenceConfig, PipelineSpec
from nucloop.ki67 import Ki67Result, Ki67Settings, measure
from nucloop.ki67.class_giver import model_knows
from nucloop.ki67.dab import dab_of_slide, slide_stains
from nucloop.ki67.index import Index
from nucloop.ki67.uncertainty import ErrorConfig, counting_variance, log_odds, threshold_variance, with_errors
from nucloop.nuclei import Nuclei
from nucloop.slides import open_slide, slide_from_array
from nucloop.training.datasets import open_dataset

if TYPE_CHECKING:
    from nucloop.slides import Slide


@dataclass(frozen=True)
class Row:
    """One image, and what was found there."""

    data: str
    image: str
    found: int
    counted: int
    positive: int
    index: float
    threshold: float
    method: str
    threshold_variance: float
    stain: str
    marked: int = 0
    marked_positive: int = 0

    @property
    def counts(self) -> Index:
        """The index that was found."""
        return Index(self.image, self.positive, self.counted - self.positive)

    @property
    def reference(self) -> float:
        """The annotators' index."""
        return self.marked_positive / self.marked

    @property
    def error(self) -> float:
        """Index minus the annotators'."""
        return self.index - self.reference

    @property
    def beyond(self) -> float:
        """What the squared error in log odds has beyond counting and threshold."""
        error = log_odds(self.positive, self.counted) - log_odds(self.marked_positive, self.marked)
        return error**2 - counting_variance(self.positive, self.counted) - self.threshold_variance


def first_click(slide: Slide, pipeline: Pipeline) -> tuple[Nuclei, Ki67Result, np.ndarray, str]:
    """Detect and measure a slide as somebody does who changes nothing."""
    nuclei = Nuclei.concatenate([tile.nuclei for tile in pipeline.run(slide)], pipeline.scheme)
    stains, density = slide_stains(slide), np.full(len(nuclei), np.nan)
    for rows, values in dab_of_slide(slide, nuclei.yx, stains):
        density[rows] = values
    guess = Ki67Settings.guess(pipeline.scheme, stains.kind, believed=model_knows(pipeline.weights))
    # what looks like H&E is measured too, and its stain shown, so that an error of recognition is an error of the index
    settings = guess if guess.positive else replace(guess, by_dab=True)
    return nuclei, measure(nuclei, settings, slide.require_mpp(), None, density), density, str(stains.kind)


def row_of(data: str, image: str, slide: Slide, pipeline: Pipeline) -> Row:
    """Measure one image."""
    nuclei, result, density, stain = first_click(slide, pipeline)
    index, threshold = result.ki67.slide, result.threshold
    counted = density[result.states.label >= 0]
    return Row(
        data,
        image,
        len(nuclei),
        index.total,
        index.positive,
        float("nan") if index.value is None else index.value,
        float("nan") if threshold is None else threshold.value,
        "classes" if threshold is None else threshold.method,
        0.0 if threshold is None else threshold_variance(counted, threshold, ErrorConfig()),
        stain,
    )


def rows_of(spec: str, split: str, pipeline: Pipeline) -> list[Row]:
    """Measure a data set whose first class is positive and whose second is negative."""
    dataset = open_dataset(spec, split)
    rows = []
    for one in dataset.fields:
        row = row_of(dataset.name, one.name, slide_from_array(one.pixels, mpp=one.mpp), pipeline)
        rows.append(replace(row, marked=len(one.label), marked_positive=int((one.label == 0).sum())))
    return rows


def interval(row: Row, spread: float) -> tuple[float, float]:
    """Return the interval that allows for errors, with a spread of its own."""
    return with_errors(row.counts, row.threshold_variance, ErrorConfig(spread=spread))


def spread_of(rows: list[Row]) -> float:
    """Return the standard deviation of errors in log odds, beyond counting and threshold."""
    return float(np.sqrt(max(np.mean([row.beyond for row in rows]), 0.0)))


def figures_of(rows: list[Row]) -> dict[str, float]:
    """Sum a data set up; `covered_left_out` takes each image's spread from the other images alone."""
    errors = np.array([row.error for row in rows])
    wilson = [row.counts.wilson for row in rows]
    shipped = [interval(row, ErrorConfig().spread) for row in rows]
    others = [interval(row, spread_of([o for o in rows if o is not row])) for row in rows] if len(rows) > 1 else shipped

    def held(ends: list[tuple[float, float]]) -> int:
        return sum(low <= row.reference <= high for row, (low, high) in zip(rows, ends, strict=True))

    return {
        "images": len(rows),
        "mean_absolute_error": float(np.abs(errors).mean()),
        "bias": float(errors.mean()),
        "largest_error": float(np.abs(errors).max()),
        "limits_low": float(errors.mean() - 1.96 * errors.std(ddof=1)),
        "limits_high": float(errors.mean() + 1.96 * errors.std(ddof=1)),
        "covered_wilson": held(wilson),
        "covered": held(shipped),
        "covered_left_out": held(others),
        "width_wilson": float(np.mean([high - low for low, high in wilson])),
        "width": float(np.mean([high - low for low, high in shipped])),
        "counted_of_found": sum(row.counted for row in rows) / max(sum(row.found for row in rows), 1),
        "stain_right": sum(row.stain == "H-DAB" for row in rows),
        "spread": spread_of(rows),
    }


def print_tables(rows: list[Row], totals: dict[str, dict[str, float]], slides: list[Row]) -> None:
    """Print Markdown."""
    print("| image | marked | found | counted | index | reference | error | 95% | Wilson | threshold |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in [*rows, *slides]:
        ends = [interval(row, ErrorConfig().spread), row.counts.wilson]
        told = [f"{100 * low:.0f} to {100 * high:.0f}" for low, high in ends]
        reference = [f"{row.reference:.3f}", f"{row.error:+.3f}"] if row.marked else ["", ""]
        cells = [f"{row.data} {row.image}", row.marked or "", row.found, row.counted, f"{row.index:.3f}", *reference]
        print(f"| {' | '.join(map(str, [*cells, *told, f'{row.threshold:.2f} {row.method}']))} |")
    heads = [
        "data",
        "images",
        "mean absolute error",
        "bias",
        "limits of agreement",
        "largest",
        "95% holds",
        "by Wilson",
    ]
    heads += ["width", "of Wilson", "counted", "stain right", "spread"]
    print(f"\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name, t in totals.items():
        cells = [name, f"{t['images']}", f"{t['mean_absolute_error']:.3f}", f"{t['bias']:+.3f}"]
        cells += [f"{t['limits_low']:+.3f} to {t['limits_high']:+.3f}", f"{t['largest_error']:.3f}"]
        cells += [f"{t['covered']} ({t['covered_left_out']} left out)", f"{t['covered_wilson']}"]
        cells += [f"{t['width']:.2f}", f"{t['width_wilson']:.2f}", f"{100 * t['counted_of_found']:.0f}%"]
        print(f"| {' | '.join([*cells, str(t['stain_right']), str(round(t['spread'], 2))])} |")


def main() -> None:
    """Measure, print, and write the figures when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", help="bcdata:PATH, deepliif:PATH")
    parser.add_argument("--split", default="test")
    parser.add_argument("--slide", action="append", default=[], type=Path, help="a slide without reference")
    parser.add_argument("--detector", default=PipelineSpec.detector)
    parser.add_argument("--encoder")
    parser.add_argument("--head")
    parser.add_argument("--threshold", type=float, help="score from which a point counts; else the detector's own")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    config = InferenceConfig(threshold=asked.threshold)
    pipeline = Pipeline.open(PipelineSpec(asked.detector, asked.encoder, asked.head, asked.device, config))
    rows = [row for spec in asked.data for row in rows_of(spec, asked.split, pipeline)]
    slides = []
    for path in asked.slide:
        with open_slide(path) as slide:
            slides.append(row_of("slide", path.name, slide, pipeline))
    names = dict.fromkeys(row.data for row in rows)
    totals = {name: figures_of([row for row in rows if row.data == name]) for name in names}
    if len(totals) > 1:
        totals["together"] = figures_of(rows)
    print_tables(rows, totals, slides)
    if asked.json is not None:
        plain = [asdict(row) for row in [*rows, *slides]]
        asked.json.write_text(json.dumps({"weights": pipeline.weights, "images": plain, "total": totals}, indent=2))


if __name__ == "__main__":
    main()
