"""DICOM slides as a scanner writes them: one file a level, tiles in order, in one series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    VLWholeSlideMicroscopyImageStorage,
    generate_uid,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TILE = 64


def write_dicom_slide(
    folder: Path,
    pixels: NDArray[np.uint8],
    *,
    levels: int = 2,
    mpp: float = 0.25,
    jpeg: bool = False,
    planes: int = 1,
    kind: str = "VOLUME",
    series: str | None = None,
    description: str = "",
    start: int = 0,
) -> list[Path]:
    """Write a pyramid, each level half the last one; returns a file for each, the finest first."""
    folder.mkdir(exist_ok=True, parents=True)
    common = Dataset()
    common.StudyInstanceUID, common.FrameOfReferenceUID = generate_uid(), generate_uid()
    common.SeriesInstanceUID = series or generate_uid()
    common.SeriesDescription = description
    paths = []
    for number in range(levels):
        step = 2**number
        level = pixels[::step, ::step]
        paths.append(folder / f"{start + number}.dcm")
        _level(common, level, mpp * step, number, kind, jpeg, planes).save_as(paths[-1], enforce_file_format=True)
    return paths


def _level(
    common: Dataset, pixels: NDArray[np.uint8], mpp: float, number: int, kind: str, jpeg: bool, planes: int
) -> Dataset:
    said = Dataset()
    said.update(common)
    said.SOPClassUID, said.SOPInstanceUID = VLWholeSlideMicroscopyImageStorage, generate_uid()
    said.PatientName = said.PatientID = said.PatientBirthDate = said.PatientSex = ""
    said.AccessionNumber = said.StudyID = said.StudyDate = said.StudyTime = said.ReferringPhysicianName = ""
    said.Modality, said.SeriesNumber, said.InstanceNumber = "SM", 1, number + 1
    said.ImageType = ["ORIGINAL" if number == 0 else "DERIVED", "PRIMARY", kind, "NONE"]
    said.ContainerIdentifier, said.ContentDate, said.ContentTime = "case-1", "20260101", "120000"
    said.AcquisitionDateTime = "20260101120000"
    height, width, samples = pixels.shape
    said.TotalPixelMatrixRows, said.TotalPixelMatrixColumns = height, width
    said.Rows = said.Columns = TILE
    said.SamplesPerPixel, said.BitsAllocated, said.BitsStored, said.HighBit = samples, 8, 8, 7
    said.PixelRepresentation, said.PlanarConfiguration = 0, 0
    said.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "YBR_FULL_422" if jpeg else "RGB"
    said.LossyImageCompression = "01" if jpeg else "00"
    said.DimensionOrganizationType = "TILED_FULL"
    said.VolumetricProperties, said.SpecimenLabelInImage, said.BurnedInAnnotation = "VOLUME", "NO", "NO"
    said.FocusMethod, said.ExtendedDepthOfField = "AUTO", "NO"
    said.ImagedVolumeWidth, said.ImagedVolumeHeight, said.ImagedVolumeDepth = width * mpp / 1e3, height * mpp / 1e3, 1.0
    said.TotalPixelMatrixFocalPlanes, said.NumberOfOpticalPaths = planes, 1
    said.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    said.TotalPixelMatrixOriginSequence = [Dataset()]
    origin = said.TotalPixelMatrixOriginSequence[0]
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = 10.0
    path = Dataset()
    path.OpticalPathIdentifier, path.ObjectiveLensPower = "0", 40.0
    said.OpticalPathSequence = [path]
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [mpp / 1e3, mpp / 1e3], 0.001
    measures.SpacingBetweenSlices = 0.001
    shared.PixelMeasuresSequence = [measures]
    shared.WholeSlideMicroscopyImageFrameTypeSequence = [Dataset()]
    shared.WholeSlideMicroscopyImageFrameTypeSequence[0].FrameType = said.ImageType
    said.SharedFunctionalGroupsSequence = [shared]
    tiles = _tiles(pixels) * planes
    said.NumberOfFrames = len(tiles)
    _put_pixels(said, tiles, jpeg)
    return said


def _tiles(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    height, width, _ = pixels.shape
    rows, columns = -(-height // TILE), -(-width // TILE)
    padded = np.pad(pixels, ((0, rows * TILE - height), (0, columns * TILE - width), (0, 0)), constant_values=255)
    return [
        padded[y : y + TILE, x : x + TILE] for y in range(0, rows * TILE, TILE) for x in range(0, columns * TILE, TILE)
    ]


def _put_pixels(said: Dataset, tiles: list[NDArray[np.uint8]], jpeg: bool) -> None:
    said.file_meta = FileMetaDataset()
    said.file_meta.MediaStorageSOPClassUID = said.SOPClassUID
    said.file_meta.MediaStorageSOPInstanceUID = said.SOPInstanceUID
    if not jpeg:
        said.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        said.PixelData = b"".join(np.ascontiguousarray(tile).tobytes() for tile in tiles)
        return
    said.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    coded: list[Any] = [imagecodecs.jpeg_encode(np.ascontiguousarray(tile), level=95) for tile in tiles]
    said.PixelData = encapsulate(coded)
    said["PixelData"].VR = "OB"
