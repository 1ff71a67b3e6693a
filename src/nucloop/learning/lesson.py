"""One lesson: what people said of a session's nuclei, a head fitted to it, its gain, and what it would change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from nucloop.errors import DataError
from nucloop.learning.answers import MISTAKES_ONLY, Answers, listed_names, require_enough, what_was_said
from nucloop.learning.examples import Examples, gather, is_taught
from nucloop.learning.fit import NEVER, FitConfig, fit_head
from nucloop.learning.folds import group_by_cell
from nucloop.learning.gain.estimate import Estimate, estimate
from nucloop.learning.gain.on_slide import OnSlide
from nucloop.learning.gain.slide_gain import slide_gain
from nucloop.learning.head_files import LearnedHead, describe
from nucloop.learning.relabel import Relabelling, relabel
from nucloop.learning.replay import shared_classes
from nucloop.models.heads import LinearHead

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.learning.feature_store import FeatureStore
    from nucloop.models.files.cards import Card
    from nucloop.nuclei import Nuclei

__all__ = ["Lesson", "fit_lesson", "head_in_scheme", "learn", "taught_examples"]


@dataclass(frozen=True)
class Lesson:
    """A head that was learned and is not applied yet.

    Parameters
    ----------
    learned : LearnedHead
        The new head with its card.
    said : Answers
        What it was taught by.
    gain : Estimate or None
        Class F1 before and after on held-out corrections.
    why_no_gain : str
        Why nothing can be estimated, when `gain` is None.
    change : Relabelling
        What it says of the nuclei that nobody has spoken about.
    slide : OnSlide or None
        Class F1 before and after on the whole slide, the answers weighed by how they were chosen; None where nothing
        was held out or the encoder was tuned to the answers.
    """

    learned: LearnedHead
    said: Answers
    gain: Estimate | None
    why_no_gain: str
    change: Relabelling
    slide: OnSlide | None = None

    def sentence(self) -> str:
        """Say in one line what was learned and what it would change."""
        gain = self.gain_sentence() if self.gain is not None else self.why_no_gain
        gain += f". {MISTAKES_ONLY}" if self.said.mistakes_only else ""
        return f"{self.said.sentence()}; {self.change.changed:,} nuclei would change class; {gain}"

    def gain_sentence(self) -> str:
        """Say what it gains on the slide, or where nobody knows that, on the answers."""
        known = self.gain if self.slide is None else self.slide
        return "" if known is None else known.sentence()


def learn(
    nuclei: Nuclei,
    store: FeatureStore,
    encoder: Card,
    *,
    before: LearnedHead | None = None,
    people: tuple[str, ...] = (),
    version: int = 1,
    imported: bool = False,
    asked: Collection[int] = (),
    gain: Estimate | None = None,
    method: str = "linear",
    config: FitConfig | None = None,
) -> Lesson:
    """Fit a head to what people said of nuclei, estimate its gain, and classify the others.

    Parameters
    ----------
    nuclei : Nuclei
        All of a session.
    store : FeatureStore
        Their features; nuclei without are left aside.
    encoder : Card
        Whose features these are.
    before : LearnedHead, optional
        The head in use. What it was before it learned from this session is what the fit trusts, when it reads the same
        encoder.
    people : tuple of str
        Who said it.
    version : int
        Number of the new head in its session.
    imported : bool
        Learn from imported classes too.
    asked : collection of int
        Ids that the program asked about: these were not chosen for their mistakes.
    gain : Estimate, optional
        Measured elsewhere, such as while the encoder was tuned.
    method : str
        How the encoder came about: linear, lora or full.

    Raises
    ------
    DataError
        With what to do, when there is too little to learn from.
    """
    seen = ~np.isin(nuclei.ids, store.missing(nuclei.ids))
    said = what_was_said(nuclei.take(seen), people, imported=imported)
    require_enough(said, nuclei.scheme)
    examples, places = taught_examples(nuclei, store, imported=imported)
    learned, measured, why = fit_lesson(
        nuclei.scheme,
        examples,
        group_by_cell(places, None),
        encoder,
        before=before,
        people=people,
        version=version,
        gain=gain,
        method=method,
        config=config,
    )
    features, found = store.get(nuclei.ids)
    change = relabel(learned.head, nuclei, features, found)
    old = _before(before, encoder, nuclei.scheme)
    slide = slide_gain(nuclei.take(found), features, examples, measured, old, learned.head, asked)
    return Lesson(learned, said, measured, why, change, slide)


def fit_lesson(
    scheme: ClassScheme,
    examples: Examples,
    groups: NDArray[np.int64],
    encoder: Card,
    *,
    before: LearnedHead | None = None,
    people: tuple[str, ...] = (),
    version: int = 1,
    gain: Estimate | None = None,
    method: str = "linear",
    config: FitConfig | None = None,
) -> tuple[LearnedHead, Estimate | None, str]:
    """Fit a head to examples and estimate its gain; parameters as in `learn`.

    Parameters
    ----------
    groups : (N,) array
        Places of the examples: one is never divided between fitting and measuring.

    Returns
    -------
    LearnedHead, Estimate or None, str
        The head with its card, its gain, and why that is not known when it is None.
    """
    config = config or FitConfig()
    if before is not None and before.card.encoder_sha256 != encoder.sha256:
        before = None
    replay = None if before is None else before.replay
    prior = None if before is None else before.trusted
    head = fit_head(scheme, examples, replay=replay, prior=prior, config=config)
    why = ""
    if gain is None:
        gain, why = _gain(scheme, examples, groups, before, config)
    card = describe(
        f"version {version}",
        scheme,
        examples,
        encoder,
        version=version,
        when=datetime.now(UTC),
        config=config,
        parent="" if before is None else before.card.name,
        author=listed_names(people) if people else "",
        replay=replay,
        gain=gain,
    )
    card = replace(card, recipe={**card.recipe, "method": method})
    return LearnedHead(head, card, replay, examples.ids[examples.ids > 0], prior), gain, why


def _before(before: LearnedHead | None, encoder: Card, scheme: ClassScheme) -> LinearHead | None:
    """Return the head in use in a scheme; None where it reads another encoder or has other classes."""
    if before is None or before.card.encoder_sha256 != encoder.sha256:
        return None
    return head_in_scheme(before.head, scheme)


def taught_examples(
    nuclei: Nuclei, store: FeatureStore, *, imported: bool = False
) -> tuple[Examples, NDArray[np.float32]]:
    """Return what people said of those nuclei that have features, and where these are, (N, 2) in level-0 pixels."""
    taught = nuclei.take(is_taught(nuclei, imported=imported))
    features, found = store.get(taught.ids)
    taught = taught.take(found)
    return gather(taught, features, imported=imported), taught.yx


def _gain(
    scheme: ClassScheme,
    examples: Examples,
    groups: NDArray[np.int64],
    before: LearnedHead | None,
    config: FitConfig,
) -> tuple[Estimate | None, str]:
    old = None if before is None else head_in_scheme(before.head, scheme)
    seen = None if before is None else np.isin(examples.ids, before.taught_by)
    prior = None if before is None else before.trusted
    replay = None if before is None else before.replay
    try:
        gain = estimate(scheme, examples, groups, before=old, seen=seen, replay=replay, prior=prior, config=config)
    except DataError as error:
        return None, str(error)
    return gain, ""


def head_in_scheme(head: LinearHead, scheme: ClassScheme) -> LinearHead | None:
    """Return a head's answers in another scheme, for the classes that are the same; None when these are too few."""
    if head.scheme.names == scheme.names:
        return head
    shared = shared_classes(head.scheme, scheme)
    if shared is None:
        return None
    weight = np.zeros((len(scheme) + 1, head.features), np.float32)
    bias = np.full(len(scheme) + 1, NEVER, np.float32)
    for old, new in [*shared.pairs, (len(head.scheme), len(scheme))]:
        weight[new], bias[new] = head.weight[old], head.bias[old]
    return LinearHead(scheme, weight, bias, head.keep)
