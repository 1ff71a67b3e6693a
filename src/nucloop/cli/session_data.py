"""The annotated regions of sessions as a data set to measure on."""

from contextlib import ExitStack
from pathlib import Path

from nucloop.export.build import DatasetConfig, export_dataset
from nucloop.export.cutting import CutConfig
from nucloop.session.training_sources import files_of, source_of
from nucloop.training.datasets import Dataset, open_dataset

__all__ = ["SESSION", "session_dataset"]

SESSION = "session"
"""What stands before the path of a session where a data set is asked for."""


def session_dataset(path: Path, folder: Path) -> Dataset:
    """Cut the regions of a session, or of all in a folder, into one image each; what is not annotated is white.

    Parameters
    ----------
    path : Path
        A session beside its slide, or a folder of them; all with the same classes.
    folder : Path
        Where the images go; the data set reads them from there.

    Raises
    ------
    NucLoopError
        If a session or its slide cannot be read, or a large slide has no regions.
    """
    target = folder / "set"
    config = DatasetConfig(name=path.name, cut=CutConfig(size=None), group_by="slide", folds=1)
    with ExitStack() as opened:
        first, *others = files_of([path])
        sources = [source_of(first, None, {}, opened)]
        sources += [source_of(one, sources[0].nuclei.scheme, {}, opened) for one in others]
        for _ in export_dataset(sources, target, config):
            pass
    return open_dataset(f"nucloop:{target}", "train")
