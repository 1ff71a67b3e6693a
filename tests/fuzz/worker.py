"""A process that reads changed files, one after another, and says what became of each; it may die at any of them."""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.dicom_readers import DICOM_READERS
from tests.fuzz.model_readers import MODEL_READERS
from tests.fuzz.mutations import in_bytes
from tests.fuzz.readers import READERS, Reader

from nucloop.errors import NucLoopError

__all__ = ["ALL_READERS", "MOST_SECONDS"]

ALL_READERS: dict[str, Reader] = {**READERS, **MODEL_READERS, **DICOM_READERS}
MOST_SECONDS = 10.0
MOST_BYTES = 2_000_000_000
_LIMIT = 4_000_000_000

Seeds = list[tuple[str, bytes]]


def _made_input(reader: str, seeds: Seeds, seed: int, number: int) -> tuple[str, bytes]:
    """Return name and bytes of one input: always the same for the same numbers."""
    rng = Random(f"{reader} {seed} {number}")
    name, data = rng.choice(seeds)
    try:
        return name, rng.choice(ALL_READERS[reader].ways)(data, rng)
    except Exception:  # noqa: BLE001
        # what nobody can write is no file
        return name, in_bytes(data, rng)


def _seeds_of(reader: str) -> Seeds:
    """Return names and bytes of the well-formed files of a reader."""
    with tempfile.TemporaryDirectory() as folder:
        return [(path.name, path.read_bytes()) for path in ALL_READERS[reader].make(Path(folder))]


def attempt(reader: Reader, path: Path) -> tuple[str, str]:
    """Read a file; return accepted, refused or what went wrong, and how."""
    _forget_peak()
    before, began = _memory("VmRSS"), time.process_time()
    try:
        reader.read(path)
        outcome, how = "accepted", ""
    except NucLoopError as error:
        outcome, how = "refused", str(error)
    except BaseException as error:  # noqa: BLE001
        outcome, how = type(error).__name__, traceback.format_exc()
    seconds, taken = time.process_time() - began, _memory("VmHWM") - before
    if seconds > MOST_SECONDS:
        outcome, how = "hang", f"{seconds:.0f} s. {how}"
    if taken > MOST_BYTES:
        outcome, how = "memory", f"{taken / 1e9:.1f} GB. {how}"
    return outcome, how


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def serve(orders: Any, answers: Any) -> None:
    """Do what each line of JSON asks for, and answer in lines of JSON; which input is in work stands in a file."""
    place = Path(os.environ["NUCLOOP_FUZZ_FOLDER"])
    with (place / "progress").open("r+b") as mark:
        for line in orders:
            order = json.loads(line)
            folder = place / "files"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            answer = _one(order, folder) if "file" in order else _range(order, folder, mark.fileno(), answers)
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _one(order: dict[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / order["name"]
    shutil.copy(order["file"], path)
    return dict(zip(("outcome", "how"), attempt(ALL_READERS[order["reader"]], path), strict=True))


def _range(order: dict[str, Any], folder: Path, mark: int, answers: Any) -> dict[str, Any]:
    name = order["reader"]
    seeds, counts = _seeds_of(name), Counter[str]()
    _limit()
    for number in range(order["first"], order["last"]):
        file, data = _made_input(name, seeds, order["seed"], number)
        os.pwrite(mark, number.to_bytes(8, "little") + file.encode().ljust(200, b"\0"), 0)
        path = folder / file
        path.write_bytes(data)
        outcome, how = attempt(ALL_READERS[name], path)
        counts[outcome] += 1
        if outcome not in ("accepted", "refused"):
            kept = folder.parent / f"failed-{number}"
            kept.write_bytes(data)
            failed = {"number": number, "name": file, "file": str(kept), "outcome": outcome, "how": how[-4000:]}
            answers.write(json.dumps(failed) + "\n")
            answers.flush()
        if number % 200 == 199:
            gc.collect()
    return {"done": dict(counts)}


def _limit() -> None:
    most = _memory("VmData") + _LIMIT
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    if not os.environ.get("NUCLOOP_FUZZ_LOUD"):
        os.dup2(quiet, 2)
    serve(sys.stdin, answers)
