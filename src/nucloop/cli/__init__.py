"""The command line: the same work as in the window, for scripts and cohorts."""

import sys

import typer

from nucloop.cli.agree import agree_command
from nucloop.cli.app import app_command
from nucloop.cli.classify import classify
from nucloop.cli.cohort import cohort
from nucloop.cli.compare_detectors import compare_detectors_command
from nucloop.cli.convert import convert
from nucloop.cli.cross_validate import cross_validate_command
from nucloop.cli.detect import detect
from nucloop.cli.evaluate import evaluate_command
from nucloop.cli.export_dataset import export_dataset_command
from nucloop.cli.ki67 import ki67_command
from nucloop.cli.learn import learn_command
from nucloop.cli.measure import measure_command
from nucloop.cli.models import models
from nucloop.cli.package import package
from nucloop.cli.repair import repair_command
from nucloop.cli.score import score_command
from nucloop.cli.terminal import complain
from nucloop.cli.train import train
from nucloop.cli.train_head import train_head_command
from nucloop.cli.train_shape import train_shape_command
from nucloop.errors import NucLoopError

__all__ = ["app", "main"]

app = typer.Typer(
    name="nucloop",
    help="Detect and classify cell nuclei on pathology slides, correct them, learn, measure, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("detect")(detect)
app.command("classify")(classify)
app.command("learn")(learn_command)
train.command("head")(train_head_command)
train.command("shape")(train_shape_command)
app.add_typer(train, name="train")
app.command("evaluate")(evaluate_command)
app.command("compare-detectors")(compare_detectors_command)
app.command("cross-validate")(cross_validate_command)
app.command("score")(score_command)
app.command("measure")(measure_command)
app.command("ki67")(ki67_command)
app.command("agree")(agree_command)
app.add_typer(cohort, name="cohort")
app.add_typer(package, name="package")
app.command("convert")(convert)
app.command("repair")(repair_command)
app.command("export-dataset")(export_dataset_command)
app.command("models")(models)
app.command("app")(app_command)


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
