"""The heads that a session has learned: kept in it for good, with what taught them; any of them can be used again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from nucloop.classes import ClassScheme
from nucloop.errors import NucLoopError, WeightsError
from nucloop.learning.head_files import LearnedHead
from nucloop.learning.lesson import head_in_scheme
from nucloop.models.files.cards import read_card, shipped_weights
from nucloop.nuclei import Nuclei
from nucloop.session import EditKind

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.learning.lesson import Lesson
    from nucloop.learning.relabel import Relabelling
    from nucloop.models.files.cards import Card
    from nucloop.models.heads import LinearHead
    from nucloop.session import Change, Session

__all__ = [
    "SessionHeads",
    "Version",
    "classified",
    "head_in_use",
    "head_weights",
    "share_head",
    "shipped_classes",
    "shipped_head",
    "weights_in_use",
]

_NOTE = "heads"
MOST_VERSIONS = 1000


@dataclass(frozen=True, kw_only=True)
class Version:
    """A head of a session, as its list shows it."""

    number: int
    """From 1, in the order in which they were learned or imported."""
    sha256: str
    """Of the kept bytes."""
    time: str
    """ISO 8601, UTC."""
    method: str = "linear"
    """linear, lora, full or imported."""
    encoder: str = "embedded"
    """Name of the encoder whose features it reads."""
    encoder_sha256: str = ""
    tuning_sha256: str = ""
    """Of the kept bytes of a tuned encoder; empty for an encoder as it is published."""
    taught: str = ""
    """What it was taught by, in words."""
    gain: str = ""
    """What it was estimated to gain, in words."""


class SessionHeads:
    """The heads of one session.

    Parameters
    ----------
    session : Session
        Where they are kept.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def versions(self) -> list[Version]:
        """All that were learned or imported, in order; a damaged list is empty, for the nuclei are worth more."""
        try:
            return TypeAdapter(list[Version]).validate_python(self._session.recall(_NOTE, []))
        except (ValidationError, NucLoopError):
            return []

    @property
    def next_number(self) -> int:
        """What the next one will be called."""
        return max((version.number for version in self.versions()), default=0) + 1

    def current(self) -> Version | None:
        """Return the one that was applied last and is not undone; None while the shipped head is in force."""
        edit = self._session.newest(EditKind.NEW_HEAD)
        head: Any = {} if edit is None else edit.details.get("weights", {})
        sha256 = head.get("head", {}).get("sha256", "") if isinstance(head, dict) else ""
        return next((version for version in self.versions() if version.sha256 == sha256), None)

    def keep(self, lesson: Lesson, encoder: str, encoder_card: Card, tuning: bytes | None = None) -> Version:
        """Keep a learned head, and the tuning of the encoder that it reads.

        Parameters
        ----------
        lesson : Lesson
            With the head.
        encoder : str
            The name by which the encoder is opened.
        encoder_card : Card
            Its card, tuned if it is.
        tuning : bytes, optional
            Its tuning.

        Raises
        ------
        SessionError
            If the session cannot be written to.
        """
        card = lesson.learned.card
        return self._add(
            lesson.learned,
            time=str(card.recipe.get("trained", "")),
            method=str(card.recipe.get("method", "linear")),
            encoder=encoder,
            encoder_sha256=encoder_card.sha256,
            tuning_sha256="" if tuning is None else self._session.keep_weights(tuning),
            taught=lesson.said.sentence(),
            gain=lesson.gain_sentence(),
        )

    def take_in(self, learned: LearnedHead, encoder: str, encoder_card: Card, tuning: bytes | None = None) -> Version:
        """Keep a head that came from a file; parameters as in `keep`."""
        shown = learned.card.training_data[0] if learned.card.training_data else {}
        taught = f"from a file: {learned.card.name}, trained on {shown.get('name', 'unknown data')}"
        return self._add(
            learned,
            time=str(learned.card.recipe.get("trained", "")),
            method="imported",
            encoder=encoder,
            encoder_sha256=encoder_card.sha256,
            tuning_sha256="" if tuning is None else self._session.keep_weights(tuning),
            taught=taught,
        )

    def load(self, version: Version) -> LearnedHead:
        """Return a kept head, its classes under the names that they have in the session by now.

        Raises
        ------
        WeightsError
            If it is missing or damaged.
        """
        learned = LearnedHead.from_bytes(self._bytes(version.sha256, f"version {version.number}"))
        return learned.with_classes(self._session.as_called_now)

    def tuning(self, version: Version) -> bytes | None:
        """Return the tuning of the encoder that a version reads; None for an encoder as it is published."""
        if not version.tuning_sha256:
            return None
        return self._bytes(version.tuning_sha256, f"the encoder of version {version.number}")

    def apply(self, version: Version | None, learned: LearnedHead, change: Relabelling) -> Change:
        """Give nuclei that nobody has spoken about the classes of a head, as one step for undo.

        Parameters
        ----------
        version : Version or None
            Which one; None for the shipped head.
        learned : LearnedHead
            That head.
        change : Relabelling
            What it says.
        """
        head = head_weights(version, learned)
        weights = {"head": head, "encoder": {"name": "", "sha256": learned.card.encoder_sha256}}
        number = 0 if version is None else version.number
        return self._session.relabel(
            change.ids, change.label, change.probability, weights=weights, scheme=learned.head.scheme, version=number
        )

    def _add(self, learned: LearnedHead, **about: Any) -> Version:
        versions = self.versions()
        sha256 = self._session.keep_weights(learned.to_bytes())
        known = next((version for version in versions if version.sha256 == sha256), None)
        if known is not None:
            return known
        version = Version(number=self.next_number, sha256=sha256, **about)
        self._session.remember(_NOTE, [asdict(v) for v in [*versions, version][-MOST_VERSIONS:]])
        return version

    def _bytes(self, sha256: str, what: str) -> bytes:
        data = self._session.kept_weights(sha256)
        if data is None:
            raise WeightsError(f"The session no longer has {what}. Go back to another version, or learn again.")
        return data


