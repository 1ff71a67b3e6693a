"""What the thread of a detection run does: load the models, then tile after tile, without those that are finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.gui.canvas.layer_slide import mpp_of_layer, slide_of_layer
from nucloop.gui.detect.pipelines import load_pipeline
from nucloop.gui.detect.unfinished import Unfinished, key_of, not_finished

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.layers import Image

    from nucloop.detection.pipeline import Pipeline, TileResult
    from nucloop.detection.spec import PipelineSpec
    from nucloop.geometry import Region
    from nucloop.slides import Box

__all__ = ["ModelsLoaded", "detection_steps"]


class ModelsLoaded:
    """The first thing a run has to say: its models are loaded, and what of it is finished already."""

    def __init__(self, pipeline: Pipeline, unfinished: Unfinished) -> None:
        self.pipeline, self.unfinished = pipeline, unfinished


def detection_steps(
    image: Image,
    regions: Sequence[Box | Region] | None,
    centre: tuple[float, float] | None,
    choice: PipelineSpec,
    stopped: Unfinished | None,
) -> Iterator[ModelsLoaded | TileResult]:
    """First the pipeline, then its tiles. Runs in the job's thread.

    Parameters
    ----------
    image : Image layer
        What to detect on.
    regions : sequence of Box or Region, or None
        Level-0 pixels; None is the whole slide.
    centre : (y, x) or None
        Where to begin, level-0 pixels.
    choice : PipelineSpec
        The models.
    stopped : Unfinished or None
        The run that was stopped last on this image; where it is another one, all tiles are computed.
    """
    pipeline = load_pipeline(choice)
    key = key_of(pipeline, regions, mpp_of_layer(image))
    if stopped is None or stopped.key != key or not stopped.boxes:
        yield ModelsLoaded(pipeline, Unfinished(key))
        with slide_of_layer(image) as slide:
            yield from pipeline.run(slide, regions, centre=centre)
        return
    with slide_of_layer(image) as slide:
        plan = pipeline.plan(slide, regions, centre=centre)
        left = not_finished([box for _, box in plan], stopped.boxes)
        stopped.kept = len(plan) - len(left)
        yield ModelsLoaded(pipeline, stopped)
        yield from pipeline.run(slide, regions, tiles=[plan[place][0] for place in left])
