"""NIfTI images as the spiders read and write them: whole, finite and placed in space, or refused.

It knows files and headers, not what a picture shows.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from cci.spiders.staging import BadInput

#: What nibabel and numpy raise on damaged files; TypeError is for colours.
_BROKEN = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    EOFError,
    OSError,
    zlib.error,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
)
#: mm³; an affine whose voxels are smaller says nothing.
_SMALLEST_VOXEL = 1e-6


def read_image(path: Path) -> tuple[Any, NDArray[np.float32]]:
    """Read an image whole: with its header, and its values after the header's scaling.

    Raises
    ------
    BadInput
        ``corrupt-image`` if it cannot be read to its end.
    """
    try:
        image = nib.load(path)
        return image, np.asarray(image.dataobj, dtype=np.float32)
    except _BROKEN as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadInput(
            "corrupt-image",
            f"{path.name} is not a whole NIfTI image ({reason}); upload or convert it again",
        ) from error


def read_affine(image: Any, name: str) -> NDArray[np.float64]:
    """Return an image's affine (4, 4), voxel to world, mm.

    Raises
    ------
    BadInput
        ``bad-affine`` if it cannot be inverted.
    """
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < _SMALLEST_VOXEL:
        raise BadInput(
            "bad-affine", f"the header of {name} gives no orientation or voxel size; convert it again"
        )
    return affine


def check_finite(data: NDArray[np.float32], name: str) -> None:
    """Refuse an image (X, Y, Z) or a series (X, Y, Z, V) that holds anything but numbers.

    Raises
    ------
    BadInput
        ``not-finite``; of a series the volumes are named.
    """
    if np.isfinite(data).all():
        return
    where = f" in {name_volumes(np.flatnonzero(~np.isfinite(data).all(axis=(0, 1, 2))))}" * (data.ndim == 4)
    raise BadInput("not-finite", f"{name} has values that are no numbers (NaN, infinity){where}")


def size_text(shape: tuple[int, ...]) -> str:
    """Return ``64 × 76 × 60``."""
    return " × ".join(str(side) for side in shape)


def name_volumes(volumes: NDArray[np.intp], most: int = 5) -> str:
    """Return ``volume 3`` or ``volumes 3, 4, 5 and 2 more``."""
    plural = "s" if volumes.size > 1 else ""
    return f"volume{plural} {listed([str(volume) for volume in volumes], most, ', ')}"


def listed(names: list[str], most: int, between: str = "; ") -> str:
    """Join at most *most* names, and say how many there are besides."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def save_map(path: Path, data: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """Write a map (X, Y, Z) that lies where the scan lies."""
    nib.save(image_like(data, affine), path)


def image_like(data: NDArray[Any], affine: NDArray[np.float64]) -> nib.Nifti1Image:
    """Return a NIfTI image whose qform and sform both say *affine*, in scanner space and mm."""
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, code="scanner")
    image.set_sform(affine, code="scanner")
    image.header.set_xyzt_units("mm")
    return image
