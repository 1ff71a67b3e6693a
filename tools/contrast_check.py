"""What asking nuclei for contrast leaves out: points on a slide that were labelled by eye, and reference nuclei.

    python tools/contrast_check.py PATH/CMU-1-Small-Region.svs brca-m2c:PATH:val bcdata:PATH:test ... --sheet left.png

prints the tables of docs/models.md for the detector that ships, or for another one. A label counts for the nearest
point within 3 µm. Points that are left out and have no label are counted apart: look at them in the sheet, for another
detector finds others.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from nucloop.detection.contrast import contrast_at
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import CONTRAST, InferenceConfig, PipelineSpec
from nucloop.evaluation.dataset import Evaluation
from nucloop.nuclei import Nuclei
from nucloop.slides import open_slide, slide_from_array
from nucloop.training.datasets import open_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.slides import Slide

LABELS = Path(__file__).parents[1] / "tests" / "cases" / "cmu-1-points.csv"
LABEL_UM = 3.0
CROP_UM, COLUMNS, ENLARGED = 24.0, 10, 3


def found_on(pipeline: Pipeline, slide: Slide) -> tuple[Nuclei, NDArray[np.float32]]:
    """Return all that a pipeline finds, and the contrast of each nucleus."""
    nuclei = Nuclei.concatenate([tile.nuclei for tile in pipeline.run(slide)], pipeline.scheme)
    mpp = pipeline.networks["detector"][1]
    step = slide.working_step(mpp)
    pixels = slide.read_working(0, 0, *slide.working_shape(mpp), mpp)
    return nuclei, contrast_at(pixels, (nuclei.yx.astype(float) + 0.5) / step - 0.5, mpp)


def check_labels(pipeline: Pipeline, slide: Slide, least: float) -> NDArray[np.float32]:
    """Print what is left out by label; return the points without a label that are."""
    nuclei, contrast = found_on(pipeline, slide)
    with LABELS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.array([row["label"] for row in rows])
    places = np.array([[float(row["y"]), float(row["x"])] for row in rows])
    distance, nearest = cKDTree(places).query(nuclei.yx)
    label = np.where(distance * slide.require_mpp() <= LABEL_UM, labels[nearest], "none")
    pale = contrast < least
    print(f"{slide.name}: {len(nuclei):,} points, {pale.sum()} left out")
    print("| label | labelled | found | left out | contrast |\n|---|---|---|---|---|")
    for name in (*dict.fromkeys(sorted(labels)), "none"):
        mine = label == name
        ends = f"{contrast[mine].min():.3f} to {contrast[mine].max():.3f}" if mine.any() else ""
        print(f"| {name} | {(labels == name).sum()} | {mine.sum()} | {(mine & pale).sum()} | {ends} |")
    return nuclei.yx[pale & (label == "none")]


def check_dataset(pipeline: Pipeline, data: str, least: float) -> None:
    """Print how reference nuclei fare: found and lost, F1 and recall before and after."""
    spec, _, split = data.rpartition(":")
    dataset = open_dataset(spec, split)
    before, after = Evaluation(dataset), Evaluation(dataset)
    out, faintest = 0, np.inf
    for image in dataset.fields:
        slide = slide_from_array(image.pixels, mpp=image.mpp, name=image.name)
        nuclei, contrast = found_on(pipeline, slide)
        before.add(image, nuclei, 0)
        after.add(image, nuclei.take(contrast >= least), 0)
        out += int((contrast < least).sum())
        if len(image.yx) and len(nuclei):
            near = cKDTree(image.yx).query(nuclei.yx)[0] * image.mpp <= before.radius_um
            faintest = min(faintest, contrast[near].min(initial=np.inf))
    was, now = before.detection, after.detection
    lost = was.tp - now.tp
    print(
        f"| {dataset.name} {split} | {was.tp:,} | {lost} | {out} | {faintest:.3f} | "
        f"{was.f1:.4f} → {now.f1:.4f} | {was.recall:.4f} → {now.recall:.4f} |",
        flush=True,
    )


def write_sheet(path: Path, slide: Slide, points: NDArray[np.float32]) -> None:
    """Write crops around points as one picture."""
    side = round(CROP_UM / slide.require_mpp())
    pixels = slide.read_region(slide.box)
    pixels = np.pad(pixels, ((side, side), (side, side), (0, 0)), constant_values=128)
    edge = side * ENLARGED + 4
    sheet = Image.new("RGB", (COLUMNS * edge, max(-(-len(points) // COLUMNS), 1) * edge))
    for k, (y, x) in enumerate(np.rint(points + side / 2).astype(int)):
        crop = Image.fromarray(pixels[y : y + side, x : x + side]).resize((side * ENLARGED,) * 2)
        sheet.paste(crop, (k % COLUMNS * edge, k // COLUMNS * edge))
    sheet.save(path)


def main() -> None:
    """Check the labelled slide and the data sets that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path, help="CMU-1-Small-Region.svs")
    parser.add_argument("data", nargs="*", metavar="NAME:PATH:SPLIT")
    parser.add_argument("--detector", default=PipelineSpec().detector)
    parser.add_argument("--contrast", type=float, default=CONTRAST)
    parser.add_argument("--sheet", type=Path, help="crops of what is left out and has no label")
    asked = parser.parse_args()
    config = InferenceConfig(contrast=0, rotations=1)
    pipeline = Pipeline.open(PipelineSpec(asked.detector, device="cpu", config=config))
    with open_slide(asked.slide) as slide:
        points = check_labels(pipeline, slide, asked.contrast)
        if asked.sheet is not None:
            write_sheet(asked.sheet, slide, points)
    if asked.data:
        print("\n| data | nuclei found | lost | points left out | faintest nucleus | F1 | recall |")
        print("|---|---|---|---|---|---|---|")
    for data in asked.data:
        check_dataset(pipeline, data, asked.contrast)


if __name__ == "__main__":
    main()
