"""Masks of voxels: what is bright, its largest piece, its depth. Which is the brain each pipeline says."""

from __future__ import annotations

from typing import Any

import numpy as np
from dipy.segment.threshold import otsu
from numpy.typing import NDArray
from scipy import ndimage

from cci.spiders.registration import BoolArray, FloatArray, voxel_sizes_mm


def bright_voxels(volume: NDArray[np.floating[Any]], radius: int) -> BoolArray:
    """Return the voxels above Otsu's threshold on the median-filtered volume (X, Y, Z).

    What dipy calls ``median_otsu``, in one pass; doi:10.1109/TSMC.1979.4310076.

    Parameters
    ----------
    radius
        Of the median filter's cube, voxels.

    Returns
    -------
    numpy.ndarray
        Shape (X, Y, Z); all true or all false where no threshold separates anything.
    """
    # not through dipy.segment.mask: it takes another threshold where scikit-image happens to be installed
    smooth = ndimage.median_filter(volume, size=2 * radius + 1)
    with np.errstate(invalid="ignore", divide="ignore"):  # of a flat image
        return np.asarray(smooth > otsu(smooth), dtype=bool)


def largest_piece(mask: BoolArray) -> BoolArray:
    """Return the largest connected piece of a mask (X, Y, Z), its holes filled."""
    pieces, count = ndimage.label(mask)
    if count == 0:
        return mask
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(pieces == largest), dtype=bool)


def interior(mask: BoolArray, affine: FloatArray, depth_mm: float) -> BoolArray:
    """Return the part of *mask* (X, Y, Z) that is at least *depth_mm* away from its surface."""
    steps = max(1, round(depth_mm / float(voxel_sizes_mm(affine).mean())))
    return np.asarray(ndimage.binary_erosion(mask, iterations=steps), dtype=bool)


def widened(mask: BoolArray, affine: FloatArray, margin_mm: float) -> BoolArray:
    """Return *mask* (X, Y, Z) with a margin of *margin_mm*."""
    steps = max(1, round(margin_mm / float(voxel_sizes_mm(affine).mean())))
    return np.asarray(ndimage.binary_dilation(mask, iterations=steps), dtype=bool)
