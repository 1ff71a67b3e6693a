"""Training and measuring in turn: each fold is measured by a network that saw none of its patients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.export.folds import divide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.evaluation.dataset import Evaluation
    from nucloop.training.datasets import Dataset, Field

__all__ = ["CrossValidation", "in_folds"]


def in_folds(dataset: Dataset, folds: int) -> list[tuple[list[Field], list[Field]]]:
    """Divide a data set's fields by patient (`Field.group`), the classes shared out evenly.

    Returns
    -------
    list of (list of Field, list of Field)
        For each fold, what to train on and what to measure on.

    Raises
    ------
    DataError
        If there are fewer patients than folds.
    """
    kinds = len(dataset.scheme) + 1
    groups: dict[str, np.ndarray] = {}
    for one in dataset.fields:
        counts = np.bincount(one.label.astype(np.int64) + 1, minlength=kinds)
        groups[one.group] = groups.get(one.group, np.zeros(kinds, np.int64)) + counts
    fold = divide(groups, folds, 0.0)
    return [
        ([f for f in dataset.fields if fold[f.group] != k], [f for f in dataset.fields if fold[f.group] == k])
        for k in range(folds)
    ]


@dataclass
class CrossValidation:
    """Figures of the runs so far, each a fold and a repeat."""

    runs: list[dict[str, Any]] = field(default_factory=list)

    def add(self, fold: int, repeat: int, evaluation: Evaluation, *, named: bool = True) -> None:
        """Note a run's figures; those of classes only where the network that was trained has `named` them itself."""
        total = evaluation.total if named else replace(evaluation.total, names=(), classes=())
        self.runs.append({"fold": fold, "repeat": repeat, "n_images": len(evaluation.fields), **total.to_dict()})

    def summary(self) -> dict[str, dict[str, float | int | None]]:
        """Mean F1 over the runs, its standard deviation, and that of the repeats' means over folds, by what is counted.

        The first deviation holds how different the folds are, the second only how different two trainings are. None
        where there is one run, or one repeat.
        """
        figures: dict[str, list[float | None]] = {"detection": [run["detection"]["f1"] for run in self.runs]}
        names = dict.fromkeys(name for run in self.runs for name in run["classes"])
        for name in names:
            figures[name] = [run["classes"].get(name, {}).get("f1") for run in self.runs]
        if names:
            figures["mean of classes"] = [run["mean_f1"] for run in self.runs]
        return {name: self._described(values) for name, values in figures.items()}

    def _described(self, values: Sequence[float | None]) -> dict[str, float | int | None]:
        known = [v for v in values if v is not None]
        repeats: dict[int, list[float]] = {}
        for run, value in zip(self.runs, values, strict=True):
            if value is not None:
                repeats.setdefault(run["repeat"], []).append(value)
        means = [float(np.mean(some)) for some in repeats.values()]
        return {
            "mean": float(np.mean(known)),
            "deviation": _deviation(known),
            "deviation_of_repeats": _deviation(means),
            "runs": len(known),
        }


def _deviation(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
