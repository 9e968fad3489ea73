"""The phantom's diffusion series says the truth about itself."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from cci.phantom import Diffusion, Head, dwi
from cci.phantom.diffusion import fsl_bvecs, scheme, world_gradients

NO_NOISE = float("inf")


@pytest.fixture(scope="module")
def ideal(coarse: Head) -> Diffusion:
    return dwi(coarse, snr=NO_NOISE, motion=0.0)


FloatArray = NDArray[np.float64]


def fitted_fa(data: FloatArray, bvals: FloatArray, gradients: FloatArray) -> FloatArray:
    """Fit tensors to voxels (V, N) with dipy and return FA (V,)."""
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel

    table = gradient_table(bvals, bvecs=gradients)
    fa: FloatArray = TensorModel(table, fit_method="OLS").fit(data).fa
    return fa


def test_the_true_fa_is_what_dipy_fits_to_the_ideal_series(ideal: Diffusion) -> None:
    """Without noise and motion, dipy's least-squares fit gives the true mean FA."""
    deep = ideal.white >= 0.8
    fitted = fitted_fa(ideal.data[deep].astype(np.float64), ideal.bvals, ideal.bvecs)
    np.testing.assert_allclose(ideal.fa[deep], fitted, atol=0.003)
    assert pytest.approx(ideal.mean_fa(0.8), abs=0.001) == fitted.mean()


def test_diffusivities_are_those_of_tissue(ideal: Diffusion, coarse: Head) -> None:
    """Mean diffusivity is near 0.77e-3 mm²/s in white matter and above 2e-3 mm²/s in the ventricles."""
    assert pytest.approx(0.77e-3, rel=0.03) == ideal.md[coarse.white >= 0.9].mean()
    assert ideal.md[coarse.csf > 0.8].mean() > 2e-3


def put_back(series: Diffusion, voxels: NDArray[np.bool_]) -> FloatArray:
    """Return the signal (V, N) of volume 0's *voxels*, looked up where the truth says they went."""
    places = np.argwhere(voxels) @ series.affine[:3, :3].T + series.affine[:3, 3]
    to_voxel = np.linalg.inv(series.affine)
    samples = []
    for volume, matrix in enumerate(series.motion):
        carried = to_voxel @ matrix
        index = places @ carried[:3, :3].T + carried[:3, 3]
        samples.append(ndimage.map_coordinates(series.data[..., volume].astype(float), index.T, order=3))
    return np.array(samples).T


def test_a_moved_head_turns_its_fibres(coarse: Head) -> None:
    """Volumes put back in place give the true FA with gradients turned back, and a wrong one without."""
    moved = dwi(coarse, snr=NO_NOISE, motion=25.0, seed=3)
    deep = ndimage.binary_erosion(coarse.white >= 0.6)
    signal, acquired = put_back(moved, deep), world_gradients(moved.bvecs, coarse.affine)
    turned = np.einsum("nji,nj->ni", moved.motion[:, :3, :3], acquired)
    right, wrong = (
        np.abs(fitted_fa(signal, moved.bvals, gradients) - moved.fa[deep]).mean()
        for gradients in (turned, acquired)
    )
    assert right < 0.01
    assert wrong > 3 * right


def test_exactly_the_listed_slices_drop_out(coarse: Head) -> None:
    """A series with dropouts differs from the one without in the listed slices only, and is darker there."""
    whole = dwi(coarse, snr=NO_NOISE, seed=5).data.astype(int)
    broken = dwi(coarse, snr=NO_NOISE, seed=5, dropouts=4)
    changed = np.argwhere((broken.data != whole).any(axis=(0, 1)))
    assert sorted((int(volume), int(slice_)) for slice_, volume in changed) == list(broken.dropouts)
    for volume, slice_ in broken.dropouts:
        lit = whole[:, :, slice_, volume] > 100
        assert (broken.data[:, :, slice_, volume][lit] < 0.55 * whole[:, :, slice_, volume][lit]).all()


def test_dropouts_only_hit_weighted_volumes_through_the_brain(coarse: Head) -> None:
    """A dropout needs diffusion weighting and brain to lose signal from."""
    series = dwi(coarse, dropouts=10, seed=8)
    volumes = [volume for volume, _ in series.dropouts]
    assert (series.bvals[volumes] > 0).all()
    assert all(coarse.brain_mask[:, :, slice_].any() for _, slice_ in series.dropouts)


def test_air_shows_rayleigh_noise(coarse: Head) -> None:
    """Where there is no signal the mean magnitude is sigma times the root of pi/2."""
    series = dwi(coarse, snr=20.0)
    air = ~coarse.surroundings(5.0)
    assert pytest.approx(series.sigma * np.sqrt(np.pi / 2), rel=0.01) == series.data[air].mean()


def test_the_seed_decides_everything(coarse: Head) -> None:
    """One seed always gives the same voxels, another seed gives others."""
    first, again, other = (dwi(coarse, seed=seed, directions=6, n_b0=1).data for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(("directions", "n_b0"), [(32, 8), (6, 1), (64, 3)])
def test_the_scheme_is_complete(directions: int, n_b0: int) -> None:
    """Volume 0 has b = 0, and all weighted volumes have unit gradients spread over the sphere."""
    bvals, gradients = scheme(directions, 1000.0, n_b0)
    spread = np.linalg.eigvalsh(gradients.T @ gradients / directions)
    assert (0.0, n_b0, directions) == (bvals[0], int((bvals == 0).sum()), int((bvals == 1000).sum()))
    np.testing.assert_allclose((bvals > 0).astype(float), np.linalg.norm(gradients, axis=1))
    assert spread.min() > 0.2


@pytest.mark.parametrize(
    ("codes", "expected"), [("RAS", [-1, 2, 3]), ("LAS", [-1, 2, 3]), ("LPS", [1, -2, 3])]
)
def test_bvecs_follow_fsl(codes: str, expected: list[float]) -> None:
    """FSL counts along voxel axes and reverses x where the affine has a positive determinant."""
    affine = nibabel.orientations.inv_ornt_aff(nibabel.orientations.axcodes2ornt(codes), (2, 2, 2))
    gradient = np.array([1.0, 2.0, 3.0])
    bvec = fsl_bvecs(gradient, affine)
    assert expected == bvec.tolist()
    np.testing.assert_allclose(gradient, world_gradients(bvec, affine))
