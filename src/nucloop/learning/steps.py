"""What learning does in a job's thread: load the encoder, compute what is missing, fit, compare, classify."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import DataError
from nucloop.learning.featurise import encoder_stage
from nucloop.learning.head_files import LearnedHead
from nucloop.learning.lesson import Lesson, head_in_scheme, learn
from nucloop.learning.preparing import prepare_torch
from nucloop.learning.relabel import Relabelling, relabel
from nucloop.learning.session_features import fill_features
from nucloop.learning.session_heads import SessionHeads, Version, shipped_head
from nucloop.learning.tuning import TuneConfig, Tuned, restore_encoder, tune_on_slide, tuning_device
from nucloop.models.files.cards import Card
from nucloop.models.files.zoo import open_encoder
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.detection.stage import Stage
    from nucloop.learning.session_features import SessionFeatures
    from nucloop.session import Session
    from nucloop.slides import Slide

__all__ = [
    "Applied",
    "Compared",
    "Encoders",
    "HeadPlan",
    "Imported",
    "Plan",
    "PreparedLesson",
    "apply_steps",
    "compare_steps",
    "import_steps",
    "learn_steps",
    "plan_for",
]

KEPT_ENCODERS = 3
MOST_KINDS = 4
"""Kinds of changes that a comparison names."""


class Encoders:
    """Encoders that are loaded, the last few; used by one job at a time."""

    def __init__(self) -> None:
        self._stages: dict[str, Stage] = {}

    def stage(self, name: str, tuning: bytes | None = None) -> Stage:
        """Return an encoder by its name, tuned if `tuning` is given, ready to run; takes seconds the first time.

        Raises
        ------
        WeightsError
            With what to do next.
        """
        prepare_torch()
        key = name if tuning is None else f"{name} {sha256(tuning).hexdigest()}"
        if key not in self._stages:
            net, card = open_encoder(name)
            if tuning is not None:
                net, card = restore_encoder(net, card, tuning)
            self._stages[key] = encoder_stage(net, card)
            while len(self._stages) > KEPT_ENCODERS:
                self._stages.pop(next(iter(self._stages)))
        return self._stages[key]

    def network(self, name: str, tuning: bytes | None = None) -> tuple[Any, Card]:
        """Return a fresh network and its card, to be changed."""
        prepare_torch()
        net, card = open_encoder(name)
        return (net, card) if tuning is None else restore_encoder(net, card, tuning)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that learning needs, taken from the session when it begins."""

    nuclei: Nuclei
    people: tuple[str, ...]
    before: LearnedHead | None
    """The head in use; None for the one that ships."""
    version: int
    method: str
    encoder: str
    tuning: bytes | None
    """Of the encoder to begin with."""
    epochs: int
    imported: bool
    asked: tuple[int, ...] = ()
    """Nuclei that the review asked about."""


@dataclass(frozen=True)
class PreparedLesson:
    """A lesson that can be applied."""

    lesson: Lesson
    encoder: str
    card: Card
    tuning: bytes | None
    ending: str = ""
    """When and why tuning the encoder stopped, in words."""


@dataclass(frozen=True)
class Applied:
    """What a head says of the nuclei, to be entered into the session."""

    version: Version | None
    learned: LearnedHead
    change: Relabelling

    def sentence(self) -> str:
        """Say it in words."""
        name = "The classes the program came with" if self.version is None else f"Version {self.version.number}"
        count = self.change.changed
        changed = "1 nucleus has" if count == 1 else f"{count:,} nuclei have"
        said = f"{name} is in use: {changed} another class now. What people said is as it was; Ctrl+Z takes it back."
        return said + self.change.left_out()


@dataclass(frozen=True)
class Compared:
    """How the classes now and those of a head differ."""

    name: str
    silent: int
    changed: int
    kinds: tuple[tuple[str, str, int], ...]

    def sentence(self) -> str:
        """Say it in words."""
        if not self.changed:
            return f"{self.name} gives all {self.silent:,} nuclei the classes they have now."
        kinds = ", ".join(f"{count:,} {old} → {new}" for old, new, count in self.kinds)
        return f"{self.name} would change {self.changed:,} of {self.silent:,} nuclei: {kinds}."


