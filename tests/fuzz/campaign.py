"""Many changed files for a reader, in a process that may hang or die; what went wrong is kept, made small."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tests.fuzz.worker import MOST_SECONDS

__all__ = ["Campaign", "Failure"]

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "fuzz"
_POLL = 0.25
_STARTING = 180.0
_MOST_KEPT = 12
_MOST_RAW = 200
_MOST_TRIES = 60


@dataclass(frozen=True)
class Failure:
    """One input that a reader did not survive."""

    reader: str
    number: int
    outcome: str
    how: str
    file: Path

    def __str__(self) -> str:
        last = self.how.strip().splitlines()[-1:] or [""]
        return f"{self.reader} {self.number}: {self.outcome}: {last[0][:200]} ({self.file})"


@dataclass
class Campaign:
    """A worker that is started anew when it dies, and what was found.

    Parameters
    ----------
    seed : int
        The same gives the same inputs.
    """

    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    _answers: queue.Queue[str | None] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        root = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="nucloop-fuzz-", dir=root)
        self._mark = Path(self._folder.name) / "progress"

    def close(self) -> None:
        """End the worker."""
        self._end()
        self._folder.cleanup()

    def run(self, reader: str, first: int, last: int) -> list[Failure]:
        """Try inputs by their numbers; return those that failed, each of a kind once or a few times."""
        found: list[Failure] = []
        at = first
        while at < last and len(found) < _MOST_KEPT:
            raw, at = self._range(reader, at, last)
            kinds = {_kind(one): one for one in raw}
            found += [self._kept(reader, one) for one in kinds.values()]
        self.failures += found
        return found

    def _range(self, reader: str, first: int, last: int) -> tuple[list[dict[str, Any]], int]:
        """Failures of a range, as far as the worker came, and where to go on."""
        self._mark.write_bytes(first.to_bytes(8, "little"))
        self._order({"reader": reader, "seed": self.seed, "first": first, "last": last})
        raw: list[dict[str, Any]] = []
        while True:
            answer, trouble = self._answer()
            if trouble:
                self.counts[trouble] += 1
                mark = self._mark.read_bytes()
                number, name = int.from_bytes(mark[:8], "little"), mark[8:].rstrip(b"\0").decode()
                if not name:
                    raise RuntimeError("The worker died before its first file; NUCLOOP_FUZZ_LOUD=1 shows why.")
                file = str(Path(self._folder.name) / "files" / name)
                died = {"number": number, "name": name, "file": file, "outcome": trouble, "how": trouble}
                return [*raw, died], number + 1
            if "done" in answer:
                self.counts.update(answer["done"])
                return raw, last
            raw.append(answer)
            if len(raw) >= _MOST_RAW:
                self._end()
                return raw, last

    def _kept(self, reader: str, raw: dict[str, Any]) -> Failure:
        name, data = raw["name"], Path(raw["file"]).read_bytes()
        if raw["outcome"] not in ("hang", "memory", "crash"):
            data = self._smaller(reader, name, data, raw["outcome"])
        KEPT.mkdir(parents=True, exist_ok=True)
        file = KEPT / f"{reader.replace(' ', '-')}-{self.seed}-{raw['number']}-{name}"
        file.write_bytes(data)
        file.with_name(file.name + ".said.txt").write_text(raw["how"], encoding="utf-8", errors="backslashreplace")
        return Failure(reader, raw["number"], raw["outcome"], raw["how"], file)

    def _smaller(self, reader: str, name: str, data: bytes, outcome: str) -> bytes:
        """Cut out what the same fault does without."""
        piece, tries = len(data) // 2, 0
        while piece >= 1 and tries < _MOST_TRIES:
            at = 0
            while at < len(data) and tries < _MOST_TRIES:
                tries += 1
                less = data[:at] + data[at + piece :]
                if self.one(reader, name, less) == outcome:
                    data = less
                else:
                    at += piece
            piece //= 2
        return data

    def one(self, reader: str, name: str, data: bytes) -> str:
        """Return what becomes of one file."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            self._order({"reader": reader, "name": name, "file": file.name})
            answer, trouble = self._answer()
        return trouble or str(answer["outcome"])

    def _order(self, order: dict[str, Any]) -> None:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _start(self) -> None:
        env = {**os.environ, "NUCLOOP_FUZZ_FOLDER": self._folder.name, "OMP_NUM_THREADS": "1"}
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        # no network, whatever a file asks for
        env |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
        command = [sys.executable, "-m", "tests.fuzz.worker"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
        )
        self._answers = queue.Queue()
        self._listener = threading.Thread(target=_listen, args=(self._process, self._answers), daemon=True)
        self._listener.start()

    def _answer(self) -> tuple[dict[str, Any], str]:
        """Wait for a line of the worker; an empty one and why, when it hangs or dies."""
        assert self._process is not None
        process, seen, since, began = psutil.Process(self._process.pid), b"", None, time.monotonic()
        while True:
            try:
                line = self._answers.get(timeout=_POLL)
            except queue.Empty:
                line = ""
            if line is None:
                self._end()
                return {}, "crash"
            if line:
                return json.loads(line), ""
            mark = self._mark.read_bytes()
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            spent = times.user + times.system
            if mark != seen or since is None:
                seen, since, began = mark, spent, time.monotonic()
            # the first input waits for libraries to be loaded
            if spent - since > 3 * MOST_SECONDS or time.monotonic() - began > _STARTING:
                self._end()
                return {}, "hang"

    def _end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()
            self._listener.join()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


def _kind(raw: dict[str, Any]) -> tuple[str, ...]:
    """What went wrong and where: the places in the program's own modules."""
    places = [line.strip() for line in raw["how"].splitlines() if "/nucloop/" in line]
    return raw["outcome"], *places[-2:]


def _listen(process: subprocess.Popen[str], answers: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        answers.put(line)
    answers.put(None)
