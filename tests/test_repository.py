import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "src" / "nucloop" / "weights"
MOST_WEIGHTS = 20_000_000
CARD_KEYS = {"architecture", "mpp", "training_data", "recipe", "commit", "metrics", "sha256"}
# A folder of one person's machine: /home/NAME/, /work/NAME, /Users/NAME/, C:\Users\NAME.
PRIVATE_PATH = re.compile(r"/home/\w|/work/\w|/Users/\w|[A-Z]:\\Users\\|/root/\w")


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("this is not a git checkout, so there is no list of tracked files")
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_no_tracked_text_names_a_folder_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked_files()
        if path != Path(__file__).resolve()
        for match in PRIVATE_PATH.finditer(text_of(path) or "")
    ]

    assert found == []


def test_the_version_is_the_same_everywhere() -> None:
    version = project()["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.search(r"^## \[?(\d[^\] ]*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert str(citation["version"]) == version
    assert newest is not None
    assert newest.group(1) == version


def test_torch_is_required_by_a_lower_bound_only() -> None:
    requirements = [one for one in project()["dependencies"] if one.startswith("torch")]

    assert len(requirements) == 2
    assert all(re.fullmatch(r"torch(vision)?(>=[\d.]+)?", one) for one in requirements)


def test_every_link_of_the_readme_into_the_repository_leads_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    targets = {target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target}

    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_no_module_grows_far_beyond_three_hundred_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in (ROOT / "src").rglob("*.py")}

    assert {name: length for name, length in lengths.items() if length > 350} == {}


def test_no_folder_grows_into_a_corridor() -> None:
    package = ROOT / "src" / "nucloop"
    folders = [package, *(path for path in package.rglob("*") if path.is_dir())]
    counts = {str(one.relative_to(package)): len([*one.glob("[!_]*.py")]) for one in folders}
    most = {name: 20 if name.split("/")[0] == "gui" else 30 for name in counts}

    assert {name: count for name, count in counts.items() if count > most[name]} == {}


def test_the_import_rules_refuse_circles_also_inside_functions_and_modules_that_no_layer_names(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src" / "nucloop", tmp_path / "src" / "nucloop", ignore=shutil.ignore_patterns("_*_data"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "src" / "nucloop" / "stranger.py").write_text("")
    (tmp_path / "src" / "nucloop" / "gui" / "corner").mkdir()
    (tmp_path / "src" / "nucloop" / "gui" / "corner" / "__init__.py").write_text("")
    circle = tmp_path / "src" / "nucloop" / "metrics"
    (circle / "hen.py").write_text("import nucloop.metrics.egg\n")
    (circle / "egg.py").write_text("def lay():\n    import nucloop.metrics.hen\n")
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode
    for fault in ("nucloop.stranger", "nucloop.gui.corner", "No cycles are allowed in nucloop.metrics"):
        assert fault in run.stdout


def test_the_shipped_weights_stay_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) < MOST_WEIGHTS


@pytest.mark.parametrize("weights", sorted(WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_every_shipped_network_has_a_card_that_fits_it(weights: Path) -> None:
    card = json.loads(weights.with_suffix(".json").read_text())

    assert set(card) >= CARD_KEYS
    assert card["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert card["mpp"] > 0
    assert card["commit"]
    assert card["classes"] or card["kind"] != "head"
    assert all(data["licence"] for data in card["training_data"])


def test_every_card_describes_a_network_that_ships() -> None:
    cards = {path.stem for path in WEIGHTS.glob("*.json")}

    assert cards == {path.stem for path in WEIGHTS.glob("*.safetensors")}
