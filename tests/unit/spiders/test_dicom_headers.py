"""What is read from headers that the installed sample files do not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian

from cci.spiders.dicom_headers import Image, read_image


def item(**values: Any) -> list[Dataset]:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return [made]


def frame(height_mm: float, b_value: float, directionality: str) -> Dataset:
    diffusion = item(DiffusionBValue=b_value, DiffusionDirectionality=directionality)
    if directionality == "DIRECTIONAL":
        direction = item(DiffusionGradientOrientation=[0.0, 0.0, 1.0])
        diffusion[0].DiffusionGradientDirectionSequence = direction
    place = item(ImagePositionPatient=[-3.0, -1.0, height_mm])
    return item(MRDiffusionSequence=diffusion, PlanePositionSequence=place)[0]


@pytest.fixture
def enhanced(tmp_path: Path) -> Image:
    """Return an enhanced image of two slices: b = 0, one direction, and the trace."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = EnhancedMRImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = "1.2.3"
    header.Rows, header.Columns = 3, 4
    header.SeriesNumber, header.SeriesDescription = 5, "DWI"
    header.SharedFunctionalGroupsSequence = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelMeasuresSequence=item(PixelSpacing=[1.0, 2.0]),
        MREchoSequence=item(EffectiveEchoTime=85.0),
        MRImageFrameTypeSequence=item(FrameType=["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]),
    )
    kinds = [(0.0, "NONE"), (1000.0, "DIRECTIONAL"), (1000.0, "ISOTROPIC")]
    header.PerFrameFunctionalGroupsSequence = [frame(z, b, kind) for b, kind in kinds for z in (0.0, 2.5)]
    header.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    image = read_image(tmp_path / "enhanced.dcm")
    assert image is not None
    return image


def test_frames_have_their_own_and_shared_attributes(enhanced: Image) -> None:
    """Position and weighting are each frame's own; orientation, spacing and echo time are shared."""
    heights = [plane.place.position_mm[2] for plane in enhanced.planes if plane.place is not None]
    spacings = [plane.place.spacing_mm.tolist() for plane in enhanced.planes if plane.place is not None]
    assert [0.0, 2.5] * 3 == heights
    assert [[2.0, 1.0]] * 6 == spacings
    assert ({85.0}, "5 DWI") == ({plane.echo_time_ms for plane in enhanced.planes}, enhanced.series)


def test_frames_tell_their_weighting(enhanced: Image) -> None:
    """b-values come from each frame, directions where there are any, and the trace counts as derived."""
    assert [0.0, 0.0, 1000.0, 1000.0, 1000.0, 1000.0] == [plane.b_value for plane in enhanced.planes]
    assert [False] * 4 + [True] * 2 == [plane.derived for plane in enhanced.planes]
    directions = [plane.gradient for plane in enhanced.planes if plane.gradient is not None]
    np.testing.assert_array_equal([[0.0, 0.0, 1.0]] * 2, directions)
