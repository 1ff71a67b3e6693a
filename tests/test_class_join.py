"""The one rule for classes that mean the same, and that all who join two schemes ask it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucloop.classes import ClassScheme, NucleusClass, builtin_schemes, join
from nucloop.errors import SessionError
from nucloop.evaluation.dataset import Evaluation
from nucloop.formats import adopt
from nucloop.ki67.counting import Ki67Mapping
from nucloop.learning.replay import Replay, shared_classes
from nucloop.metrics.agreement import agree, disagreements
from nucloop.metrics.consensus import consensus
from nucloop.metrics.incremental import IncrementalScore
from nucloop.metrics.marks import Marks
from nucloop.metrics.naming import counted_classes, merged
from nucloop.nuclei import Nuclei
from nucloop.session.palette import Palette
from nucloop.training.datasets import Dataset, Field
from nucloop.training.encoder import as_scheme

BRCA = ClassScheme.named("brca-m2c")
SHOUTED = ClassScheme("shouted", tuple(NucleusClass(f" {c.name.upper()} ", c.color) for c in BRCA.classes))
NAMES = (
    "tumour",
    "Tumor",
    "TUMOUR",
    "tumour  cell",
    "stroma",
    "Stromal",
    "lymphocyte",
    "Immune cells",
    "Other",
    "other",
)
NAMES = (*NAMES, "Tumor: Positive", "tumour positive", "fibroblast", "fat")


def scheme(*classes: str | tuple[str, str]) -> ClassScheme:
    pairs = [(one, "") if isinstance(one, str) else one for one in classes]
    return ClassScheme("made", tuple(NucleusClass(name, "#123456", qupath) for name, qupath in pairs))


@st.composite
def schemes(draw: st.DrawFn) -> ClassScheme:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True))
    return scheme(*((name, draw(st.sampled_from(("", *NAMES)))) for name in names))


@given(schemes(), schemes())
def test_two_schemes_may_change_places(first: ClassScheme, second: ClassScheme) -> None:
    there, again = join(first.classes, second.classes), join(second.classes, first.classes)
    assert there.forth == again.back
    assert there.back == again.forth
    assert sorted(there.pairs) == sorted((i, j) for j, i in again.pairs)


@given(schemes())
def test_every_class_is_itself(one: ClassScheme) -> None:
    joined = join(one.classes, one.classes)
    assert joined.forth == joined.back == tuple(range(len(one)))
    assert not joined.merged
    assert not joined.unclear


@given(schemes(), schemes())
def test_joining_what_is_joined_changes_nothing(first: ClassScheme, second: ClassScheme) -> None:
    once = join(first.classes, second.classes).forth
    there = [second.classes[j] for j in once if j is not None]
    assert join(there, second.classes).forth == tuple(j for j in once if j is not None)


@given(schemes(), schemes())
def test_no_two_classes_become_one_and_none_is_chosen_among_equals_without_a_word(
    first: ClassScheme, second: ClassScheme
) -> None:
    joined = join(first.classes, second.classes)
    for j in range(len(second)):
        sources = tuple(i for i, to in enumerate(joined.forth) if to == j)
        assert joined.merged.get(j, sources) == sources
        assert (j in joined.merged) == (len(sources) > 1)
    for i, several in joined.unclear.items():
        assert len(several) > 1
        assert joined.forth[i] is None
    rows, columns = zip(*joined.pairs, strict=True) if joined.pairs else ((), ())
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tumour", "TUMOUR"),
        ("Plasma  cell", " plasma cell"),
        ("Tumor", "tumour"),
        ("tumor cell", "tumour"),
        ("Lymphocytes", "lymphocyte"),
        ("Stroma", "stromal"),
        ("Tumor: Positive", "tumour positive"),
        ("Tumor:Positive", ("tumour positive", "Tumor: Positive")),
        ("Immune cells", ("lymphocyte", "Immune cells")),
        ("Other", ("background cell", "Other")),
    ],
)
def test_these_are_the_same(one: str, other: str | tuple[str, str]) -> None:
    assert join(scheme(one).classes, scheme(other).classes).forth == (0,)


@pytest.mark.parametrize(
    ("one", "other", "likely"),
    [
        (("nucleus", "Other"), ("background cell", "Other"), True),
        (("inflammatory", "Immune cells"), ("lymphocyte", "Immune cells"), True),
        ("inflammatory", "lymphocyte", True),
        ("Neoplastic", "tumour", True),
        ("tumour positive", "tumour negative", False),
        ("positive", "tumour positive", False),
        ("Ki67+", "Ki67-", False),
        ("tumour", "lymphocyte", False),
    ],
)
def test_these_are_not_the_same_but_some_are_likely_enough_to_ask(one, other, likely) -> None:
    joined = join(scheme(one).classes, scheme(other).classes)
    assert joined.forth == (None,)
    assert joined.likely == ((0 if likely else None),)


def test_the_nearest_name_wins_and_equals_are_left_open() -> None:
    assert join(["Tumor"], ["tumour", "Tumor", "tumor"]).forth == (1,)
    joined = join(["Immune cells"], scheme(("plasma", "Immune cells"), ("lymphocyte", "Immune cells")).classes)
    assert joined.forth == (None,)
    assert joined.unclear == {0: (0, 1)}
    with pytest.raises(ValueError, match="'Immune cells' could be plasma or lymphocyte in scheme made"):
        scheme(("plasma", "Immune cells"), ("lymphocyte", "Immune cells")).index("Immune cells")


@pytest.mark.parametrize("name", list(builtin_schemes()))
def test_a_built_in_scheme_comes_back_from_the_names_qupath_has_for_it(name: str) -> None:
    own = ClassScheme.named(name)
    assert join([c.qupath for c in own.classes], own.classes).forth == tuple(range(len(own)))


def points(scheme: ClassScheme, label: list[int], first: int = 1) -> Nuclei:
    """Return nuclei 20 px apart, always at the same places."""
    yx = [[20.0 * k, 10.0] for k in range(len(label))]
    return Nuclei.from_points(scheme, yx, label=label, ids=np.arange(first, first + len(label)))


class TestEverybodyAsksIt:
    """With the classes of BRCA-M2C in capitals and with blanks around them."""

    def test_evaluate(self, tmp_path) -> None:
        image = Field(tmp_path / "a.png", points(SHOUTED, [0, 1, 2]).yx, np.array([0, 1, 2], np.int16), 0.5, "a")
        image.__dict__["pixels"] = np.zeros((100, 100, 3), np.uint8)
        result = Evaluation(Dataset("x", SHOUTED, (image,), "", False))
        result.add(image, points(BRCA, [0, 1, 1]), 1.0)
        assert list(result.classes) == list(SHOUTED.names)
        assert [counts.tp for counts in result.classes.values()] == [1, 1, 0]

    def test_training(self, tmp_path) -> None:
        image = Field(
            tmp_path / "a.png", points(SHOUTED, [2, 1, 0, -1]).yx, np.array([2, 1, 0, -1], np.int16), 0.5, "a"
        )
        assert as_scheme(Dataset("x", SHOUTED, (image,), "", False), BRCA)[0].label.tolist() == [2, 1, 0, -1]

    def test_adopting(self) -> None:
        assert adopt(points(SHOUTED, [2, 1, 0, -1]), BRCA).label.tolist() == [2, 1, 0, -1]

    def test_scores_that_follow_edits(self) -> None:
        live = IncrementalScore(points(BRCA, [0, 1]), points(SHOUTED, [0, 1]), mpp=0.5)
        assert live.names == SHOUTED.names
        assert live.score.mean_f1 == pytest.approx(2 / 3)
        live.relabel([2], 2)
        assert live.labels([2]).tolist() == [2]

    def test_agreement_of_readers(self) -> None:
        first, second = points(BRCA, [0, 1, 2, -1]), points(SHOUTED, [0, 1, 1, -1], 11)
        assert agree(first, second, 0.5).names == BRCA.names
        assert [(d.first, d.second) for d in disagreements(first, second, 0.5)] == [(3, 13)]
        assert consensus(first, second, 0.5).open == ((3, 13),)

    def test_replay(self) -> None:
        joined = shared_classes(SHOUTED, BRCA)
        assert joined is not None
        assert joined.pairs == ((0, 0), (1, 1), (2, 2))
        replay = Replay(SHOUTED, np.zeros((4, 2), np.float16), np.arange(4, dtype=np.int16))
        assert replay.in_scheme(BRCA).label.tolist() == [0, 1, 2, 3]

    def test_the_classes_of_a_session(self) -> None:
        assert Palette.of(BRCA).positions_of(SHOUTED) == [0, 1, 2]
        with pytest.raises(SessionError, match="There is a class ' TUMOUR ' already"):
            Palette.of(BRCA).added(SHOUTED.classes[1])

    def test_ki67(self) -> None:
        mapping = Ki67Mapping(frozenset({"POSITIVE "}), frozenset({"Negative"}))
        assert mapping.states(points(ClassScheme.named("ki67"), [0, 1, -1])).tolist() == [1, 0, -1]


def test_a_class_that_a_reference_writes_in_two_ways_is_counted_once_and_said() -> None:
    truth = points(scheme("Tumor", "tumour", "fat"), [0, 1, 2])
    assert [c.name for c in counted_classes([truth])] == ["Tumor", "fat"]
    assert Marks.of(truth, 0.5, counted_classes([truth])).label.tolist() == [0, 0, 1]
    assert merged(truth, counted_classes([truth])) == [("Tumor", "tumour")]
    assert merged(truth.take([1, 2]), counted_classes([truth])) == []


def test_the_order_of_references_does_not_matter_to_which_classes_are_the_same() -> None:
    qupath, session = points(scheme("Immune cells"), [0]), points(BRCA, [0])
    assert [c.name for c in counted_classes([qupath, session])] == ["Immune cells", "tumour", "stromal"]
    assert [c.name for c in counted_classes([session, qupath])] == list(BRCA.names)
    for one, other in ((qupath, session), (session, qupath)):
        assert Marks.of(one, 0.5, counted_classes([other])).label.tolist() == [0]


def test_a_palette_knows_classes_by_their_former_names_in_any_spelling() -> None:
    palette = Palette.of(BRCA).changed(1, dataclasses.replace(BRCA.classes[1], name="carcinoma", qupath="carcinoma"))
    assert palette.positions_of(scheme("TUMOR")) == [1]
    assert palette.missing(scheme("tumour", "fat")) == ["fat"]
