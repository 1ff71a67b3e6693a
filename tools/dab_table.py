"""Measure positive and negative nuclei told by DAB against reference points: accuracy, and the index of each image.

    python tools/dab_table.py bcdata:PATH --split test --json dab.json

prints the table of docs/evaluation.md. Each image stands on its own: its stains and its threshold are found on itself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from nucloop.ki67.dab import DabConfig, dab_at, slide_stains
from nucloop.ki67.dab_threshold import choose_threshold
from nucloop.slides import slide_from_array
from nucloop.training.datasets import open_dataset


def rows_of(data: str, split: str) -> list[dict[str, float | int | str]]:
    """Measure every image of a data set whose first class is positive."""
    rows: list[dict[str, float | int | str]] = []
    for number, image in enumerate(open_dataset(data, split).fields):
        density = dab_at(
            image.pixels, image.yx, slide_stains(slide_from_array(image.pixels, mpp=image.mpp)), DabConfig().size
        )
        threshold = choose_threshold(density)
        found, truth = threshold.positive(density), image.label == 0
        rows.append(
            {
                "image": number,
                "nuclei": len(truth),
                "index": float(truth.mean()),
                "index by DAB": float(found.mean()),
                "error": float(found.mean() - truth.mean()),
                "right": int((found == truth).sum()),
                "threshold": threshold.value,
                "method": threshold.method,
            }
        )
    return rows


def print_table(rows: list[dict[str, float | int | str]]) -> dict[str, float]:
    """Print the table as Markdown, and what follows from it; return that."""
    print("| image | nuclei | index | index by DAB | error | accuracy | threshold |\n|---|---|---|---|---|---|---|")
    for row in rows:
        accuracy = float(row["right"]) / float(row["nuclei"])
        print(
            f"| {row['image']} | {row['nuclei']} | {row['index']:.3f} | {row['index by DAB']:.3f} "
            f"| {row['error']:+.3f} | {accuracy:.3f} | {row['threshold']:.2f} |"
        )
    errors = np.abs([float(row["error"]) for row in rows])
    total = {
        "nuclei": sum(int(row["nuclei"]) for row in rows),
        "accuracy": sum(int(row["right"]) for row in rows) / sum(int(row["nuclei"]) for row in rows),
        "mean_index_error": float(errors.mean()),
        "largest_index_error": float(errors.max()),
    }
    print(
        f"\n{total['nuclei']:,} nuclei, accuracy {total['accuracy']:.3f}; error of the index "
        f"{100 * total['mean_index_error']:.1f} points on average, {100 * total['largest_index_error']:.1f} at most"
    )
    return total


def main() -> None:
    """Measure, print, and write the figures when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="bcdata:PATH or deepliif:PATH")
    parser.add_argument("--split", default="test")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = rows_of(asked.data, asked.split)
    total = print_table(rows)
    if asked.json is not None:
        asked.json.write_text(json.dumps({"images": rows, "total": total}, indent=2))


if __name__ == "__main__":
    main()
