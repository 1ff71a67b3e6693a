"""Packages for readers, there and back: nothing that anybody said is lost, and twice is once."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cohort.conftest import write_slide

from nucloop import cohort
from nucloop.cohort.packages.answers import answers_of
from nucloop.cohort.packages.making import PackagePlan, make_packages
from nucloop.cohort.packages.masters import master_path
from nucloop.cohort.packages.merging import merge_package
from nucloop.cohort.packages.package import read_package
from nucloop.errors import DataError
from nucloop.nuclei import UNLABELLED
from nucloop.session import Session, session_path
from nucloop.session.exchange import kept_regions
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome

    from nucloop.cohort.packages.package import Package


@pytest.fixture(scope="module")
def worked(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of four slides with a few hundred nuclei each, all done."""
    folder = tmp_path_factory.mktemp("cohort")
    (folder / "slides").mkdir()
    for number in range(4):
        write_slide(folder / "slides" / f"s{number}.tif", number, 640, 1024)
    places = {kind: str(weights / f"{kind}.safetensors") for kind in ("detector", "encoder", "head")}
    list(cohort.init(folder / "slides", folder / "study", cohort.CohortSettings(**places)))
    assert not [step.sentence for step in cohort.run(folder / "study", device="torch-cpu") if step.sentence]
    return folder / "study"


@pytest.fixture
def project(worked: Path, tmp_path: Path) -> cohort.Project:
    """A copy of it, without anything of readers yet."""
    shutil.copytree(worked, tmp_path / "study")
    return cohort.open_project(tmp_path / "study")


@dataclass
class Said:
    """What a reader said of one slide, in the cohort's ids and places."""

    classes: dict[int, int] = field(default_factory=dict)
    added: list[tuple[float, float, int]] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)


def edit(folder: Path, package: Package, chance: random.Random, said: dict[str, Said]) -> None:
    """Work on some of a package as a reader does; what is said comes to what was said before."""
    for item in package.items:
        mine = said.setdefault(item.slide, Said())
        # in the window everybody edits under the name of their account
        with Session.open(session_path(folder / item.image), author="somebody") as session:
            here = [k for k in range(1, len(item.ids) + 1) if session.contains([k])[0]]
            looked = chance.sample(here, min(len(here), chance.randint(0, 60)))
            away = looked[: chance.randint(0, 3)]
            by_label: dict[int, list[int]] = {}
            for k in looked[len(away) :]:
                by_label.setdefault(chance.randrange(3), []).append(k)
            for label, numbers in by_label.items():
                session.set_class(numbers, label, force=True)
                mine.classes |= {item.ids[k - 1]: label for k in numbers}
            session.delete(away)
            mine.removed |= {item.ids[k - 1] for k in away}
            for k in away:
                mine.classes.pop(item.ids[k - 1], None)
            for _ in range(chance.randint(0, 2)):
                # on a raster of 20 µm: two readers often mean the same nucleus, and do not hit quite the same place
                place = np.array([chance.randrange(2, 14) * 40 + 7, chance.randrange(2, 24) * 40 + 11], float)
                place += (chance.uniform(-1, 1), chance.uniform(-1, 1))
                if any(np.hypot(y - place[0], x - place[1]) < 12 for y, x, _ in mine.added):
                    continue
                label = chance.randrange(3)
                session.add([place - (item.top, item.left)], label)
                mine.added.append((*place.tolist(), label))


def check(project: cohort.Project, everybody: dict[str, dict[str, Said]], before: dict[str, int]) -> None:
    """Nothing is lost: every class, every nucleus that was added, and all that readers took away."""
    for entry in project.slides:
        with Session.open(master_path(project, entry), read_only=True) as master:
            ids = np.arange(1, before[entry.id] + 1)
            assert master.contains(ids).all()
            most = before[entry.id]
            for reader, slides in everybody.items():
                said = slides.get(entry.id, Said())
                kept = dict(zip(ids.tolist(), master.labels_of(reader, ids).tolist(), strict=True))
                assert {k: kept[k] for k in said.classes} == said.classes
                spoken = set(master.spoken_by(reader).tolist())
                assert spoken >= set(said.classes)
                # and no word that nobody said
                assert len(spoken - set(said.classes)) <= len(said.added) + len(said.removed)
                most += len(said.added)
                for y, x, label in said.added:
                    near = [k for k in master.near((y, x), 6.1) if k > before[entry.id]]
                    assert label in master.labels_of(reader, near).tolist()
            assert before[entry.id] <= len(master) <= most


