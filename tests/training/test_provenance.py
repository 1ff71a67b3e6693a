import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nucloop.models.files.cards import file_sha256, shipped_weights
from nucloop.training import provenance
from nucloop.training.provenance import notice_of, program_commit

BRCA = [{"name": "brca-m2c"}]


@pytest.fixture
def initial(tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"weights")
    return path


def test_a_start_that_the_program_does_not_know_is_no_mobilenet(initial: Path) -> None:
    notice = notice_of(BRCA, initial)
    assert notice.startswith("Trained on BRCA-M2C, Copyright (c) 2022 TopoXLab")
    assert notice.endswith(
        "Started from mine.safetensors, whose licence the program does not know: see where it came from."
    )


def test_what_lies_beside_a_start_is_passed_on(initial: Path) -> None:
    initial.with_suffix(".NOTICE").write_text("Copyright (c) Ann, MIT.\n")
    assert notice_of([], initial) == "Started from mine.safetensors. Its notice: Copyright (c) Ann, MIT."
    card = {"notice": "From a card.", "sha256": "of another file"}
    initial.with_suffix(".json").write_text(json.dumps(card))
    assert notice_of([], initial).endswith("Ann, MIT.")
    initial.with_suffix(".json").write_text(json.dumps(card | {"sha256": file_sha256(initial)}))
    assert notice_of([], initial) == "Started from mine.safetensors. Its notice: From a card."


@pytest.mark.parametrize("damaged", [b"\xff", b"[]", b"{", b'{"notice": 3}', b"[" * 90_000, b"[" * 100_001])
def test_a_damaged_card_beside_a_start_says_nothing(initial: Path, damaged: bytes) -> None:
    initial.with_suffix(".json").write_bytes(damaged)
    initial.with_suffix(".NOTICE").write_bytes(b"\xff")
    assert "does not know" in notice_of([], initial)


@pytest.mark.parametrize(("name", "network"), [("denuc-mobilenet", "MobileNetV2"), ("embedded", "EfficientNet-Lite0")])
def test_the_start_of_the_shipped_networks_is_known_by_its_sha256(
    initial: Path, monkeypatch: pytest.MonkeyPatch, name: str, network: str
) -> None:
    card = json.loads(shipped_weights()[name].with_suffix(".json").read_text())
    began = card["recipe"]["start"]["recipe"]["initial"]["sha256"]
    monkeypatch.setattr(provenance, "file_sha256", lambda path: began)
    assert f"Started from {network}" in notice_of(BRCA, initial)
    assert f"Started from {network}" in card["notice"]
    for entry in card["training_data"]:
        assert notice_of([entry], None) in card["notice"]


def test_what_was_told_before_is_kept_and_not_repeated() -> None:
    told = notice_of(BRCA, None)
    assert notice_of([*BRCA, {"name": "mine"}], None, told) == f"Trained on mine; see its licence. {told}"


def git(folder: Path, *arguments: str) -> str:
    # nobody's own settings, and no repository that a hook works in
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    run = subprocess.run(
        ["git", *who, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return run.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
class TestTheCommit:
    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        root = tmp_path / "checkout"
        (root / "src" / "nucloop").mkdir(parents=True)
        (root / "src" / "nucloop" / "__init__.py").write_text("")
        (root / "pyproject.toml").write_text('[project]\nname = "napari-nucloop"\n')
        git(root, "init", "-q")
        git(root, "add", ".")
        git(root, "commit", "-qm", "first")
        return root

    def test_is_that_of_the_programs_own_checkout(self, checkout: Path) -> None:
        assert program_commit(checkout / "src" / "nucloop") == git(checkout, "rev-parse", "HEAD")

    @pytest.mark.parametrize("name", ["__init__.py", "new.py"])
    def test_has_a_plus_when_the_code_is_not_as_committed(self, checkout: Path, name: str) -> None:
        (checkout / "src" / "nucloop" / name).write_text("changed = True")
        assert program_commit(checkout / "src" / "nucloop") == git(checkout, "rev-parse", "HEAD") + "+"

    def test_has_none_for_what_is_not_the_programs_code(self, checkout: Path) -> None:
        (checkout / "notes.txt").write_text("mine")
        assert not program_commit(checkout / "src" / "nucloop").endswith("+")

    @pytest.mark.parametrize(("said", "kept"), [("a" * 40, "a" * 40), ("main", ""), ("", "")])
    def test_may_be_said_where_a_copy_runs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, kept: str
    ) -> None:
        monkeypatch.setenv("NUCLOOP_COMMIT", said)
        assert program_commit(tmp_path) == kept

    @pytest.mark.parametrize("place", ["venv/lib/site-packages/nucloop", "src/nucloop"])
    def test_is_not_that_of_a_repository_around_an_installation(self, tmp_path: Path, place: str) -> None:
        package = tmp_path / "thesis" / place
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (tmp_path / "thesis" / "pyproject.toml").write_text('[project]\nname = "thesis"\n')
        git(tmp_path / "thesis", "init", "-q")
        git(tmp_path / "thesis", "add", ".")
        git(tmp_path / "thesis", "commit", "-qm", "first")
        assert program_commit(package) == ""

    def test_is_empty_for_a_copy_of_the_source_inside_another_repository(self, checkout: Path) -> None:
        shutil.rmtree(checkout / ".git")
        git(checkout.parent, "init", "-q")
        git(checkout.parent, "add", ".")
        git(checkout.parent, "commit", "-qm", "all")
        assert program_commit(checkout / "src" / "nucloop") == ""
