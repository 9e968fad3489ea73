"""Sudden events in a series: DVARS, spikes, outliers, the way to the steady state."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cci.spiders import fmri_events
from cci.spiders.fmri_temporal import Series, detrend

SHAPE = (8, 9, 7)


def noise(seed: int = 0, n_volumes: int = 80, autocorrelation: float = 0.4) -> Series:
    """Return (V, T) of voxels with different means and noise that remembers its past."""
    rng = np.random.default_rng(seed)
    voxels = int(np.prod(SHAPE))
    white = rng.normal(scale=12.0, size=(voxels, n_volumes))
    for volume in range(1, n_volumes):
        white[:, volume] += autocorrelation * white[:, volume - 1]
    return np.asarray(white + rng.uniform(500, 1500, size=(voxels, 1)), dtype=np.float32)


# nipype 1.11 and its imports are not free of deprecations; they say nothing about these results
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("constant_voxels", [0, 5])
def test_dvars_agrees_with_nipype(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, constant_voxels: int
) -> None:
    """Raw and standardised DVARS of the same series are those of nipype's ComputeDVARS."""
    from nipype.algorithms.confounds import ComputeDVARS

    monkeypatch.chdir(tmp_path)
    series = noise()
    series[:constant_voxels] = 700
    nib.save(nib.Nifti1Image(series.reshape(*SHAPE, -1), np.eye(4)), "bold.nii.gz")
    nib.save(nib.Nifti1Image(np.ones(SHAPE, dtype=np.uint8), np.eye(4)), "mask.nii.gz")
    result = ComputeDVARS(in_file="bold.nii.gz", in_mask="mask.nii.gz", save_std=True, save_nstd=True).run()

    dvars = fmri_events.dvars(series)
    assert dvars.raw == pytest.approx(np.loadtxt(result.outputs.out_nstd), rel=1e-4)
    assert dvars.standardised == pytest.approx(np.loadtxt(result.outputs.out_std), rel=1e-4)


def test_standardised_dvars_of_pure_noise_is_one() -> None:
    """Noise without events changes from volume to volume as its own autocorrelation lets one expect."""
    assert float(fmri_events.dvars(noise()).standardised.mean()) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("volumes", "strength"),
    [([], 0.0), ([0], 40.0), ([79], 40.0), ([30], 25.0), ([10, 13, 50], 40.0), ([40, 41], 60.0)],
    ids=["none", "first", "last", "weak", "several", "two in a row"],
)
def test_spikes_are_found_where_they_are(volumes: list[int], strength: float) -> None:
    """Every disturbed volume is found, and none of its neighbours is blamed."""
    series = noise()
    pattern = np.random.default_rng(9).standard_normal(len(series), dtype=np.float32)
    for sign, volume in enumerate(volumes):
        series[:, volume] += (strength if sign % 2 else -strength) * pattern

    assert np.flatnonzero(fmri_events.find_spikes(series, 2)).tolist() == volumes


@pytest.mark.parametrize("seed", range(5))
def test_noise_with_drift_has_no_spikes(seed: int) -> None:
    """Noise and a slow drift are no events."""
    series = noise(seed) * np.linspace(1.0, 1.05, 80, dtype=np.float32)

    assert not fmri_events.find_spikes(series, 2).any()


def test_a_series_without_noise_has_no_spikes() -> None:
    """Where nothing changes between volumes, nothing stands out."""
    changes = np.array([0.0, 0.0, 0.0, 0.0])

    assert fmri_events.significant_steps(changes, 1.0).tolist() == [False] * 4


def test_outliers_are_counted_for_each_volume() -> None:
    """The fraction of voxels far from their own median is told for each volume."""
    residuals = detrend(noise(autocorrelation=0.0), 2)
    residuals[: residuals.shape[0] // 4, 20] += 200.0

    fraction = fmri_events.outlier_fraction(residuals)

    assert fraction[20] == pytest.approx(0.25, abs=0.01)
    assert float(np.delete(fraction, 20).max()) < 0.01


@pytest.mark.parametrize("extra", [0, 1, 4])
def test_volumes_before_the_steady_state_are_counted(extra: int) -> None:
    """Bright volumes at the start are not in steady state; a drift is."""
    course = np.linspace(1000, 1020, 60) + np.random.default_rng(0).normal(size=60)
    course[:extra] += 300.0

    assert fmri_events.unsteady_volumes(course) == extra
