"""Phantom series as NIfTI files, as a converter would leave them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from cci.phantom.anatomy import FloatArray
from cci.phantom.series import Diffusion, Series


@dataclass(frozen=True, kw_only=True)
class NiftiFiles:
    """What was written; *bval* and *bvec* only for a diffusion series."""

    image: Path
    bval: Path | None = None
    bvec: Path | None = None


def write_nifti(series: Series, folder: Path, *, name: str = "") -> NiftiFiles:
    """Write *series* to ``<folder>/<name>.nii.gz``; the folder is made.

    A diffusion series also gets ``.bval`` and ``.bvec`` in FSL's form. *name* is the series description if
    left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = name or series.description
    image = nibabel.Nifti1Image(series.data, series.affine)
    image.set_sform(series.affine, code="scanner")
    image.set_qform(series.affine, code="scanner")
    image.header.set_xyzt_units("mm", "sec")
    if series.data.ndim == 4:
        image.header["pixdim"][4] = series.tr_s
    path = folder / f"{name}.nii.gz"
    nibabel.save(image, path)
    if not isinstance(series, Diffusion):
        return NiftiFiles(image=path)
    write_gradients(series.bvals, series.bvecs, folder / name)
    return NiftiFiles(image=path, bval=folder / f"{name}.bval", bvec=folder / f"{name}.bvec")


def write_gradients(bvals: FloatArray, bvecs: FloatArray, stem: Path) -> None:
    """Write b-values (N,) and b-vectors (N, 3) as FSL text: one row and three rows."""
    np.savetxt(stem.with_name(stem.name + ".bval"), bvals[None], fmt="%g")
    np.savetxt(stem.with_name(stem.name + ".bvec"), bvecs.T, fmt="%.6f")
