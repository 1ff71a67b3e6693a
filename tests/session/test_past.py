import numpy as np
import pytest

from nucloop.classes import ClassScheme
from nucloop.formats import SlideInfo
from nucloop.nuclei import Nuclei
from nucloop.session import EditKind, Session, SlideIdentity
from nucloop.session.past import last_moment, past_nuclei

SCHEME = ClassScheme.named("brca-m2c")
SLIDE = SlideIdentity(SlideInfo(name="a.svs", height=1000, width=1000, mpp=0.5))


@pytest.fixture(params=["file", "memory"])
def session(request, tmp_path):
    if request.param == "memory":
        opened = Session.in_memory(SLIDE, SCHEME)
    else:
        opened = Session.open(tmp_path / "a.nucloop", slide=SLIDE, scheme=SCHEME)
    with opened:
        yield opened


def detect(session, places):
    run = session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 2.0)
    return run.add(Nuclei.from_points(SCHEME, places, label=0, score=0.9))


def test_nuclei_are_given_as_they_were_after_any_edit(session):
    states = [session.nuclei()]
    detect(session, [(10, 10), (20, 20), (30, 30)])
    states.append(session.nuclei())
    for edit in (
        lambda: session.set_class([1, 2], "tumour", force=True),
        lambda: session.move([3], [(40, 40)]),
        lambda: session.delete([2]),
        session.undo,
        lambda: session.add([(50, 50)], "stromal"),
    ):
        edit()
        states.append(session.nuclei())
    session.snapshot()
    for seq, then in enumerate(states):
        past = past_nuclei(session, seq)()
        np.testing.assert_array_equal(past.ids, then.ids)
        np.testing.assert_array_equal(past.yx, then.yx)
        np.testing.assert_array_equal(past.label, then.label)


def test_the_last_moment_of_a_kind_is_of_what_is_in_force(session):
    assert last_moment(session, EditKind.MODEL_RUN) is None
    detect(session, [(10, 10)])
    session.set_class([1], "tumour", force=True)
    detect(session, [(90, 90)])
    moment = last_moment(session, EditKind.MODEL_RUN)
    assert moment.seq == 3
    session.undo()
    assert last_moment(session, EditKind.MODEL_RUN).seq == 1
