"""What a run's loss did, step by step: a CSV file, and a log that TensorBoard shows.

TensorBoard's file is a sequence of records, each a protocol buffer between its length and checksums. The few fields
that a curve needs are written here, so that training asks for no package.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from nucloop.errors import NucLoopError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO, TextIO

    from nucloop.training.loop import TrainingProgress

__all__ = ["CurveWriter", "masked_checksum"]

CASTAGNOLI = 0x82F63B78
"""Polynomial of the checksum, its bits in reverse."""
MASK = 0xA282EAD8
"""Added to a checksum that is stored beside what it is of."""
EVERY = 10
"""Steps from one line to the next; a person sees no more, and a GPU says no more."""


class CurveWriter:
    """Writes a run's curve as it goes on; a run that goes on adds to what is there.

    Parameters
    ----------
    out : Path
        The weights to come: the curve is ``NAME.curve.csv`` beside them.
    tensorboard : Path, optional
        A folder for TensorBoard; the run is a folder in it, by the name of `out`.
    goes_on : bool
        Whether a run is resumed.
    """

    def __init__(self, out: Path, tensorboard: Path | None = None, *, goes_on: bool = False) -> None:
        self._out, self._folder, self._goes_on = out, tensorboard, goes_on
        self._csv: TextIO | None = None
        self._events: BinaryIO | None = None

    def __enter__(self) -> CurveWriter:
        path = self._out.with_suffix(".curve.csv")
        try:
            added = self._goes_on and path.exists()
            self._csv = path.open("a" if added else "w", encoding="utf-8", buffering=1)
            if not added:
                self._csv.write("step,steps,loss,time\n")
            if self._folder is not None:
                run = self._folder / self._out.stem
                run.mkdir(parents=True, exist_ok=True)
                if not self._goes_on:
                    for old in run.glob("events.out.tfevents.*"):
                        old.unlink()
                now = time.time()
                self._events = (run / f"events.out.tfevents.{now:.0f}.nucloop").open("wb")
                self._events.write(record(_double(1, now) + _bytes(3, b"brain.Event:2")))
        except OSError as error:
            self.__exit__(None, None, None)
            raise NucLoopError(
                f"Cannot write the training curve: {error}. Choose another folder for the weights or for --tensorboard."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._csv, self._events):
            if file is not None:
                file.close()

    def add(self, progress: TrainingProgress) -> None:
        """Note a step, if it is one of those that are noted."""
        assert self._csv is not None
        if progress.step % EVERY and progress.step not in (1, progress.steps):
            return
        now = time.time()
        self._csv.write(f"{progress.step},{progress.steps},{progress.loss:.6g},{now:.1f}\n")
        if self._events is not None:
            value = _bytes(1, b"loss") + _key(2, 5) + struct.pack("<f", progress.loss)
            event = _double(1, now) + _key(2, 0) + _varint(progress.step) + _bytes(5, _bytes(1, value))
            self._events.write(record(event))
            self._events.flush()


def record(data: bytes) -> bytes:
    """Wrap a message as the log holds it: length, its checksum, the message, its checksum."""
    length = struct.pack("<Q", len(data))
    checks = (struct.pack("<I", masked_checksum(part)) for part in (length, data))
    return length + next(checks) + data + next(checks)


def masked_checksum(data: bytes) -> int:
    """Cyclic redundancy checksum (Castagnoli's), turned and shifted as TensorFlow stores it."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (CASTAGNOLI if value & 1 else 0)
    value ^= 0xFFFFFFFF
    return (((value >> 15) | (value << 17)) + MASK) & 0xFFFFFFFF


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _double(number: int, value: float) -> bytes:
    return _key(number, 1) + struct.pack("<d", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _key(number, 2) + _varint(len(value)) + value
