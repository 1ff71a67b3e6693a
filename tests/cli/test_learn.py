"""``nucloop learn`` and ``nucloop train head`` as a person types them, on small random weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.toy_outlines import disc_places, discs, small_network

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.learning.examples import is_taught
from nucloop.learning.head_files import LearnedHead
from nucloop.learning.session_heads import SessionHeads
from nucloop.models.files.cards import load_encoder
from nucloop.nuclei import Nuclei, Origin
from nucloop.session import EditKind, Session
from nucloop.session.outlining import draw_outline
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

SCHEME = ClassScheme.named("brca-m2c")


@pytest.fixture
def session(slide: Path) -> Path:
    """A session of the slide in which a person has spoken about every second nucleus."""
    places = np.stack(np.meshgrid(np.arange(8, 152, 12), np.arange(8, 200, 12)), -1).reshape(-1, 2)
    with open_slide(slide, mpp=0.5) as picture, Session.for_slide(picture, SCHEME, author="Ann") as session:
        run = session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 1.0)
        ids = run.add(Nuclei.from_points(SCHEME, places, label=0, score=0.9))
        session.set_class(ids[::4], 1, force=True)
        session.confirm(ids[2::4])
        return session.path


def test_a_head_is_learned_from_a_session_and_says_what_taught_it(nucloop, session, weights, tmp_path):
    out, encoder = tmp_path / "mine.safetensors", weights / "encoder.safetensors"
    before = session.read_bytes()
    run = nucloop("learn", session, "--out", out, "--encoder", encoder, "--mpp", 0.5)

    assert run.code == 0, run.err
    assert "Trained on 48 corrected and 48 confirmed by Ann; F1" in run.out
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["recipe"]["author"] == "Ann"
    assert card["recipe"]["method"] == "linear"
    assert card["training_data"][0]["examples"]["tumour"] == 48
    LearnedHead.open(str(out), load_encoder(str(encoder))[1])
    assert session.read_bytes() == before, "without --apply a session is only read"


def test_apply_changes_what_nobody_spoke_about_and_nothing_else(nucloop, session, slide, weights, tmp_path):
    encoder = weights / "encoder.safetensors"
    with Session.open(session) as opened:
        spoken = opened.nuclei().take(opened.nuclei().human)
    run = nucloop("learn", slide, "--out", tmp_path / "h.safetensors", "--encoder", encoder, "--mpp", 0.5, "--apply")
    assert run.code == 0, run.err
    assert "nuclei have another class now (version 1)" in run.out
    with Session.open(session) as opened:
        after = opened.nuclei(spoken.ids)
        np.testing.assert_array_equal(after.label, spoken.label)
        np.testing.assert_array_equal(after.origin, spoken.origin)
        assert SessionHeads(opened).current().number == 1
        assert opened.undoable.kind is EditKind.NEW_HEAD


def test_imported_nuclei_that_a_head_was_fitted_to_are_known_as_such_to_the_next_gain(
    nucloop, session, weights, tmp_path
):
    with Session.open(session) as opened:
        places = np.random.default_rng(0).uniform(0, 150, (30, 2))
        opened.import_nuclei(Nuclei.from_points(SCHEME, places, label=2, origin=Origin.IMPORTED))
        nuclei = opened.nuclei()
        taught, imported = (nuclei.ids[is_taught(nuclei, imported=also)] for also in (False, True))
    assert len(imported) == len(taught) + 30
    more = ["--encoder", weights / "encoder.safetensors", "--mpp", 0.5, "--apply"]

    for options, known in (([], taught), (["--imported"], imported)):
        run = nucloop("learn", session, "--out", tmp_path / "h.safetensors", *more, *options)
        assert run.code == 0, run.err
        with Session.open(session) as opened:
            heads = SessionHeads(opened)
            assert heads.load(heads.current()).taught_by.tolist() == known.tolist()


def test_sessions_are_learned_from_together_when_their_classes_are_the_same_but_written_otherwise(
    nucloop, session, slide, weights, tmp_path
):
    otherwise = ClassScheme("mine", tuple(NucleusClass(c.name.upper(), c.color) for c in SCHEME.classes))
    other = tmp_path / "other" / "slide.png"
    other.parent.mkdir()
    other.write_bytes(slide.read_bytes())
    with open_slide(other, mpp=0.5) as picture, Session.for_slide(picture, otherwise, author="Bob") as opened:
        opened.add(np.random.default_rng(0).uniform(8, 150, (40, 2)), 2)
        found = opened.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 1.0)
        found.add(Nuclei.from_points(otherwise, [[5.0, 5.0], [150.0, 5.0]], label=0))

    options = ["--encoder", weights / "encoder.safetensors", "--mpp", 0.5, "--apply"]
    run = nucloop("learn", session, other, "--out", tmp_path / "h.safetensors", *options)

    assert run.code == 0, run.err
    assert "by Ann and Bob" in run.out
    assert "of 2 nuclei have another class now (version 1)" in run.out


def test_lora_writes_an_encoder_that_other_commands_take(nucloop, session, slide, weights, tmp_path):
    out, encoder = tmp_path / "mine.safetensors", weights / "encoder.safetensors"
    run = nucloop("learn", session, "--out", out, "--encoder", encoder, "--mpp", 0.5, "--method", "lora", "--epochs", 1)
    assert run.code == 0, run.err
    tuned = tmp_path / "mine-encoder.safetensors"
    assert load_encoder(str(tuned))[1].name == "encoder (lora)"
    detected = nucloop(
        "detect", slide, "--mpp", 0.5, "--out", tmp_path, "--device", "torch-cpu", "--threshold", 0.05,
        "--detector", weights / "detector.safetensors", "--encoder", tuned, "--head", out,
    )  # fmt: skip
    assert detected.code == 0, detected.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.nucloop", "--out", "h.safetensors"], "There is no session"),
        (["nothing.nucloop", "--out", "h.onnx"], "must end in .safetensors"),
        (["nothing.nucloop", "--out", "h.safetensors", "--method", "magic"], "There is no method 'magic'"),
    ],
)
def test_what_cannot_be_learned_is_a_sentence(nucloop, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    run = nucloop("learn", *arguments)
    assert run.code == 1
    assert sentence in run.err


def test_a_session_without_answers_is_a_sentence(nucloop, slide, weights, tmp_path):
    with open_slide(slide, mpp=0.5) as picture, Session.for_slide(picture, SCHEME) as session:
        run = session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 1.0)
        run.add(Nuclei.from_points(SCHEME, [[5.0, 5.0]], label=0, score=0.9))
    run = nucloop("learn", slide, "--out", tmp_path / "h.safetensors", "--mpp", 0.5)
    assert run.code == 1
    assert "There is nothing to learn from yet" in run.err


def test_a_head_is_trained_on_a_data_set_and_keeps_examples_for_later(nucloop, brca, weights, tmp_path):
    out, encoder = tmp_path / "head.safetensors", weights / "encoder.safetensors"
    run = nucloop("train", "head", "--data", f"brca-m2c:{brca}", "--encoder", encoder, "--out", out, "--replay", 10)
    assert run.code == 0, run.err
    learned = LearnedHead.open(str(out), load_encoder(str(encoder))[1])
    assert learned.replay is not None
    assert len(learned.replay) == 40
    assert learned.card.training_data[0]["licence"] == "BSD-3-Clause"

    same = tmp_path / "same.safetensors"
    run = nucloop(
        "train", "head", "--data", f"brca-m2c:{brca}", "--encoder", encoder, "--out", same, "--replay", 5,
        "--replay-for", weights / "head.safetensors",
    )  # fmt: skip
    assert run.code == 0, run.err
    before, after = LearnedHead.open(str(weights / "head.safetensors")), LearnedHead.open(str(same))
    np.testing.assert_array_equal(before.head.weight, after.head.weight)
    assert len(after.replay) == 20


def test_outlines_are_learned_from_a_sessions_points_kept_used_again_and_applied(nucloop, tmp_path):
    slide, out = tmp_path / "discs.png", tmp_path / "mine.safetensors"
    Image.fromarray(discs(240)).save(slide)
    places = disc_places(240)
    with open_slide(slide, mpp=0.5) as picture, Session.for_slide(picture, SCHEME, author="Ann") as session:
        session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 1.0).add(
            Nuclei.from_points(SCHEME, places, label=0, score=0.9)
        )
        draw_outline(session, 1, [(2, 2), (2, 20), (20, 20)])
    before = session.path.read_bytes()
    with small_network():
        run = nucloop("learn-outlines", slide, "--mpp", 0.5, "--out", out)
    assert run.code == 0, run.err
    assert "nuclei would get their first outline, 0 another one. 1 keep the one that a person drew." in run.out
    assert session.path.read_bytes() == before, "without --apply a session is only read"

    run = nucloop("learn-outlines", session.path, "--mpp", 0.5, "--network", out, "--apply")
    assert run.code == 0, run.err
    with Session.open(session.path) as opened:
        assert opened.has_outline(opened.ids()).mean() > 0.9
        assert len(opened.nuclei([1], outlines=True).outlines[0]) == 3
        assert opened.history(1)[0].details["weights"]["outlines"]["name"] == "mine"
        opened.undo()
        assert opened.has_outline(opened.ids()).sum() == 1


def test_learning_outlines_asks_for_a_place_or_for_a_network(nucloop, session, tmp_path):
    run = nucloop("learn-outlines", session)
    assert run.code == 1
    assert "Say either where the network goes (--out) or which one to use (--network)." in run.err
    assert nucloop("learn-outlines", session, "--out", tmp_path / "mine.pt").code == 1
