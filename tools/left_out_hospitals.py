"""Measure networks on the hospital that they were trained without, train and val images together.

    python tools/left_out_hospitals.py PATH/brca-m2c A7=DETECTOR,ENCODER,HEAD A8=... AC=... --threshold 0.5

prints the table of docs/models.md, with the best threshold of each beside the one that was asked for. Detection runs
once: a point of a lower score never hides one of a higher, so every threshold is a cut through the same points.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.detection.pipeline import InferenceConfig, Pipeline
from nucloop.detection.spec import PipelineSpec
from nucloop.evaluation.dataset import Evaluation
from nucloop.nuclei import Nuclei
from nucloop.slides import slide_from_array
from nucloop.training.datasets import only, open_dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

LOWEST = 0.3
CUTS = tuple(np.arange(0.3, 0.76, 0.05).round(2).tolist())


def measure(data: str, hospital: str, files: Sequence[str], threshold: float) -> dict[str, Any]:
    """Score one hospital's images at every threshold."""
    detector, encoder, head = (*files, None, None)[:3]
    pipeline = Pipeline.open(PipelineSpec(str(detector), encoder, head, "cpu", InferenceConfig(threshold=LOWEST)))
    sets = [open_dataset(f"brca-m2c:{data}", split) for split in ("train", "val")]
    fields = [field for dataset in sets for field in only(dataset.fields, [hospital])]
    scores = {cut: Evaluation(sets[0]) for cut in sorted({*CUTS, threshold})}
    for field in fields:
        slide = slide_from_array(field.pixels, mpp=field.mpp, name=field.name)
        nuclei = Nuclei.concatenate([tile.nuclei for tile in pipeline.run(slide)], pipeline.scheme)
        for cut, score in scores.items():
            score.add(field, nuclei.take(np.flatnonzero(nuclei.score >= cut)), 0)
    best = max(scores, key=lambda cut: scores[cut].detection.f1)
    asked = scores[threshold]
    return {
        "hospital": hospital,
        "images": len(fields),
        "detection": asked.detection.f1,
        "best": scores[best].detection.f1,
        "best_threshold": best,
        "mean": asked.mean_f1,
        **{name: counts.f1 for name, counts in asked.classes.items()},
    }


def main() -> None:
    """Measure every hospital, print the table, and write the figures when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of brca-m2c")
    parser.add_argument("networks", nargs="+", metavar="HOSPITAL=DETECTOR,ENCODER,HEAD")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = []
    print("| left out | detection F1 | best (threshold) | mean class F1 | lymphocyte | tumour | stromal |")
    print("|---|---|---|---|---|---|---|")
    for text in asked.networks:
        hospital, _, files = text.partition("=")
        row = measure(asked.data, hospital, files.split(","), asked.threshold)
        rows.append(row)
        classes = " | ".join(f"{row.get(name, float('nan')):.3f}" for name in ("lymphocyte", "tumour", "stromal"))
        best = f"{row['best']:.3f} ({row['best_threshold']:.2f})"
        print(f"| {hospital} | {row['detection']:.3f} | {best} | {row['mean']:.3f} | {classes} |", flush=True)
    if asked.json is not None:
        asked.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
