from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.errors import WeightsError
from nucloop.learning.fit import FitConfig, fit_head
from nucloop.learning.gain.estimate import estimate
from nucloop.learning.head_files import LearnedHead, describe
from nucloop.learning.replay import choose_replay
from nucloop.models.files.cards import Card, file_sha256, load_head
from nucloop.models.heads import LinearHead

EVEN = [0, 1, 2] * 20
ENCODER = Card(kind="encoder", name="tiny", architecture="test", mpp=0.5, sha256="ab" * 32)


@pytest.fixture
def learned(scheme, shown) -> LearnedHead:
    examples, config = shown(EVEN, corrected=True), FitConfig()
    replay = choose_replay(scheme, shown([0, 1, 2, 3] * 10, seed=1), 5)
    card = describe(
        "second try",
        scheme,
        examples,
        ENCODER,
        version=2,
        when=datetime(2024, 5, 17, 9, 30, tzinfo=UTC),
        config=config,
        parent="brca-m2c",
        author="A. Reader",
        replay=replay,
        gain=estimate(scheme, examples, np.arange(60) // 6),
    )
    return LearnedHead(fit_head(scheme, examples, config=config), card, replay, examples.ids)


def same(a: LearnedHead, b: LearnedHead) -> bool:
    np.testing.assert_array_equal(a.head.weight, b.head.weight)
    np.testing.assert_array_equal(a.head.bias, b.head.bias)
    np.testing.assert_array_equal(a.replay.features, b.replay.features)
    np.testing.assert_array_equal(a.replay.label, b.replay.label)
    return a.head.scheme == b.head.scheme and a.head.keep == b.head.keep


def test_a_card_says_what_a_head_was_taught_by(learned, scheme):
    card = learned.card
    (data,) = card.training_data
    assert data["examples"] == {**dict.fromkeys(scheme.names, 20), "background": 0}
    assert (data["corrected"], data["replay"]) == (60, 20)
    assert {k: card.recipe[k] for k in ("version", "author", "parent", "trained")} == {
        "version": 2,
        "author": "A. Reader",
        "parent": "brca-m2c",
        "trained": "2024-05-17T09:30:00+00:00",
    }
    assert card.metrics["estimate"].startswith("F1 ")
    assert set(card.metrics["F1 before"].values()) == {None}
    assert (card.encoder_sha256, card.mpp, card.kind) == (ENCODER.sha256, 0.5, "head")


def test_a_session_keeps_a_head_with_all_that_is_known_of_it(learned):
    again = LearnedHead.from_bytes(learned.to_bytes())
    assert same(again, learned)
    np.testing.assert_array_equal(again.taught_by, np.arange(1, 61))
    assert again.card.recipe == learned.card.recipe
    assert again.prior is None


def test_a_session_keeps_the_head_that_a_head_began_with_and_a_shared_file_does_not(learned, tmp_path):
    one = ClassScheme("mine", (NucleusClass("tumour", "#ff0000"),))
    prior = LinearHead(one, np.ones((2, 8), np.float32), np.zeros(2, np.float32))
    learned = replace(learned, prior=prior)

    again = LearnedHead.from_bytes(learned.to_bytes())
    learned.share(tmp_path / "h.safetensors")

    assert again.trusted.scheme == one
    np.testing.assert_array_equal(again.trusted.weight, prior.weight)
    assert not [key for key in load_file(tmp_path / "h.safetensors") if key.startswith("prior")]


def test_a_shared_head_is_a_file_that_anybody_can_load(learned, tmp_path):
    path = tmp_path / "mine.safetensors"
    written = learned.share(path)

    again = LearnedHead.open(str(path), ENCODER)

    assert same(again, learned)
    assert again.card == written
    assert written.sha256 == file_sha256(path)
    # ids mean nothing outside their session
    assert len(again.taught_by) == 0
    assert "taught_by" not in load_file(path)
    np.testing.assert_array_equal(load_head(str(path))[0].weight, learned.head.weight)


def test_a_head_without_replay_can_be_shared_too(learned, tmp_path):
    replace(learned, replay=None).share(tmp_path / "h.safetensors")
    assert LearnedHead.open(str(tmp_path / "h.safetensors")).replay is None


def test_shipped_heads_open_like_shared_ones():
    assert LearnedHead.open("brca-m2c").head.scheme.name == "brca-m2c"


def test_a_head_of_another_encoder_is_refused(learned, tmp_path):
    learned.share(tmp_path / "h.safetensors")
    with pytest.raises(WeightsError, match="another encoder than other"):
        LearnedHead.open(str(tmp_path / "h.safetensors"), replace(ENCODER, name="other", sha256="cd" * 32))


@pytest.mark.parametrize("label", [[9] * 20, [0] * 19])
def test_a_damaged_replay_set_is_a_sentence(learned, tmp_path, label):
    path = tmp_path / "h.safetensors"
    card = learned.share(path)
    save_file({**load_file(path), "replay_label": np.array(label, np.int16)}, path)
    text = path.with_suffix(".json").read_text().replace(card.sha256, file_sha256(path))
    path.with_suffix(".json").write_text(text)
    with pytest.raises(WeightsError, match=r"The replay set of second try is damaged .* Copy the file again"):
        LearnedHead.open(str(path))


@pytest.mark.parametrize(
    "damage", [lambda b: b[:40], lambda b: b[:-7], lambda b: b.replace(b"second try", b'second"try')]
)
def test_a_damaged_head_in_a_session_is_a_sentence(learned, damage):
    with pytest.raises(WeightsError, match=r"A head in this session is damaged .* Go back to another"):
        LearnedHead.from_bytes(damage(learned.to_bytes()))
