"""Renew requirements/: the versions that `make run`, `make test` and `make docs` install.

`make lock` adds what pyproject.toml asks for and the lock lacks, and keeps the rest. `make update` takes the newest of
everything that pyproject.toml allows (--upgrade) and then runs the tests. uv does the work, in an environment that is
thrown away; it reads what the index says about each version and downloads no package.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"
EXTRAS = ("app", "cluster", "dev", "dev-app")
# The oldest systems that need no compiler (Qt for ARM is made on a newer one). No torch is made for Intel Macs.
PLATFORMS = ("x86_64-manylinux_2_35", "aarch64-manylinux_2_39", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")
OLDEST_MAC = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
HEADER = """\
# The versions that {command} installs, with the hash of every file of each. Renewed by `make update`, added to by
# `make lock`; what is wanted stands in pyproject.toml. CONTRIBUTING.md says how to take another build of torch.
"""


def main() -> None:
    """Renew both locks, or leave them as they are and say why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take the newest of everything")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pythons = supported_pythons(pyproject)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_uv = Uv(folder / "environment")
        build = written(folder / "build.in", pyproject["build-system"]["requires"])
        docs = written(folder / "docs.in", pyproject["project"]["optional-dependencies"]["docs"])
        extras = [argument for extra in EXTRAS for argument in ("--extra", extra)]
        lock = run_uv.lock(folder / "lock.txt", pythons[0], "pyproject.toml", build, *extras, *upgrade)
        docs_lock = run_uv.lock(folder / "docs.txt", pythons[0], docs, "--constraints", lock, *upgrade)
        for new in (lock, docs_lock):
            run_uv.check_wheels(new, pythons)
        keep(lock, "`make setup`")
        keep(docs_lock, "`make docs`")


def supported_pythons(pyproject: dict) -> list[str]:
    """Python's versions that the classifiers name, oldest first."""
    versions = {line.rsplit(" ", 1)[1] for line in pyproject["project"]["classifiers"] if "Python :: 3." in line}
    return sorted(versions, key=lambda version: int(version.split(".")[1]))


def written(path: Path, lines: list[str]) -> Path:
    """`path`, holding `lines`."""
    path.write_text("\n".join(lines) + "\n")
    return path


class Uv:
    """uv, installed in an environment of its own."""

    def __init__(self, environment: Path) -> None:
        venv.create(environment, with_pip=True)
        self._python = environment / "bin" / "python"
        self._pip("install", "--quiet", "uv")

    def lock(self, new: Path, oldest_python: str, *arguments: str | Path) -> Path:
        """Write the lock `new` for all platforms, near the versions that are locked now."""
        if (LOCKS / new.name).exists():
            shutil.copy(LOCKS / new.name, new)
        bounds = [argument for path in self._bounds_of_this_machine() for argument in ("--constraints", path)]
        # One version for every Python where there is one: then what was tested with one is what the others get.
        few = ["--fork-strategy", "fewest"]
        options = ["--universal", "--python-version", oldest_python, *few, "--generate-hashes", *bounds]
        if self._compile(new, *options, *arguments):
            raise SystemExit("lock: there is no set of versions that fits; the reason is above. Nothing was changed.")
        return new

    def check_wheels(self, lock: Path, pythons: list[str]) -> None:
        """Stop when a person on some machine would have to compile a package of the lock."""
        for platform in PLATFORMS:
            for python in pythons:
                wanted = ["--no-deps", "--only-binary", ":all:", "--python-platform", platform]
                if self._compile(lock.with_suffix(".checked"), lock, *wanted, "--python-version", python):
                    raise SystemExit(
                        f"lock: the new {lock.name} does not serve Python {python} on {platform}; the package is named"
                        " above. Nothing was changed. Put a bound on it in pyproject.toml, with the reason."
                    )

    def _compile(self, output: Path, *arguments: str | Path) -> int:
        plain = ["--quiet", "--no-config", "--no-header", "--no-annotate", "--output-file", output]
        command = [self._python, "-m", "uv", "pip", "compile", *plain, *arguments]
        return subprocess.run(command, cwd=ROOT, env=os.environ | OLDEST_MAC, check=False).returncode

    def _bounds_of_this_machine(self) -> list[str]:
        # What binds this machine's pip binds the lock too, or the tests could not run with what is locked.
        listing = self._pip("config", "list")
        values = [line.partition("=")[2].strip("'\"") for line in listing.splitlines() if ".constraint=" in line]
        return sorted({path for value in values for path in value.replace("\\n", " ").split()})

    def _pip(self, *arguments: str) -> str:
        command = [self._python, "-m", "pip", "--disable-pip-version-check", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def keep(new: Path, command: str) -> None:
    """Put the new lock in its place, and say what changed."""
    place = LOCKS / new.name
    before, now = pins(place.read_text()) if place.exists() else set(), pins(new.read_text())
    LOCKS.mkdir(exist_ok=True)
    place.write_text(HEADER.format(command=command) + new.read_text())
    changes = [f"- {pin}" for pin in sorted(before - now)] + [f"+ {pin}" for pin in sorted(now - before)]
    for change in changes or ["holds what it held"]:
        print(f"{new.name} {change}")


def pins(text: str) -> set[str]:
    """Find each name==version in a lock."""
    return {line.split()[0] for line in text.splitlines() if "==" in line.split(" ")[0]}


if __name__ == "__main__":
    sys.exit(main())
