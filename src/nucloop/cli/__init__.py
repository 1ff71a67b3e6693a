"""The command line: the same work as in the window, for scripts and cohorts."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from nucloop.cli.terminal import complain
from nucloop.errors import NucLoopError

__all__ = ["app", "main"]

_COMMANDS = {
    "detect": "detect.detect",
    "classify": "classify.classify",
    "learn": "learn.learn_command",
    "learn-outlines": "learn_outlines.learn_outlines_command",
    "train": "train.train",
    "evaluate": "evaluate.evaluate_command",
    "compare-detectors": "compare_detectors.compare_detectors_command",
    "cross-validate": "cross_validate.cross_validate_command",
    "score": "score.score_command",
    "measure": "measure.measure_command",
    "ki67": "ki67.ki67_command",
    "agree": "agree.agree_command",
    "cohort": "cohort.cohort",
    "package": "package.package",
    "convert": "convert.convert",
    "repair": "repair.repair_command",
    "export-dataset": "export_dataset.export_dataset_command",
    "models": "models.models",
    "app": "window.app_command",
}
"""Module and function, or group, of each command."""
_BELOW = {"train": {"head": "train_head.train_head_command", "shape": "train_shape.train_shape_command"}}
"""What is added to a group from modules of their own."""


class _Commands(TyperGroup):
    """Loads a command when somebody asks for it: all of them together take seconds, and hundreds of MB."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # what is misspelt is compared with these names
        self.commands: dict[str, Any] = dict.fromkeys(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None where there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        if self.commands.get(cmd_name) is None:
            found = _loaded(_COMMANDS[cmd_name])
            group = found if isinstance(found, typer.Typer) else _alone(cmd_name, found)
            for name, place in _BELOW.get(cmd_name, {}).items():
                if name not in {one.name for one in group.registered_commands}:
                    group.command(name)(_loaded(place))
            self.commands[cmd_name] = get_command(group)
            self.commands[cmd_name].name = cmd_name
        return self.commands[cmd_name]


def _loaded(place: str) -> Any:
    module, name = place.split(".")
    return getattr(import_module(f"nucloop.cli.{module}"), name)


def _alone(name: str, command: Any) -> typer.Typer:
    made = typer.Typer(add_completion=False)
    made.command(name)(command)
    return made


app = typer.Typer(
    name="nucloop",
    cls=_Commands,
    help="Detect and classify cell nuclei on pathology slides, correct them, learn, measure, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _nothing_more() -> None:
    """Typer asks for it: a group without a command of its own has one."""


def main() -> None:
    """Run the command line; a person sees a sentence instead of a traceback."""
    try:
        app()
    except NucLoopError as error:
        complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        complain("stopped.")
        sys.exit(130)