def numbers_of(project: cohort.Project) -> dict[str, int]:
    found = {}
    for entry in project.slides:
        if master_path(project, entry).exists():
            with Session.open(master_path(project, entry), read_only=True) as master:
                found[entry.id] = len(master)
    return found


def histories(project: cohort.Project) -> list[int]:
    found = []
    for entry in project.slides:
        with Session.open(master_path(project, entry), read_only=True) as master:
            found.append(len(master.history(10**6)))
    return found


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), order=st.lists(st.sampled_from("ABC"), min_size=3, max_size=8))
def test_whatever_readers_say_and_in_whatever_order_it_comes_back_nothing_is_lost_and_twice_is_once(
    worked: Path, tmp_path_factory: pytest.TempPathFactory, seed: int, order: list[str]
) -> None:
    folder, chance = tmp_path_factory.mktemp("any"), random.Random(seed)
    shutil.copytree(worked, folder / "study")
    project = cohort.open_project(folder / "study")
    plan = PackagePlan(readers=("A", "B", "C"), slides=("s0",), blinded=chance.random() < 0.5, reference=True)
    places = dict(zip("ABC", make_packages(project, plan, folder / "out"), strict=True))
    project = cohort.Project(project.folder, project.settings, project.slides[:1])
    before, said = numbers_of(project), {reader: {} for reader in "ABC"}
    merged: dict[str, dict[str, Said]] = {}

    for reader in order:
        edit(places[reader], read_package(places[reader]), chance, said[reader])
        merge_package(project, places[reader])
        merged[reader] = said[reader]
        check(project, merged, before)
        entries = histories(project)
        assert merge_package(project, places[reader]).new == 0
        assert histories(project) == entries


def test_twenty_readers_of_two_hundred_regions_with_conflicts_come_together(
    project: cohort.Project, tmp_path: Path
) -> None:
    readers = tuple(f"reader {k}" for k in range(20))
    plan = PackagePlan(readers=readers, fields=50, field_um=40, reference=True, blinded=True)
    places = list(make_packages(project, plan, tmp_path / "out"))
    packages = [read_package(place) for place in places]
    assert sum(len(item.regions) for item in packages[0].items) == 200
    before, said = numbers_of(project), {reader: {} for reader in readers}
    chance = random.Random(20)

    for place, package in zip(places, packages, strict=True):
        edit(place, package, chance, said[package.reader])
    for place in chance.sample(places, 20):
        merge_package(project, place)

    check(project, said, before)
    answers = answers_of(project)
    assert list(answers.progress["reader"]) == list(readers)
    assert answers.progress["answered"].sum() == sum(
        len(one.classes) + len(one.removed) for slides in said.values() for one in slides.values()
    )
    regions = answers.agreement[answers.agreement["region"] != ""]
    assert len(regions) == 200
    # readers who choose by lot agree by chance
    assert abs(answers.agreement.loc[answers.agreement["region"] == "", "kappa"].mean()) < 0.1
    for row in answers.adjudication.head(50).to_dict("records"):
        votes = {
            one.classes[row["id"]]
            for slides in said.values()
            for one in [slides[row["slide"]]]
            if row["id"] in one.classes
        }
        gone = any(row["id"] in slides[row["slide"]].removed for slides in said.values())
        assert len(votes) + gone > 1 or row["id"] > before[row["slide"]]


