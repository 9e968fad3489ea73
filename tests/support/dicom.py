"""DICOM files for tests: headers and four voxels, written by pydicom. The images mean nothing."""

from __future__ import annotations

import io

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid


def uid(*parts: object) -> str:
    """Return a unique identifier that is always the same for the same parts."""
    return str(generate_uid(entropy_srcs=["/".join(map(str, parts))]))


def dicom(study: str = "1", series: int = 1, instance: int = 1, **headers: object) -> bytes:
    """Return a DICOM file of this study, series and instance; *headers* go over the usual ones."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = uid(study, series, instance)
    image = Dataset()
    image.file_meta = meta
    usual: dict[str, object] = {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": uid(study, series, instance),
        "StudyInstanceUID": uid(study),
        "SeriesInstanceUID": uid(study, series),
        "SeriesNumber": series,
        "InstanceNumber": instance,
        "Modality": "MR",
        "PatientName": "Doe^Jane",
        "PatientID": "jane 01",
        "StudyDate": "20260102",
        "StudyTime": "030405.600",
        "StationName": "MRC1",
        "Manufacturer": "SIEMENS",
        "MagneticFieldStrength": 3,
        "SeriesDescription": f"series {series}",
        "RepetitionTime": 2000.5,
        "PixelSpacing": [1.5, 2.5],
        "SliceThickness": 3,
        "Rows": 2,
        "Columns": 2,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": bytes(8),
    }
    for name, value in {**usual, **headers}.items():
        setattr(image, name, value)
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
