import json

import numpy as np

from nucloop.classes import ClassScheme
from nucloop.evaluation.readers import compare_readers
from nucloop.formats import SlideInfo, write_nuclei
from nucloop.nuclei import Nuclei

KI67 = ClassScheme.named("ki67")
MPP = 0.5


def two_readers(flips=12):
    rng = np.random.default_rng(5)
    label = rng.integers(0, 2, 120)
    yx = np.stack(np.divmod(np.arange(120), 12), 1) * 16.0 + 6
    other = label.copy()
    other[:flips] = 1 - other[:flips]
    return (
        Nuclei.from_points(KI67, yx, label=label, ids=np.arange(1, 121)),
        Nuclei.from_points(KI67, yx[4:] + 1, label=other[4:], ids=np.arange(1, 117)),
    )


def test_the_command_says_the_same(nucloop, tmp_path):
    first, second = two_readers()
    info = SlideInfo(name="s", height=200, width=200, mpp=MPP)
    for name, table in (("a", first), ("b", second)):
        write_nuclei(tmp_path / f"{name}.csv", table, info)
    run = nucloop("agree", tmp_path / "a.csv", tmp_path / "b.csv", "--json", tmp_path / "f.json")
    assert run.code == 0
    expected = compare_readers(first, second, MPP).to_dict()
    assert json.loads((tmp_path / "f.json").read_text()) == json.loads(json.dumps(expected))
    assert f"kappa {expected['kappa']:.4f}" in run.out
    assert "8 (class)" in run.out


def test_files_without_a_resolution_need_one(nucloop, tmp_path):
    (tmp_path / "a.csv").write_text("y,x\n1,1\n")
    run = nucloop("agree", tmp_path / "a.csv", tmp_path / "a.csv")
    assert run.code == 1
    assert "--mpp" in run.err
