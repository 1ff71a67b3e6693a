import json

import numpy as np
import pytest
from PIL import Image

from nucloop.classes import ClassScheme
from nucloop.formats import SlideInfo, read_regions, write_nuclei
from nucloop.ki67 import Ki67Settings, measure
from nucloop.nuclei import Nuclei
from nucloop.region_names import named
from nucloop.slides.stains import H_AND_E, H_DAB, od_to_rgb

PATHEREA = ClassScheme.named("patherea-ki67")
MPP = 0.5


def nuclei(n=200):
    rng = np.random.default_rng(0)
    return Nuclei.from_points(
        PATHEREA, rng.uniform(1, 199, (n, 2)), label=rng.integers(-1, 5, n), ids=np.arange(1, n + 1)
    )


def test_the_command_gives_the_same_figures(nucloop, tmp_path):
    table = nuclei()
    write_nuclei(tmp_path / "n.csv", table, SlideInfo(name="s", height=200, width=200, mpp=MPP))
    rings = [[[x, 0], [x + 100, 0], [x + 100, 100], [x, 100], [x, 0]] for x in (0, 100)]
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}} for ring in rings
    ]
    (tmp_path / "r.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    run = nucloop("ki67", tmp_path / "n.csv", "--regions", tmp_path / "r.geojson", "--json", tmp_path / "f.json",
                  "--report", tmp_path / "r.html")  # fmt: skip
    assert run.code == 0
    expected = measure(table, Ki67Settings.guess(PATHEREA), MPP, named(read_regions(tmp_path / "r.geojson"))).to_dict()
    assert json.loads((tmp_path / "f.json").read_text()) == json.loads(json.dumps(expected))
    assert "Ki-67 index" in (tmp_path / "r.html").read_text()


def test_the_command_tells_positive_nuclei_by_dab(nucloop, tmp_path):
    rng = np.random.default_rng(0)
    picture = np.full((200, 200, 3), 235, np.uint8)
    rows = [(y, x) for y in range(20, 200, 20) for x in range(20, 200, 20)]
    for k, (y, x) in enumerate(rows):
        colour = (120, 70, 30) if k % 4 == 0 else (110, 120, 180)
        picture[y - 5 : y + 6, x - 5 : x + 6] = np.clip(np.array(colour) + rng.integers(-15, 16, 3), 0, 255)
    Image.fromarray(picture).save(tmp_path / "s.png")
    (tmp_path / "n.csv").write_text("y,x\n" + "".join(f"{y},{x}\n" for y, x in rows))
    told = ("--slide", tmp_path / "s.png", "--mpp", "0.5", "--dab", "--json", tmp_path / "f.json")
    run = nucloop("ki67", tmp_path / "n.csv", *told)
    assert run.code == 0
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["slide"]["positive"] == len(rows[::4])
    assert found["threshold"]["method"] == "otsu"
    assert "found by the program" in run.out


def stained(path, brown, kind=H_DAB):
    """Paint a field of 81 nuclei, every fourth of them with the second stain; return their places."""
    rng = np.random.default_rng(0)
    amounts = np.zeros((200, 200, 3))
    rows = [(y, x) for y in range(20, 200, 20) for x in range(20, 200, 20)]
    if kind is H_AND_E:
        amounts[..., 1] = 0.4
    for k, (y, x) in enumerate(rows):
        amounts[y - 5 : y + 6, x - 5 : x + 6, 0] = rng.uniform(0.5, 0.8)
        amounts[y - 5 : y + 6, x - 5 : x + 6, 1] = brown if k % 4 == 0 else 0.05
    Image.fromarray(od_to_rgb(amounts @ kind)).save(path)
    return rows


def found(path, rows, weights, label=None):
    """Write nuclei as `nucloop detect` does, every second one called stromal."""
    labels = np.arange(len(rows)) % 2 + 1 if label is None else label
    table = Nuclei.from_points(ClassScheme.named("brca-m2c"), rows, label=labels, ids=np.arange(1, len(rows) + 1))
    write_nuclei(path, table, SlideInfo(name="s", height=200, width=200, mpp=0.5), weights=weights)


NAMED = {"name": "a", "sha256": "ff"}


def test_on_a_dab_slide_dab_decides_and_all_count_where_no_head_knows_the_stain(nucloop, tmp_path):
    rows = stained(tmp_path / "s.png", 2.0)
    told = (
        "--slide",
        tmp_path / "s.png",
        "--mpp",
        "0.5",
        "--json",
        tmp_path / "f.json",
        "--report",
        tmp_path / "r.html",
    )
    totals = []
    for stains in ("H&E", "H&E, H-DAB"):
        found(tmp_path / "n.csv", rows, {"detector": NAMED, "head": {**NAMED, "stains": stains}})
        run = nucloop("ki67", tmp_path / "n.csv", *told)
        assert run.code == 0
        totals.append(json.loads((tmp_path / "f.json").read_text())["slide"]["total"])
        words = " ".join(run.out.split())
        assert ("All nuclei are counted, except where a person said lymphocyte or stromal" in words) == (
            len(totals) == 1
        )
        assert ("give --left-out" in words) == (len(totals) == 1)
        assert "haematoxylin and DAB, recognised by its colours" in words
        assert "with errors of finding and threshold" in words
        assert "by the number of nuclei (Wilson)" in words
        assert ("All nuclei are counted" in (tmp_path / "r.html").read_text()) == (len(totals) == 1)
    assert totals == [81, 41]
    run = nucloop("ki67", tmp_path / "n.csv", *told, "--left-out", "")
    assert json.loads((tmp_path / "f.json").read_text())["slide"]["total"] == 81


def test_an_h_and_e_slide_has_no_index_by_dab_unless_a_person_insists(nucloop, tmp_path):
    rows = stained(tmp_path / "s.png", 0.9, H_AND_E)
    found(tmp_path / "n.csv", rows, None)
    told = ("--slide", tmp_path / "s.png", "--mpp", "0.5")
    run = nucloop("ki67", tmp_path / "n.csv", *told)
    assert run.code == 1
    assert "haematoxylin and eosin, so nothing on it shows Ki-67" in " ".join(run.err.split())
    insisted = nucloop("ki67", tmp_path / "n.csv", *told, "--dab")
    assert insisted.code == 0
    assert "nothing on it shows Ki-67" in " ".join(insisted.err.split())
    overruled = nucloop("ki67", tmp_path / "n.csv", *told, "--stain", "H-DAB")
    assert overruled.code == 0
    assert "as a person says" in " ".join(overruled.out.split())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--dab",), "Give it with --slide"),
        (("--report", "r.doc"), "written as .html"),
        (("--positive", "blue"), "class 'blue' is not in scheme"),
        ((), "do not say which are Ki-67 positive"),
    ],
)
def test_what_the_command_cannot_do_is_a_sentence(nucloop, tmp_path, words, sentence):
    (tmp_path / "n.csv").write_text("y,x,class\n1,1,a\n5,5,b\n")
    run = nucloop("ki67", tmp_path / "n.csv", "--mpp", "0.5", *words)
    assert run.code == 1
    assert sentence in run.err