def test_a_piece_that_is_cut_out_comes_back_to_its_place_on_the_slide(project: cohort.Project, tmp_path: Path) -> None:
    plan = PackagePlan(readers=("A",), slides=("s0", "s1"), fields=2, field_um=60)
    [place] = make_packages(project, plan, tmp_path / "out")
    package = read_package(place)
    assert len(package.items) == 4
    item = package.items[3]
    with open_slide(place / item.image) as piece, open_slide(project.slides[1].path) as slide:
        assert piece.mpp == pytest.approx(slide.mpp)
        # 60 µm and 25 around it, half a µm a pixel, as far as there is slide
        assert max(piece.shape) <= 220
    with Session.open(session_path(place / item.image), author="me") as session:
        [region] = kept_regions(session)
        assert region.contains(session.positions(session.ids())).all()
        session.set_class([1], 2, force=True)
        session.add([[20.0, 30.0]], 1)

    merged = merge_package(project, place)

    assert (merged.reader, merged.spoken, merged.added, merged.new) == ("A", 1, 1, 2)
    with Session.open(master_path(project, project.slides[1]), read_only=True) as master:
        assert master.labels_of("A", item.ids[:1]).tolist() == [2]
        assert master.spoken_by("A").tolist() == [item.ids[0], len(master)]
        assert master.positions([len(master)]).tolist() == [[20.0 + item.top, 30.0 + item.left]]


def test_what_a_reader_gets_says_nothing_of_other_readers_and_blinded_nothing_of_the_model(
    project: cohort.Project, tmp_path: Path
) -> None:
    [first] = make_packages(project, PackagePlan(readers=("A",), slides=("s0",), reference=True), tmp_path / "one")
    package = read_package(first)
    with Session.open(session_path(first / package.items[0].image), author="A") as session:
        session.set_class(session.ids(), 1, force=True)
    merge_package(project, first)

    plan = PackagePlan(readers=("B",), slides=("s0",), reference=True, blinded=True)
    [second] = make_packages(project, plan, tmp_path / "two")

    with Session.open(session_path(second / "s0.tif"), read_only=True) as session:
        assert set(session.nuclei().label.tolist()) == {UNLABELLED}
        assert np.isnan(session.nuclei().probability).all()
        assert not session.nuclei().human.any()
        assert "A" not in session.readers
    assert "no class yet" in (second / "README.txt").read_text()


def test_a_package_of_another_cohort_is_refused(project: cohort.Project, worked: Path, tmp_path: Path) -> None:
    [place] = make_packages(project, PackagePlan(readers=("A",), fields=1, field_um=60), tmp_path / "out")
    shutil.copytree(worked, tmp_path / "other")

    with pytest.raises(DataError, match="was not made from"):
        merge_package(cohort.open_project(tmp_path / "other"), place)


def test_a_person_hands_out_zips_and_takes_them_back(
    project: cohort.Project, tmp_path: Path, nucloop: Callable[..., Outcome]
) -> None:
    out = tmp_path / "out"
    options = ("--slides", "s2", "--fields", 2, "--field-um", 60, "--zip")
    made = nucloop("package", "make", project.folder, "--readers", "Dr A,Dr B", "--out", out, *options)
    assert made.code == 0, made.err
    assert sorted(path.name for path in out.iterdir()) == ["Dr_A.zip", "Dr_B.zip"]
    assert "Dr A: 0 of" in nucloop("package", "status", project.folder).out
    for number, name in enumerate(("Dr_A", "Dr_B")):
        shutil.unpack_archive(out / f"{name}.zip", tmp_path / "at work")
        item = read_package(tmp_path / "at work" / name).items[0]
        with Session.open(session_path(tmp_path / "at work" / name / item.image), author="x") as session:
            session.set_class(session.ids(), number, force=True)
        shutil.make_archive(str(tmp_path / name), "zip", tmp_path / "at work", name)

    back = nucloop("package", "merge", project.folder, tmp_path / "Dr_A.zip", tmp_path / "Dr_B.zip", out)

    assert back.code == 1
    assert "out is no package" in back.err
    assert f"{len(item.ids)} nuclei are to be decided" in back.out
    table = (project.folder / "packages" / "adjudication.csv").read_text()
    assert "Dr A" in table
    again = nucloop("package", "merge", project.folder, tmp_path / "Dr_A.zip")
    assert "0 of that is new" in again.out
