"""The image that planes make up: its grid, its volumes, its gradients. It reads no file.

Coordinates are NIfTI's: RAS+, mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cci.spiders.dicom_headers import FloatArray, Place, Plane
from cci.spiders.staging import BadInput

#: Kinds of image by the words that ImageType has for them; magnitude is what has none of these.
_MARKS = {
    "phase": {"P", "PHASE", "PHASE MAP"},
    "real": {"R", "REAL"},
    "imaginary": {"I", "IMAGINARY"},
}
#: All kinds, the preferred first.
COMPONENTS = ("magnitude", *_MARKS)

_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Positions closer than this are one slice; scanners round to about a micrometre.
_SAME_PLACE_MM = 0.01
#: Distances between slices may differ by this part of the usual one.
_UNEVEN = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """The image that a set of planes makes up.

    Attributes
    ----------
    shape
        Columns, rows, slices.
    affine
        From (column, row, slice) to world millimetres, RAS+, shape (4, 4).
    volumes
        Number of volumes.
    weighted
        Number of volumes with b > 0, None where no header tells a b-value.
    gradients
        Different directions of these volumes, as far as headers tell, in world axes, RAS+, shape (K, 3).
    """

    shape: tuple[int, int, int]
    affine: FloatArray
    volumes: int
    weighted: int | None
    gradients: FloatArray


def component(image_type: Sequence[str]) -> str:
    """Return which of `COMPONENTS` an ImageType tells."""
    words = {word.strip().upper() for word in image_type[2:]}
    return next((name for name, marks in _MARKS.items() if words & marks), "magnitude")


def stack(planes: Sequence[Plane]) -> Stack:
    """Put *planes* of one kind and echo together.

    Raises
    ------
    BadInput
        If they do not make up whole volumes on one even grid (``not-a-volume``, ``localizer``,
        ``missing-slices``).
    """
    places = _common_places(planes)
    positions = np.array([place.position_mm for place in places])
    slices, volumes = _slices(positions @ np.cross(*places[0].orientation))
    affine = np.eye(4)
    affine[:3, :2] = places[0].orientation.T * places[0].spacing_mm
    affine[:3, 2] = (positions[slices[-1]] - positions[slices[0]]) / (len(slices) - 1)
    affine[:3, 3] = positions[slices[0]]
    return Stack(
        shape=(planes[0].columns, planes[0].rows, len(slices)),
        affine=_RAS_FROM_LPS @ affine,
        volumes=volumes,
        weighted=_weighted(planes, len(slices)),
        gradients=_gradients(planes),
    )


def _common_places(planes: Sequence[Plane]) -> list[Place]:
    """Return where the planes lie; refuse those that cannot be slices of one image."""
    places = [plane.place for plane in planes if plane.place is not None]
    sizes = sorted({(plane.columns, plane.rows) for plane in planes})
    if len(places) < len(planes):
        raise BadInput("not-a-volume", "the headers do not say where in the patient the images lie")
    if "LOCALIZER" in planes[0].image_type:
        raise BadInput("localizer", "the images are a localizer, not a volume")
    if not np.allclose([place.orientation for place in places], places[0].orientation, atol=0.01):
        raise BadInput("localizer", "the images lie in several orientations, as those of a localizer do")
    if len(sizes) > 1:
        told = " and ".join(f"{columns}×{rows}" for columns, rows in sizes)
        raise BadInput("not-a-volume", f"the images have different sizes: {told}")
    if not np.allclose([place.spacing_mm for place in places], places[0].spacing_mm, rtol=1e-3):
        raise BadInput("not-a-volume", "the images have different voxel sizes")
    return places


def _slices(heights_mm: FloatArray) -> tuple[list[int], int]:
    """Return for each slice, from the lowest, a plane that lies there, and the number of planes in each."""
    order = np.argsort(heights_mm, kind="stable")
    starts = np.flatnonzero(np.diff(heights_mm[order], prepend=-np.inf) > _SAME_PLACE_MM)
    counts = np.diff(np.append(starts, len(order)))
    if len(starts) == 1:
        raise BadInput("not-a-volume", "there is one slice only; a volume needs at least two")
    if counts.min() != counts.max():
        raise _incomplete(
            f"{len(starts)} slices were found, some {counts.min()} and others {counts.max()} times"
        )
    gaps = np.diff(heights_mm[order[starts]])
    if np.abs(gaps - np.median(gaps)).max() > _UNEVEN * np.median(gaps):
        raise _incomplete(f"slices lie between {gaps.min():.2f} and {gaps.max():.2f} mm apart")
    return order[starts].tolist(), int(counts[0])


def _incomplete(sign: str) -> BadInput:
    return BadInput("missing-slices", f"files are missing: {sign}; upload the whole scan again")


def _weighted(planes: Sequence[Plane], slices: int) -> int | None:
    told = [plane.b_value for plane in planes if plane.b_value is not None]
    return round(sum(value > 0 for value in told) / slices) if told else None


def _gradients(planes: Sequence[Plane]) -> FloatArray:
    weighted = (plane.gradient for plane in planes if plane.b_value and plane.gradient is not None)
    told = {tuple(np.round(gradient, 6).tolist()) for gradient in weighted}
    gradients: FloatArray = np.array(sorted(told)).reshape(-1, 3) @ _RAS_FROM_LPS[:3, :3]
    return gradients