def head_weights(version: Version | None, learned: LearnedHead) -> dict[str, str]:
    """Return what goes along with nuclei that a head has classified; `taught` says that people taught it here."""
    if version is None:
        return learned.card.provenance
    head = {**learned.card.provenance, "sha256": version.sha256}
    return head if version.method == "imported" else {**head, "taught": "on this slide"}


def head_in_use(session: Session, encoder_sha256: str) -> LinearHead | None:
    """Return the head that was learned in a session and is in use, in the session's classes.

    None while the shipped one is, when it reads another encoder, or when the classes are others by now: then nuclei
    that are found get the classes of the model that found them, until people learn again.
    """
    heads = SessionHeads(session)
    version = heads.current()
    if version is None or version.encoder_sha256 != encoder_sha256:
        return None
    return head_in_scheme(heads.load(version).head, session.scheme)


def weights_in_use(session: Session) -> dict[str, dict[str, str]]:
    """Return what goes along with nuclei that the head in use classifies; empty while the shipped one is."""
    heads = SessionHeads(session)
    version = heads.current()
    return {} if version is None else {"head": head_weights(version, heads.load(version))}


def classified(found: Nuclei, features: NDArray[np.floating], head: LinearHead) -> Nuclei:
    """Return nuclei (N,) with the classes that a head gives their features (N, F)."""
    label, probability, _ = head.classify(features.astype(np.float32))
    return Nuclei.from_points(
        head.scheme, found.yx, label=label, score=found.score, probability=probability, outlines=found.outlines
    )


def share_head(heads: SessionHeads, version: Version, path: Path) -> str:
    """Write a version and its card to a file for others, beside it the tuning of its encoder; say what was written.

    Raises
    ------
    WeightsError
        If it is damaged, or cannot be written.
    """
    from nucloop.learning.tuning import share_tuning

    heads.load(version).share(path)
    text = f"Version {version.number} is in {path.name}, with its card {path.with_suffix('.json').name}."
    tuning = heads.tuning(version)
    if tuning is None:
        return text
    beside = path.with_name(f"{path.stem}-encoder.safetensors")
    share_tuning(beside, tuning)
    return f"{text} The tuning of the encoder, without which it means nothing, is in {beside.name}."


def shipped_classes() -> ClassScheme:
    """Return the classes of the head that ships.

    Raises
    ------
    WeightsError
        If there is none in this installation.
    """
    for path in shipped_weights().values():
        card = read_card(path)
        if card.kind == "head":
            return ClassScheme.from_dict(card.classes, source=card.name)
    raise WeightsError("This installation has lost the head that ships with it. Install NucLoop again.")


def shipped_head(encoder: Card) -> LearnedHead | None:
    """Return the head that ships for an encoder; None when none does."""
    for name, path in shipped_weights().items():
        card = read_card(path)
        if card.kind == "head" and card.encoder_sha256 == encoder.sha256:
            return LearnedHead.open(name, encoder)
    return None
