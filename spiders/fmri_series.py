"""The BOLD series of a scan, read and checked: what cannot be judged ends here with a sentence for a person.

It takes numbers as they are stored and changes none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from cci.spiders.images import check_finite, name_volumes, read_affine, read_image, size_text
from cci.spiders.sidecar import NO_SIDECAR, Sidecar, read_sidecar
from cci.spiders.staging import BadInput, Folders, say
from cci.spiders.timing import repetition_time

#: Fewer volumes than this give no temporal statistics worth the name.
MIN_VOLUMES = 10


@dataclass(frozen=True, kw_only=True)
class Bold:
    """A BOLD series.

    Attributes
    ----------
    data
        (X, Y, Z, T), as stored after the header's scaling.
    affine
        (4, 4), voxel to world, mm.
    tr_s
        Time between volumes; None if parameters, header and sidecar do not tell.
    tr_source
        Where `tr_s` comes from, or why it is not known.
    phase_axis
        Voxel axis of phase encoding (0, 1 or 2) if header or sidecar tell, else None.
    file_name, stored_as
        For the acquisition table.
    sidecar
        What else is known of the acquisition.
    """

    data: NDArray[np.float32]
    affine: NDArray[np.float64]
    tr_s: float | None
    tr_source: str
    phase_axis: int | None
    file_name: str
    stored_as: str
    sidecar: Sidecar = NO_SIDECAR

    @property
    def voxel_mm(self) -> NDArray[np.float64]:
        """Edge lengths of a voxel (3,), mm."""
        return np.asarray(voxel_sizes(self.affine), dtype=np.float64)

    @property
    def n_volumes(self) -> int:
        """Length of the series."""
        return int(self.data.shape[3])

    @property
    def duration_s(self) -> float | None:
        """Length of the series in seconds, None without a repetition time."""
        return None if self.tr_s is None else self.tr_s * self.n_volumes


def read_bold(folders: Folders) -> Bold:
    """Read the only NIfTI of input ``bold``, resource NIFTI.

    Parameters
    ----------
    folders
        Its parameter ``tr_s`` (seconds), if there is one, goes before the header's time step.

    Raises
    ------
    BadInput
        ``missing-file``, ``several-files``, ``corrupt-image``, ``not-4d``, ``too-few-volumes``,
        ``not-finite``, ``empty-image``, ``empty-volume``, ``constant-series``, ``bad-affine``,
        ``bad-parameter``.
    """
    path = folders.one_file("bold", "NIFTI", "*.nii", "*.nii.gz")
    image, data = read_image(path)
    check_series(path.name, data)
    affine = read_affine(image, path.name)
    sidecar = read_sidecar(folders, "bold", path)
    tr_s, tr_source = repetition_time(image.header, folders.parameters.get("tr_s"), sidecar)
    say(f"read {path.name}: {size_text(data.shape[:3])} voxels, {data.shape[3]} volumes")
    told_axis = image.header.get_dim_info()[1]
    return Bold(
        data=data,
        affine=affine,
        tr_s=tr_s,
        tr_source=tr_source,
        phase_axis=sidecar.phase_axis if told_axis is None else told_axis,
        sidecar=sidecar,
        file_name=path.name,
        stored_as=str(image.get_data_dtype()),
    )


def _not_a_series(name: str, shape: tuple[int, ...]) -> str:
    """Say what an image with other than four axes is."""
    size = size_text(shape)
    return f"{name} is one image of {size} voxels, not a series of volumes; an fMRI scan has four axes"


def check_series(name: str, data: NDArray[np.float32]) -> None:
    """Refuse a series (X, Y, Z, T) that has no meaning as BOLD data.

    Raises
    ------
    BadInput
        The first thing that is wrong.
    """
    if data.ndim != 4 or min(data.shape[:3]) < 2:
        raise BadInput("not-4d", _not_a_series(name, data.shape[:3] if data.ndim == 4 else data.shape))
    if data.shape[3] < MIN_VOLUMES:
        count = "only one volume" if data.shape[3] == 1 else f"{data.shape[3]} volumes"
        raise BadInput("too-few-volumes", f"{name} has {count}; fMRI QA needs at least {MIN_VOLUMES}")
    check_finite(data, name)
    _check_contrast(name, data)


def _check_contrast(name: str, data: NDArray[np.float32]) -> None:
    """Refuse a series without any signal, with empty volumes, or without any change."""
    lowest, highest = data.min(axis=(0, 1, 2)), data.max(axis=(0, 1, 2))
    if not lowest.any() and not highest.any():
        raise BadInput("empty-image", f"every voxel of {name} is zero; the scan holds no picture")
    flat = np.flatnonzero(lowest == highest)
    if flat.size:
        raise BadInput("empty-volume", f"{name} has one value everywhere in {name_volumes(flat)}")
    if np.array_equal(data[..., 0], data[..., -1]) and not np.ptp(data, axis=3).any():
        count = data.shape[3]
        raise BadInput("constant-series", f"all {count} volumes of {name} are the same; it is no time series")
