"""Press anything in a window with every dock, in no order at all, and see what it does not survive.

    tools/in-window.sh .venv/bin/python -m tests.monkey --minutes 9 [--seed N]

Ends with 1 when something was raised, with 3 when memory grew beyond bounds, and with a traceback when the window stood
still. What was done last stands with each fault, all of it in build/monkey. A seed gives the same choices, not the
same run: what a window offers depends on how far its work in the background has come.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

KEPT = Path("build/monkey")


def main() -> int:
    """Go on for as long as was asked for."""
    options = argparse.ArgumentParser(prog="python -m tests.monkey", description=__doc__)
    options.add_argument("--minutes", type=float, default=9.0)
    options.add_argument("--seed", type=int, default=int(time.time()))
    asked = options.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with TemporaryDirectory(prefix="nucloop-monkey-") as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        return _run(Path(folder), asked.seed, asked.minutes)


def _run(folder: Path, seed: int, minutes: float) -> int:
    import napari
    import npe2
    from qtpy.QtCore import QSettings
    from tests.monkey.answers import answer_dialogs, prepare_slides
    from tests.monkey.hand import Hand
    from tests.monkey.watch import Watch

    from nucloop.sample_files import sample_folder

    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    KEPT.mkdir(parents=True, exist_ok=True)
    viewer, random = napari.Viewer(title="NucLoop"), Random(seed)
    watch = Watch(KEPT / f"{seed}.txt")
    slides = prepare_slides(folder, sample_folder() / "ki67.ome.tif")
    answer_dialogs(folder, random, watch.did)
    widgets = npe2.PluginManager.instance().get_manifest("napari-nucloop").contributions.widgets or []
    titles = [widget.display_name for widget in widgets]
    hand = Hand(viewer, titles, slides, random, watch)
    hand.open(slides[0])
    for title in titles:
        viewer.window.add_plugin_dock_widget("napari-nucloop", title)
    end, done = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end and viewer.window._qt_window.isVisible():
        try:
            hand.act()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault
            watch.fault(repr(error)[:200], traceback.format_exc())
        done += 1
    print(f"{done:,} things done, {watch.faults.total()} faults of {len(watch.faults)} kinds", flush=True)
    # what still runs in the background has been watched long enough
    os._exit(int(bool(watch.faults)))


if __name__ == "__main__":
    sys.exit(main())
