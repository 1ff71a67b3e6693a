"""Heads that were learned: what each was taught by, kept in the session or shared as a file with its card."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from nucloop.classes import ClassScheme
from nucloop.configuration import first_fault
from nucloop.errors import WeightsError
from nucloop.learning.replay import Replay
from nucloop.models.files.cards import Card, load_head_with_extra, save_head
from nucloop.models.heads import LinearHead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from nucloop.learning.examples import Examples
    from nucloop.learning.fit import FitConfig
    from nucloop.learning.gain.estimate import Estimate

__all__ = ["LearnedHead", "describe"]


@dataclass(frozen=True)
class LearnedHead:
    """A head with all that is known of it.

    Parameters
    ----------
    head : LinearHead
        The head.
    card : Card
        Which encoder it reads, what it was taught by and how, as `describe` writes it.
    replay : Replay, optional
        What to remind its successor of.
    taught_by : (N,) int64
        Ids of the nuclei it was fitted to: it must not be measured on these. They mean something in their own session
        only, so a shared file does not have them.
    prior : LinearHead, optional
        The head that the fit trusted; None where it began from nothing. As `taught_by`, it stays in the session.
    """

    head: LinearHead
    card: Card
    replay: Replay | None = None
    taught_by: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    prior: LinearHead | None = None

    @property
    def trusted(self) -> LinearHead | None:
        """The head that a fit to answers of the same session is to trust.

        Of one that was taught there, its own prior: those answers come again, and must not count twice.
        """
        again = len(self.taught_by) > 0
        # heads from before priors were kept have a replay set and no prior
        return self.prior if again and (self.prior is not None or self.replay is None) else self.head

    def with_classes(self, called: Callable[[ClassScheme], ClassScheme]) -> LearnedHead:
        """Return the same with its classes under other names."""
        if called(self.head.scheme) == self.head.scheme:
            return self
        replay, prior = self.replay, self.prior
        return replace(
            self,
            head=replace(self.head, scheme=called(self.head.scheme)),
            replay=None if replay is None else replace(replay, scheme=called(replay.scheme)),
            prior=None if prior is None else replace(prior, scheme=called(prior.scheme)),
        )

    def to_bytes(self) -> bytes:
        """Everything, for the session to keep."""
        card = replace(self.card, classes=self.head.scheme.to_dict(), config={"keep": self.head.keep})
        text = json.dumps(asdict(card), ensure_ascii=False).encode()
        tensors: dict[str, NDArray[Any]] = {"weight": self.head.weight, "bias": self.head.bias}
        tensors |= {"card": np.frombuffer(text, np.uint8), "taught_by": self.taught_by, **self._replay_tensors()}
        if self.prior is not None:
            scheme = json.dumps(self.prior.scheme.to_dict(), ensure_ascii=False).encode()
            tensors |= {"prior_weight": self.prior.weight, "prior_bias": self.prior.bias}
            tensors |= {"prior_classes": np.frombuffer(scheme, np.uint8)}
        data: bytes = save({key: np.ascontiguousarray(value) for key, value in tensors.items()})
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> LearnedHead:
        """Inverse of `to_bytes`.

        Raises
        ------
        WeightsError
            If the bytes are damaged.
        """
        try:
            tensors = load(data)
            card = TypeAdapter(Card).validate_json(tensors["card"].tobytes())
            scheme = ClassScheme.from_dict(card.classes, source=card.name)
            head = LinearHead(scheme, tensors["weight"], tensors["bias"], float(card.config["keep"]))
            taught_by = tensors["taught_by"].astype(np.int64)
            prior = _prior(tensors, head, card.name)
        except (SafetensorError, KeyError, ValueError, TypeError) as error:
            reason = first_fault(error) if isinstance(error, ValidationError) else error
            raise WeightsError(f"A head in this session is damaged ({reason}). Go back to another one.") from error
        return cls(head, card, Replay.from_tensors(tensors, scheme, card.name), taught_by, prior)

    def share(self, path: Path) -> Card:
        """Write a file for others, and its card beside it; return the card with the file's sha256.

        Raises
        ------
        WeightsError
            If it cannot be written.
        """
        return save_head(path, self.head, self.card, self._replay_tensors())

    @classmethod
    def open(cls, name: str, encoder: Card | None = None) -> LearnedHead:
        """Load a shipped head by name or a shared one by path; with `encoder` given, refuse one of another encoder.

        Raises
        ------
        WeightsError
            If it is missing, damaged, no head, or of another encoder.
        """
        head, card, tensors = load_head_with_extra(name, encoder)
        replay = Replay.from_tensors(tensors, head.scheme, card.name)
        if replay is not None and replay.features.shape[1] != head.features:
            raise WeightsError(f"The replay set of {card.name} is of another encoder. Copy the file again.")
        return cls(head, card, replay)

    def _replay_tensors(self) -> dict[str, NDArray[Any]]:
        return {} if self.replay is None else self.replay.tensors()


def _prior(tensors: Mapping[str, NDArray[Any]], head: LinearHead, name: str) -> LinearHead | None:
    if "prior_weight" in tensors:
        scheme = ClassScheme.from_dict(json.loads(tensors["prior_classes"].tobytes()), source=name)
        return LinearHead(scheme, tensors["prior_weight"], tensors["prior_bias"], head.keep)
    return None


def describe(
    name: str,
    scheme: ClassScheme,
    examples: Examples,
    encoder: Card,
    *,
    version: int,
    when: datetime,
    config: FitConfig,
    parent: str = "",
    author: str = "",
    replay: Replay | None = None,
    gain: Estimate | None = None,
) -> Card:
    """Say on a card what a head was taught by.

    Parameters
    ----------
    name : str
        What people call it.
    encoder : Card
        Of the encoder whose features it reads.
    version : int
        Its number in the session, from 1.
    parent : str
        Name of the head it started from.
    gain : Estimate, optional
        What it was estimated to gain.
    """
    counts = examples.counts(len(scheme))
    shown = dict(zip([*scheme.names, "background"], counts.tolist(), strict=True))
    data: dict[str, Any] = {"name": "corrections", "licence": "the author's", "examples": shown}
    data |= {"corrected": int(examples.corrected.sum()), "replay": 0 if replay is None else len(replay)}
    recipe: dict[str, Any] = {"method": "linear", "version": version, "trained": when.isoformat(timespec="seconds")}
    recipe |= {"author": author, "parent": parent, "fit": asdict(config)}
    return Card(
        kind="head",
        name=name,
        architecture="linear head over classes and background",
        mpp=encoder.mpp,
        classes=scheme.to_dict(),
        encoder_sha256=encoder.sha256,
        training_data=[data],
        recipe=recipe,
        metrics={} if gain is None else _metrics(gain),
    )


def _metrics(gain: Estimate) -> dict[str, Any]:
    def rounded(values: NDArray[np.float64]) -> dict[str, float | None]:
        numbers = [None if np.isnan(v) else round(float(v), 4) for v in values]
        return dict(zip(gain.classes, numbers, strict=True))

    return {"estimate": gain.sentence(), "F1 before": rounded(gain.before), "F1 after": rounded(gain.after)}
