"""Phantom series as DICOM: one classic MR image per slice, with nothing but what the standard names.

No vendor's private header is imitated, and there are no slice times, because all slices of a volume see the
head in one pose. The manufacturer says Philips only because dcm2niix reads the standard's diffusion tags in
classic images as Philips writes them; the model name says what it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from nibabel import orientations
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from cci.phantom.anatomy import FloatArray
from cci.phantom.diffusion import world_gradients
from cci.phantom.series import Diffusion, Series

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: One series of a visit begins this long after the one before (minutes).
_SERIES_EVERY_MIN = 10


@dataclass(frozen=True, kw_only=True)
class Visit:
    """Whose scans they are, and when.

    Attributes
    ----------
    patient_id, patient_name
        As in the headers; any text.
    study
        Tells one visit of the patient from another; series of one visit share it.
    time
        When the visit began.
    """

    patient_id: str = "phantom"
    patient_name: str = "Phantom^Head"
    study: str = "1"
    time: datetime = datetime(2024, 5, 17, 9, 30)  # noqa: DTZ001 - DICOM times are local, without a zone

    def uid(self, *parts: object) -> str:
        """Return a unique identifier for something of this visit, always the same for the same *parts*."""
        entropy = [self.patient_id, self.study, *(str(part) for part in parts)]
        return str(generate_uid(entropy_srcs=["/".join(entropy)]))


@dataclass(frozen=True, kw_only=True)
class _Stack:
    """Slices as a scanner lays them out: columns run to the left, rows to the back, slices upwards."""

    data: NDArray[np.int16]  # (columns, rows, slices, volumes)
    affine_lps: FloatArray

    @property
    def spacing_mm(self) -> FloatArray:
        spacing: FloatArray = np.linalg.norm(self.affine_lps[:3, :3], axis=0)
        return spacing

    def position_mm(self, slice_: int) -> FloatArray:
        return self.affine_lps[:3, 2] * slice_ + self.affine_lps[:3, 3]


def write_dicom(series: Series, folder: Path, *, visit: Visit | None = None, number: int = 1) -> list[Path]:
    """Write *series* as one DICOM file per slice and volume, in order of acquisition; the folder is made.

    Parameters
    ----------
    number
        The series number within the visit.

    Returns
    -------
    list of Path
        The files, volume by volume, each from the lowest slice upwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    visit = visit or Visit()
    stack = _stack(series)
    image = _series_header(series, stack, visit, number)
    written = []
    for volume in range(series.n_volumes):
        _describe_volume(image, series, volume, visit.time + timedelta(minutes=number * _SERIES_EVERY_MIN))
        for slice_ in range(stack.data.shape[2]):
            instance = volume * stack.data.shape[2] + slice_ + 1
            _describe_slice(image, stack, volume, slice_)
            _name_instance(image, instance, visit.uid(number, instance))
            path = folder / f"IM-{number:04d}-{instance:05d}.dcm"
            image.save_as(path, enforce_file_format=True)
            written.append(path)
    return written


def _stack(series: Series) -> _Stack:
    shape = series.data.shape[:3]
    before = orientations.io_orientation(series.affine)
    turn = orientations.ornt_transform(before, orientations.axcodes2ornt("LPS"))
    data = orientations.apply_orientation(series.data, turn)
    affine = series.affine @ orientations.inv_ornt_aff(turn, shape)
    return _Stack(data=data.reshape(*data.shape[:3], -1), affine_lps=_RAS_TO_LPS @ affine)


def _series_header(series: Series, stack: _Stack, visit: Visit, number: int) -> Any:
    """Return a dataset with all that the images of a series share."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.MediaStorageSOPClassUID = MRImageStorage
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID = MRImageStorage
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    image.Modality = "MR"
    image.Manufacturer, image.ManufacturerModelName = "Philips", "cci phantom"
    image.PatientID, image.PatientName = visit.patient_id, visit.patient_name
    image.StudyInstanceUID = visit.uid()
    image.SeriesInstanceUID = visit.uid(number)
    image.FrameOfReferenceUID = visit.uid("frame")
    image.StudyID = visit.study
    image.StudyDate, image.StudyTime = f"{visit.time:%Y%m%d}", f"{visit.time:%H%M%S}"
    image.SeriesNumber = number
    image.SeriesDescription = image.ProtocolName = series.description
    _describe_sequence(image, series)
    _describe_pixels(image, stack)
    return image


def _describe_sequence(image: Any, series: Series) -> None:
    planar = series.data.ndim == 4
    image.MRAcquisitionType = "2D" if planar else "3D"
    image.ScanningSequence = "EP" if planar else ["GR", "IR"]
    image.SequenceVariant = "SK" if planar else ["SP", "MP"]
    image.ScanOptions = ""
    image.MagneticFieldStrength = 3
    image.FlipAngle = 90 if planar else 9
    image.EchoTrainLength = 1
    image.RepetitionTime = _decimal(series.tr_s * 1000)
    image.EchoTime = _decimal(series.te_s * 1000)
    image.NumberOfTemporalPositions = series.n_volumes


def _describe_pixels(image: Any, stack: _Stack) -> None:
    column_mm, row_mm, slice_mm = stack.spacing_mm
    image.PatientPosition = "HFS"
    image.ImageOrientationPatient = _decimals((stack.affine_lps[:3, :2] / stack.spacing_mm[:2]).T.ravel())
    image.PixelSpacing = _decimals([row_mm, column_mm])
    image.SliceThickness = image.SpacingBetweenSlices = _decimal(slice_mm)
    image.Columns, image.Rows = stack.data.shape[:2]
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit = 15
    image.PixelRepresentation = 0


def _describe_volume(image: Any, series: Series, volume: int, start: datetime) -> None:
    moment = start + timedelta(seconds=volume * series.tr_s)
    image.AcquisitionNumber = image.TemporalPositionIdentifier = volume + 1
    image.AcquisitionDate = image.ContentDate = f"{moment:%Y%m%d}"
    image.AcquisitionTime = image.ContentTime = f"{moment:%H%M%S.%f}"
    if isinstance(series, Diffusion):
        weighted = bool(series.bvals[volume] > 0)
        gradient = world_gradients(series.bvecs[volume], series.affine) @ _RAS_TO_LPS[:3, :3] + 0.0
        image.DiffusionBValue = float(series.bvals[volume])
        image.DiffusionDirectionality = "DIRECTIONAL" if weighted else "NONE"
        image.DiffusionGradientOrientation = gradient.tolist()


def _describe_slice(image: Any, stack: _Stack, volume: int, slice_: int) -> None:
    image.ImagePositionPatient = _decimals(stack.position_mm(slice_))
    image.SliceLocation = image.ImagePositionPatient[2]
    pixels = stack.data[:, :, slice_, volume].T.astype("<u2")
    image.add_new("PixelData", "OW", pixels.tobytes())


def _name_instance(image: Any, instance: int, uid: str) -> None:
    image.InstanceNumber = instance
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid


def _decimal(value: float) -> str:
    # a decimal string has at most 16 characters
    return str(format_number_as_ds(float(value)))


def _decimals(values: Iterable[float]) -> list[str]:
    return [_decimal(value) for value in values]
