"""tools/setup.sh, on a Python that only notes down what it is asked for."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTING_PYTHON = """\
#!/bin/sh
case "$*" in
    *'version_info[:2]'*) echo "$PYTHON_VERSION" ;;
    --version) echo "Python $PYTHON_VERSION.0" ;;
    *"pip install"*)
        echo "$PIP_CONSTRAINT $*" >>asked
        case "$*" in *--require-hashes*) echo "$PIP_SAYS"; [ -z "$PIP_SAYS" ] ;; esac ;;
esac
"""
TAMPERED = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."
NO_WHEEL = "ERROR: No matching distribution found for pyqt6==6.11.0"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="make needs bash")


@dataclass
class Outcome:
    status: int
    said: str
    asked: list[str]

    @property
    def kinds(self) -> list[str]:
        """What pip was asked for, each time."""
        marks = {"--require-hashes": "hashes", "--no-deps": "alone"}
        return [next((kind for mark, kind in marks.items() if mark in line), "open") for line in self.asked]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("tools/setup.sh", "pyproject.toml", "requirements/lock.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    program(tmp_path / ".venv" / "bin" / "python", NOTING_PYTHON)
    # The system's packages are not what is tested, and all there.
    program(tmp_path / "path" / "dpkg-query", "#!/bin/sh\necho installed\n")
    return tmp_path


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o755)


def set_up(checkout: Path, *, python: str = "3.12", pip_says: str = "", lock: str = "") -> Outcome:
    own = {"PYTHON_VERSION": python, "PIP_SAYS": pip_says, "LOCK": lock, "PIP_CONSTRAINT": ""}
    path = f"{checkout / 'path'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "tools/setup.sh"],
        cwd=checkout,
        env=os.environ | own | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    asked = checkout / "asked"
    lines = asked.read_text().splitlines() if asked.exists() else []
    asked.unlink(missing_ok=True)
    return Outcome(done.returncode, done.stderr, lines)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_is_installed_by_its_hashes_and_nucloop_without_looking_further(checkout: Path, python: str) -> None:
    outcome = set_up(checkout, python=python)

    assert outcome.status == 0
    assert outcome.kinds == ["hashes", "alone"]
    assert "newest" not in outcome.said


def test_nothing_is_installed_again_until_the_lock_changes(checkout: Path) -> None:
    set_up(checkout)
    again = set_up(checkout)
    with (checkout / "requirements" / "lock.txt").open("a") as lock:
        lock.write("# renewed\n")
    renewed = set_up(checkout)

    assert again.asked == []
    assert renewed.kinds == ["hashes", "alone"]


@pytest.mark.parametrize("python", ["3.1", "3.14"])
def test_a_python_that_the_lock_is_not_made_for_gets_the_newest_and_is_told(checkout: Path, python: str) -> None:
    outcome = set_up(checkout, python=python)

    assert outcome.status == 0
    assert outcome.kinds == ["open"]
    assert f"lock.txt is not made for Python {python}.0, so the newest versions" in outcome.said


def test_a_machine_that_the_lock_has_no_file_for_gets_the_newest_and_is_told(checkout: Path) -> None:
    outcome = set_up(checkout, pip_says=NO_WHEEL)

    assert outcome.status == 0
    assert outcome.kinds == ["hashes", "open"]
    assert NO_WHEEL in outcome.said
    assert "pip has no file for this machine" in outcome.said


def test_a_file_with_another_hash_is_never_replaced_by_one_that_nobody_looked_at(checkout: Path) -> None:
    outcome = set_up(checkout, pip_says=TAMPERED)

    assert outcome.status != 0
    assert outcome.kinds == ["hashes"]
    assert "LOCK=versions" in outcome.said


def test_another_build_of_torch_is_taken_at_the_version_that_is_locked(checkout: Path) -> None:
    outcome = set_up(checkout, lock="versions")
    versions = (checkout / "build" / "versions.txt").read_text().splitlines()

    assert outcome.status == 0
    assert outcome.kinds == ["open"]
    assert outcome.asked[0].startswith("build/versions.txt ")
    assert len([line for line in versions if line.startswith("torch==")]) == 1
    assert not any("--hash" in line or line.endswith("\\") for line in versions)
