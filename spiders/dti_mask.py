"""Where the brain is in a diffusion series, from its b0 volumes. Rough edges: it serves quality measures."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from cci.spiders.masks import bright_voxels, largest_piece
from cci.spiders.registration import BoolArray, FloatArray, voxel_sizes_mm

#: Side of the median filter's reach; it closes the ventricles' bright rims and thin bridges to the scalp.
_MEDIAN_RADIUS_MM = 6.0
#: Bridges between brain and scalp thinner than twice this are cut.
_OPENING_MM = 3.0


def brain_mask(b0: FloatArray, affine: FloatArray) -> BoolArray:
    """Find the brain in a b0 volume.

    What is bright, by Otsu's threshold; then bridges to the scalp are cut, the largest piece is kept and its
    holes are filled.

    Parameters
    ----------
    b0
        Shape (X, Y, Z).
    affine
        Shape (4, 4), voxel index to world mm.

    Returns
    -------
    numpy.ndarray
        Shape (X, Y, Z); empty where no threshold separates anything.
    """
    edge_mm = float(voxel_sizes_mm(affine).mean())
    bright = bright_voxels(b0, max(1, round(_MEDIAN_RADIUS_MM / edge_mm)))
    if bright.all():
        return np.zeros_like(bright)
    steps = max(1, round(_OPENING_MM / edge_mm))
    core = largest_piece(ndimage.binary_erosion(bright, iterations=steps))
    # where the erosion leaves nothing the piece is too small to have bridges
    grown = ndimage.binary_dilation(core, iterations=steps) & bright if core.any() else largest_piece(bright)
    return np.asarray(ndimage.binary_fill_holes(grown), dtype=bool)
