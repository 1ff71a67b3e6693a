"""Measure a transformer frozen with a linear head, with LoRA, and tuned whole, on hospitals that it did not see.

    python tools/transformer.py PATH/brca-m2c --encoder vit_small_patch14_dinov2=FILE [--squares 300 --epochs 4]

Each hospital of BRCA-M2C in turn is left out; pictures around squares of 32 µm of the others teach (one in five says
when to stop), and squares of the one left out measure. Class F1 is that of reference nuclei, detection aside.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from learning_experiments import squares_of, tuned_f1

from nucloop.learning.tuning import TuneConfig, Tuned, picture_side, tune
from nucloop.learning.tuning_course import Epoch
from nucloop.models.files.zoo import open_encoder
from nucloop.training.datasets import only, open_dataset

HOSPITALS = ("A7", "A8", "AC", "AR", "BH", "D8", "E2", "OL")


def main() -> None:
    """Print and keep a line for each hospital."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of brca-m2c")
    parser.add_argument("--encoder", required=True, help="as `nucloop learn` takes it")
    parser.add_argument("--hospitals", nargs="+", default=["A7", "A8", "AC"], choices=HOSPITALS)
    parser.add_argument("--squares", type=int, default=300, help="that teach")
    parser.add_argument("--measured", type=int, default=150, help="squares that measure")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--methods", nargs="+", default=["lora", "full"], choices=["lora", "full"])
    parser.add_argument("--lr", type=float, help="largest learning rate of the encoder, instead of the method's own")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("build/learning/transformer.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    net, card = open_encoder(options.encoder)
    net.to(options.device)
    sets = [open_dataset(f"brca-m2c:{options.data}", split) for split in ("train", "val")]
    fields = [field for dataset in sets for field in dataset.fields]
    side = picture_side(net, TuneConfig())
    results = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for hospital in options.hospitals:
        left_out = {field.name for field in only(fields, [hospital])}
        taught = [field for field in fields if field.name not in left_out]
        tiles = squares_of(taught, card.mpp, side, seed=0)[: options.squares]
        tests = squares_of([field for field in fields if field.name in left_out], card.mpp, side, seed=0)
        tests = tests[: options.measured]
        scheme = sets[0].scheme
        row = {"taught": sum(len(t.label) for t in tiles), "measured": sum(len(t.label) for t in tests)}
        row["linear"] = tuned_f1(net, tiles, tests, scheme)
        print(hospital, json.dumps(row), flush=True)
        for method in options.methods:
            began = time.process_time()
            config = TuneConfig(method=method, epochs=options.epochs, lr=options.lr)
            for item in tune(net, card, tiles, scheme, config, device=options.device):
                if isinstance(item, Tuned):
                    row[method] = tuned_f1(item.net.to(options.device), tiles, tests, scheme)
                elif isinstance(item, Epoch):
                    print(hospital, method, item.number, round(item.f1, 4), np.round(item.loss, 4), flush=True)
            row[f"{method} CPU s"] = round(time.process_time() - began, 1)
            results[f"{card.name} {hospital} {options.lr or ''}".strip()] = row
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(results, indent=1))
            print(hospital, json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
