"""CONTRIBUTING.md and the pages for developers name what is really there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "nucloop"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = (CONTRIBUTING, *(ROOT / "docs" / f"{name}.md" for name in ("threads", "extending", "security")))
NO_ROOM = {"__init__.py", "__pycache__"}
# `src/nucloop/classes.py:NucleusClass.rgb`
PLACE = re.compile(r"`((?:src|tests|docs|tools)/[\w./-]*)(?::([\w.]+))?`")
THREAD = re.compile(r"""(?:name|thread_name_prefix)=f?["'](nucloop-[a-z]+)""")
QUESTIONS = (
    "colour of a class |",
    "key 3",
    "non-maximum suppression",
    "F1",
    "interval of the Ki-67 index",
    "colour of a class in QuPath",
    "threads",
    "weights",
)


def rooms(folder: Path) -> set[str]:
    return {
        f"{path.name}/" if path.is_dir() else path.name
        for path in folder.iterdir()
        if (path.is_dir() or path.suffix == ".py") and path.name not in NO_ROOM
    }


def first_column(heading: str) -> list[str]:
    """What a table of CONTRIBUTING.md begins its lines with."""
    _, _, rest = CONTRIBUTING.read_text().partition(f"| {heading} |")
    table = re.match(r".*\n\|[-|]+\n((?:\|.*\n)+)", rest)
    assert table is not None, heading
    return [line.split("|")[1].strip().strip("`") for line in table.group(1).splitlines()]


def defined(tree: ast.Module | ast.ClassDef) -> dict[str, ast.stmt]:
    """Functions, classes and constants by name."""
    found: dict[str, ast.stmt] = {}
    for one in tree.body:
        if isinstance(one, ast.FunctionDef | ast.ClassDef):
            found[one.name] = one
        elif isinstance(one, ast.Assign | ast.AnnAssign):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            found |= {target.id: one for target in targets if isinstance(target, ast.Name)}
    return found


def exists(path: str, name: str) -> bool:
    if not (ROOT / path).exists():
        return False
    inside: ast.stmt | ast.Module = ast.parse((ROOT / path).read_text()) if name else ast.Module([], [])
    for part in name.split(".") if name else ():
        if not isinstance(inside, ast.Module | ast.ClassDef) or part not in defined(inside):
            return False
        inside = defined(inside)[part]
    return True


@pytest.mark.parametrize("folder", [SOURCE, SOURCE / "gui"], ids=lambda folder: folder.name)
def test_the_map_names_every_room_once(folder: Path) -> None:
    named = first_column(f"in `{folder.relative_to(ROOT)}`")

    assert sorted(named) == sorted(rooms(folder)), "CONTRIBUTING.md, Rooms"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_place_that_a_page_names_exists(page: Path) -> None:
    places = PLACE.findall(page.read_text())

    assert len(places) > 10
    assert [f"{path}:{name}" for path, name in places if not exists(path, name)] == []


def test_the_map_answers_what_newcomers_ask_with_a_place_or_a_page() -> None:
    text = CONTRIBUTING.read_text()
    table = [line for line in text.partition("### Looking for")[2].partition("###")[0].splitlines() if line[:1] == "|"]
    answers = {question: [line for line in table if question in line] for question in QUESTIONS}

    assert [question for question, lines in answers.items() if not lines] == []
    assert [line for lines in answers.values() for line in lines if not re.search(r"\.py:|\]\(", line)] == []


def test_the_way_of_an_edit_is_six_places_long() -> None:
    steps = CONTRIBUTING.read_text().partition("### The way of an edit")[2].partition("\n## ")[0]

    assert re.findall(r"^(\d)\. .*`src/", steps, re.MULTILINE) == ["1", "2", "3", "4", "5", "6"]


def test_the_page_on_threads_names_every_thread_of_the_source_and_no_other() -> None:
    sources = {path: path.read_text() for path in SOURCE.rglob("*.py")}
    started = {name for text in sources.values() for name in THREAD.findall(text)}
    makers = [path for path, text in sources.items() if re.search(r"\b(Thread|ThreadPoolExecutor|QThread)\(", text)]
    page = (ROOT / "docs" / "threads.md").read_text()

    assert {name.rstrip("-0123456789") for name in re.findall(r"`(nucloop-[a-z0-9-]+)`", page)} == started
    assert [str(path) for path in makers if str(path.relative_to(ROOT)) not in page] == []


def test_every_module_of_the_python_page_exists() -> None:
    named = re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)

    assert len(named) > 10
    places = {name: SOURCE.parent.joinpath(*name.split(".")) for name in named}
    assert [
        name
        for name, place in places.items()
        if not place.with_suffix(".py").is_file() and not (place / "__init__.py").is_file()
    ] == []


def test_the_example_of_the_python_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    example = page.partition("```python\n")[2].partition("```")[0]
    assert '"slide.svs"' in example

    exec(example.replace('"slide.svs"', repr(str(ROOT / "sample_data" / "synthetic_he.tif"))), {})

    assert re.search(r"\{'\w+'.*: [1-9]\d*", capsys.readouterr().out)
