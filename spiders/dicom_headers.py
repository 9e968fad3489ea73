"""What DICOM headers say of a scan: its planes, each with place, kind and diffusion weighting.

Reads headers only, never pixels. Knows classic images, Siemens mosaics and enhanced multi-frame images.
Coordinates are DICOM's: LPS+, mm.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from cci.spiders.staging import BadInput

FloatArray = NDArray[np.float64]

_SIEMENS_CREATOR, _SIEMENS_B, _SIEMENS_DIRECTION = (0x0019, 0x0010), (0x0019, 0x100C), (0x0019, 0x100E)
#: What pydicom raises on broken headers.
_BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """Where in the patient a plane lies.

    Attributes
    ----------
    orientation
        Unit vectors along a row and along a column, LPS+, shape (2, 3).
    position_mm
        Centre of the first voxel, LPS+, shape (3,).
    spacing_mm
        Distance between columns, then between rows, shape (2,).
    """

    orientation: FloatArray
    position_mm: FloatArray
    spacing_mm: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Plane:
    """One slice of one volume.

    Attributes
    ----------
    place
        None where the header does not say where it lies.
    echo_time_ms
        Echo time (ms), None where there is none.
    image_type
        The words of ImageType, in capitals.
    b_value
        Diffusion weighting (s/mm²), None where the header tells none.
    gradient
        Unit direction of the gradient, LPS+, shape (3,), None where there is none.
    isotropic
        Whether it is the mean over several gradients.
    """

    columns: int
    rows: int
    place: Place | None
    echo_time_ms: float | None
    image_type: tuple[str, ...]
    b_value: float | None = None
    gradient: FloatArray | None = None
    isotropic: bool = False

    @property
    def derived(self) -> bool:
        """Whether it was computed from other images (ADC, trace, projections …)."""
        return self.isotropic or self.image_type[:1] == ("DERIVED",)


@dataclass(frozen=True, kw_only=True)
class Image:
    """One DICOM file with its planes."""

    path: Path
    uid: str
    series_uid: str
    series: str
    planes: tuple[Plane, ...]


def read_image(path: Path) -> Image | None:
    """Read a file's header; None if it is no DICOM file or holds no image.

    Raises
    ------
    BadInput
        If the header cannot be understood (``corrupt-dicom``).
    """
    try:
        with warnings.catch_warnings():
            # archives are full of headers that bend the standard; what matters is checked by name
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True)
            return _image(path, header) if "Rows" in header else None
    except InvalidDicomError:
        return None
    except _BROKEN as error:
        raise BadInput("corrupt-dicom", f"the header of {path.name!r} is broken: {error}") from error


def _image(path: Path, header: Any) -> Image:
    if "PerFrameFunctionalGroupsSequence" in header:
        planes = tuple(_enhanced_planes(header))
    elif "MOSAIC" in _words(header.get("ImageType")):
        planes = tuple(_mosaic_planes(header))
    else:
        planes = (_classic_plane(header),)
    return Image(
        path=path,
        uid=str(header.get("SOPInstanceUID", path)),
        series_uid=str(header.get("SeriesInstanceUID", "")),
        series=f"{header.get('SeriesNumber', '?')} {header.get('SeriesDescription', '')}".strip(),
        planes=planes,
    )


def _classic_plane(header: Any) -> Plane:
    b_value, gradient = _classic_diffusion(header)
    return Plane(
        columns=int(header.Columns),
        rows=int(header.Rows),
        place=_place(
            header.get("ImageOrientationPatient"),
            header.get("ImagePositionPatient"),
            header.get("PixelSpacing"),
        ),
        echo_time_ms=_number(header.get("EchoTime")),
        image_type=_words(header.get("ImageType")),
        b_value=b_value,
        gradient=gradient,
        isotropic=header.get("DiffusionDirectionality") == "ISOTROPIC",
    )


def _classic_diffusion(header: Any) -> tuple[float | None, FloatArray | None]:
    """Return b-value and gradient from the standard's tags, else from Siemens's own."""
    if "DiffusionBValue" in header:
        return _number(header.DiffusionBValue), _vector(header.get("DiffusionGradientOrientation"))
    creator = header.get(_SIEMENS_CREATOR)
    if creator is None or creator.value != "SIEMENS MR HEADER" or _SIEMENS_B not in header:
        return None, None
    direction = header.get(_SIEMENS_DIRECTION)
    return _number(header[_SIEMENS_B].value), _vector(direction.value if direction is not None else None)


def _mosaic_planes(header: Any) -> Iterator[Plane]:
    """Yield the slices that a Siemens mosaic holds side by side; nibabel knows where each of them lies."""
    # here, because importing it warns that it is experimental; it is right for mosaics
    from nibabel.nicom import csareader, dicomwrappers

    try:
        mosaic = dicomwrappers.MosaicWrapper(header)
    except (csareader.CSAError, dicomwrappers.WrapperError) as error:
        raise ValueError(str(error)) from error
    whole = _classic_plane(header)
    rows, columns, slices = mosaic.image_shape
    for slice_ in range(slices):
        position = mosaic.affine[:3, 2] * slice_ + mosaic.affine[:3, 3]
        place = whole.place and replace(whole.place, position_mm=position)
        yield replace(whole, columns=columns, rows=rows, place=place)


def _enhanced_planes(header: Any) -> Iterator[Plane]:
    """Yield the frames of an enhanced multi-frame image (DICOM PS3.3, A.36 and C.7.6.16)."""
    shared = header.SharedFunctionalGroupsSequence[0]
    for frame in header.PerFrameFunctionalGroupsSequence:
        group = _Group(frame=frame, shared=shared)
        direction = group.value("MRDiffusionSequence", "DiffusionGradientDirectionSequence")
        yield Plane(
            columns=int(header.Columns),
            rows=int(header.Rows),
            place=_place(
                group.value("PlaneOrientationSequence", "ImageOrientationPatient"),
                group.value("PlanePositionSequence", "ImagePositionPatient"),
                group.value("PixelMeasuresSequence", "PixelSpacing"),
            ),
            echo_time_ms=_number(group.value("MREchoSequence", "EffectiveEchoTime")),
            image_type=_words(
                group.value("MRImageFrameTypeSequence", "FrameType") or header.get("ImageType")
            ),
            b_value=_number(group.value("MRDiffusionSequence", "DiffusionBValue")),
            gradient=_vector(direction[0].get("DiffusionGradientOrientation")) if direction else None,
            isotropic=group.value("MRDiffusionSequence", "DiffusionDirectionality") == "ISOTROPIC",
        )


@dataclass(frozen=True, kw_only=True)
class _Group:
    """The functional groups of a frame: its own, or those that all frames share."""

    frame: Any
    shared: Any

    def value(self, sequence: str, keyword: str) -> Any:
        """Return an attribute of the first item of a sequence, None if either is not there."""
        items = self.frame.get(sequence) or self.shared.get(sequence)
        return items[0].get(keyword) if items else None


def _number(value: Any) -> float | None:
    # private tags come as bytes where the transfer syntax names no type
    text = value.decode("ascii") if isinstance(value, bytes) else value
    return None if text is None or text == "" else float(text)


def _vector(value: Any) -> FloatArray | None:
    if not value or isinstance(value, bytes):
        return None
    return np.array([float(number) for number in value], dtype=np.float64)


def _place(orientation: Any, position: Any, spacing: Any) -> Place | None:
    directions, first, distances = _vector(orientation), _vector(position), _vector(spacing)
    if directions is None or first is None or distances is None:
        return None
    # the header has the distance between rows first
    return Place(orientation=directions.reshape(2, 3), position_mm=first, spacing_mm=distances[::-1])


def _words(value: Any) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else (value or [])
    return tuple(str(word).strip().upper() for word in words)
