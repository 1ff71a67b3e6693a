"""Ki-67 of one slide, from nuclei to a report: what counts as positive, the index, thumbnails and provenance."""

from nucloop.ki67.measurement import Ki67Result, Ki67Settings, measure
from nucloop.ki67.report import Provenance, report_html

__all__ = ["Ki67Result", "Ki67Settings", "Provenance", "measure", "report_html"]