def learn_steps(
    plan: Plan, slide_of: Callable[[], Slide], features: SessionFeatures, encoders: Encoders
) -> Iterator[Any]:
    """Yield what goes on, and last a PreparedLesson."""
    yield "Loading the encoder …"
    stage, tuning, gain = encoders.stage(plan.encoder, plan.tuning), plan.tuning, None
    ending = ""
    with slide_of() as slide:
        if plan.method != "linear":
            net, card = encoders.network(plan.encoder, plan.tuning)
            config = TuneConfig(method=plan.method, epochs=plan.epochs)  # type: ignore[arg-type]
            yield "Tuning the encoder …"
            tuned_by = tune_on_slide(
                net, card, slide, plan.nuclei, config, imported=plan.imported, device=tuning_device()
            )
            for item in tuned_by:
                if isinstance(item, Tuned):
                    tuning, gain, ending = item.to_bytes(base=plan.tuning), item.gain, item.ending
                else:
                    yield item
            stage = encoders.stage(plan.encoder, tuning)
        yield "Computing features of nuclei …"
        store = features.store(stage.card.sha256, _width(stage))
        features.flush()
        yield from fill_features(store, plan.nuclei, slide, stage)
    yield "Fitting …"
    before = plan.before
    if before is None or before.card.encoder_sha256 != stage.card.sha256:
        before = shipped_head(stage.card)
    lesson = learn(
        plan.nuclei,
        store,
        stage.card,
        before=before,
        people=plan.people,
        version=plan.version,
        imported=plan.imported,
        asked=plan.asked,
        gain=gain,
        method=plan.method,
    )
    yield PreparedLesson(lesson, plan.encoder, stage.card, tuning, ending)


@dataclass(frozen=True)
class HeadPlan:
    """A head of the session, and the nuclei that it is to classify."""

    nuclei: Nuclei
    version: Version | None
    learned: LearnedHead | None
    """None for the head that ships."""
    tuning: bytes | None


def plan_for(session: Session, version: Version | None) -> HeadPlan:
    """Return a plan to classify all nuclei of a session by one of its heads; None is the head that ships.

    Raises
    ------
    NucLoopError
        If the head is missing or damaged.
    """
    heads = SessionHeads(session)
    if version is None:
        return HeadPlan(session.nuclei(), None, None, None)
    return HeadPlan(session.nuclei(), version, heads.load(version), heads.tuning(version))


def apply_steps(
    plan: HeadPlan, slide_of: Callable[[], Slide], features: SessionFeatures, encoders: Encoders
) -> Iterator[Any]:
    """Yield what goes on, and last an Applied."""
    learned, change = yield from _classify(plan, slide_of, features, encoders)
    yield Applied(plan.version, learned, change)


def compare_steps(
    plan: HeadPlan, slide_of: Callable[[], Slide], features: SessionFeatures, encoders: Encoders
) -> Iterator[Any]:
    """Yield what goes on, and last a Compared."""
    _, change = yield from _classify(plan, slide_of, features, encoders)
    rows = np.searchsorted(plan.nuclei.ids, change.ids)
    old, new = plan.nuclei.label[rows], change.label
    name = "The shipped head" if plan.version is None else f"Version {plan.version.number}"
    yield Compared(name, len(change), change.changed, _kinds(old, new, (*plan.nuclei.scheme.names, "no class")))


@dataclass(frozen=True)
class Imported:
    """A head from a file that fits an encoder."""

    name: str
    learned: LearnedHead
    encoder: str
    card: Card
    tuning: bytes | None


def import_steps(path: Path, encoder: str, tuning: bytes | None, encoders: Encoders) -> Iterator[Any]:
    """Yield what goes on, and last an Imported."""
    yield "Loading the encoder …"
    card = encoders.stage(encoder, tuning).card
    yield Imported(path.name, LearnedHead.open(str(path), card), encoder, card, tuning)


def _width(stage: Stage) -> int:
    """Return the length of an encoder's feature vectors."""
    net: Any = stage.net
    return int(net.features)


def _kinds(old: NDArray[np.int16], new: NDArray[np.int16], names: tuple[str, ...]) -> tuple[tuple[str, str, int], ...]:
    """Return the most frequent changes, named."""
    differ = old != new
    pairs, counts = np.unique(np.stack([old[differ], new[differ]]), axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_KINDS]
    return tuple((names[pairs[0, k]], names[pairs[1, k]], int(counts[k])) for k in order)


def _classify(
    plan: HeadPlan, slide_of: Callable[[], Slide], features: SessionFeatures, encoders: Encoders
) -> Generator[Any, None, tuple[LearnedHead, Relabelling]]:
    """Return the head in the session's classes, and what it says of the nuclei nobody has spoken about."""
    yield "Loading the encoder …"
    stage = encoders.stage("embedded" if plan.version is None else plan.version.encoder, plan.tuning)

    learned = shipped_head(stage.card) if plan.learned is None else plan.learned
    head = None if learned is None else head_in_scheme(learned.head, plan.nuclei.scheme)
    if learned is None or head is None:
        raise DataError(
            f"This head has other classes than the nuclei here ({', '.join(plan.nuclei.scheme.names)}). "
            "Choose another one, or learn anew."
        )
    if learned.card.encoder_sha256 != stage.card.sha256:
        raise DataError(
            f"This head reads another {stage.card.name} than the one that is installed now. Learn anew, with a click."
        )
    store = features.store(stage.card.sha256, _width(stage))
    features.flush()
    if len(store.missing(plan.nuclei.ids)):
        with slide_of() as slide:
            yield from fill_features(store, plan.nuclei, slide, stage)
    known, found = store.get(plan.nuclei.ids)
    return replace(learned, head=head), relabel(head, plan.nuclei, known, found)
