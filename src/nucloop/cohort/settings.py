"""What a cohort's slides are worked on with: the part of project.yaml that decides about results."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nucloop.configuration import read_strictly
from nucloop.detection.spec import CONTRAST, InferenceConfig, PipelineSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CohortSettings"]


@read_strictly
@dataclass(frozen=True, kw_only=True)
class CohortSettings:
    """How every slide of a cohort is worked on. A result made with others is stale."""

    detector: str = "denuc-mobilenet"
    """Shipped name, or path of a .safetensors file that every worker can read."""
    encoder: str | None = None
    head: str | None = None
    threshold: float | None = None
    """Detection score; the detector's own where nobody says one."""
    contrast: float = CONTRAST
    """Optical density by which a nucleus must be darker than its surroundings; 0 keeps points on bare glass as well."""
    outlines: bool = False
    """Whether nuclei get outlines."""
    shape: str | None = None
    """Whose outlines."""
    measurements: bool = False
    """Whether size, shape and stains of nuclei are measured; that needs outlines."""
    geojson: bool = False
    """Whether each result holds a file for QuPath, too."""
    sessions: bool = False
    """Whether each slide gets a session, in the folder sessions."""
    ki67: bool = True
    """Whether the Ki-67 index is measured where classes or DAB tell it."""
    dab: bool = False
    """Whether DAB tells it also where classes could; H-score and Allred's come from DAB alone."""
    dab_threshold: float | None = None
    """Optical density from which a nucleus is positive; None finds it on each slide anew."""
    grades: tuple[float, float] | None = None
    """Optical densities from which a nucleus is 2+ and 3+; None sets them by where it is positive."""

    def __post_init__(self) -> None:
        if self.measurements and not (self.outlines or self.shape):
            raise ValueError("measurements need outlines: true")
        if self.dab and not self.ki67:
            raise ValueError("dab needs ki67: true")
        if self.dab_threshold is not None and not self.dab_threshold > 0:
            raise ValueError("dab_threshold must lie above 0")
        if self.grades is not None and not 0 < self.grades[0] <= self.grades[1]:
            raise ValueError("grades must ascend, and both lie above 0")
        self.spec("cpu")

    def spec(self, device: str) -> PipelineSpec:
        """Return the pipeline on a device."""
        config = InferenceConfig(threshold=self.threshold, contrast=self.contrast)
        return PipelineSpec(self.detector, self.encoder, self.head, device, config, self.outlines, self.shape)

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)

    def deciding(self, hashes: Mapping[str, str]) -> dict[str, Any]:
        """Return what decides about a result, with the hashes of the networks in place of their names."""
        own = {key: value for key, value in self.to_dict().items() if key not in ("encoder", "head", "shape")}
        return {**own, "detector": "", "models": dict(hashes)}
