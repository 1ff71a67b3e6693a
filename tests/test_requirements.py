"""The lock that `make setup` installs holds what pyproject.toml asks for."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "requirements"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CLASSIFIERS = PYPROJECT["project"]["classifiers"]
PYTHONS = re.findall(r"Python :: (3\.\d+)", "\n".join(CLASSIFIERS))
PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}


def blocks(lock: str) -> Iterator[str]:
    """Each package of a lock: its version, and below it its hashes."""
    text = "\n".join(line for line in (LOCKS / lock).read_text().splitlines() if not line.startswith("#"))
    yield from re.findall(r"^\S.*(?:\n    .*)*", text, re.MULTILINE)


def locked(lock: str, python: str, platform: str) -> dict[str, list[Version]]:
    """Which versions of each package pip would install."""
    environment = PLATFORMS[platform] | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    versions: dict[str, list[Version]] = {}
    for block in blocks(lock):
        one = Requirement(block.splitlines()[0].rstrip(" \\"))
        if one.marker is None or one.marker.evaluate(environment):
            (pin,) = one.specifier
            versions.setdefault(canonicalize_name(one.name), []).append(Version(pin.version))
    return versions


def installed_extras() -> list[str]:
    """The extras that `make setup` installs."""
    found = re.search(r"^wanted='\.\[(.*)\]'$", (ROOT / "tools" / "setup.sh").read_text(), re.MULTILINE)
    assert found is not None
    return found.group(1).split(",")


def everyday_requirements() -> list[Requirement]:
    extras = PYPROJECT["project"]["optional-dependencies"]
    texts = [*PYPROJECT["build-system"]["requires"], *PYPROJECT["project"]["dependencies"]]
    return [Requirement(text) for text in texts + [text for name in installed_extras() for text in extras[name]]]


def docs_requirements() -> list[Requirement]:
    return [Requirement(text) for text in PYPROJECT["project"]["optional-dependencies"]["docs"]]


def missing(requirements: list[Requirement], versions: dict[str, list[Version]]) -> list[str]:
    return [
        f"{wanted}: locked {', '.join(map(str, found)) or 'not at all'}"
        for wanted in requirements
        if len(found := versions.get(canonicalize_name(wanted.name), [])) != 1 or found[0] not in wanted.specifier
    ]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_one_version_of_all_that_is_asked_for_within_its_bounds(python: str, platform: str) -> None:
    assert len(everyday_requirements()) > 40
    assert missing(everyday_requirements(), locked("lock.txt", python, platform)) == [], "make lock"
    assert missing(docs_requirements(), locked("docs.txt", python, platform)) == [], "make lock"


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_manual_is_built_with_the_versions_that_the_tests_have(python: str, platform: str) -> None:
    everyday, docs = locked("lock.txt", python, platform), locked("docs.txt", python, platform)
    shared = docs.keys() & everyday

    assert [name for name in sorted(shared) if docs[name] != everyday[name]] == []


@pytest.mark.parametrize("lock", ["lock.txt", "docs.txt"])
def test_every_locked_version_has_hashes(lock: str) -> None:
    assert [block for block in blocks(lock) if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []


@pytest.mark.parametrize("lock", ["lock.txt", "docs.txt"])
def test_no_lock_says_from_where_to_take_a_package(lock: str) -> None:
    text = (LOCKS / lock).read_text()

    assert "://" not in text
    assert re.findall(r"^(?!#|[a-z0-9]|    --hash=).+$", text, re.MULTILINE) == []
