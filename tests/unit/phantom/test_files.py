"""Phantom series as files, good and bad."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from cci.phantom import Diffusion, Head, Visit, bold, dwi, faults, t1, write_dicom, write_nifti


@pytest.fixture(scope="module")
def series(coarse: Head) -> Diffusion:
    return dwi(coarse, directions=6, n_b0=2)


def test_nifti_holds_the_series(series: Diffusion, tmp_path: Path) -> None:
    """Voxels, both affines, their codes, units and the repetition time survive writing."""
    image = nibabel.load(write_nifti(series, tmp_path, name="dwi").image)
    np.testing.assert_array_equal(series.data, np.asarray(image.dataobj))
    np.testing.assert_allclose(series.affine, image.get_sform())
    np.testing.assert_allclose(series.affine, image.get_qform())
    found = (image.header["qform_code"], image.header["sform_code"], image.header.get_xyzt_units())
    assert (1, 1, ("mm", "sec")) == found
    assert series.tr_s == image.header.get_zooms()[3]


def test_gradients_are_written_as_fsl_reads_them(series: Diffusion, tmp_path: Path) -> None:
    """A .bval file has one row, a .bvec file three, with a column for each volume."""
    files = write_nifti(series, tmp_path)
    assert files.bval is not None
    assert files.bvec is not None
    np.testing.assert_array_equal(series.bvals, np.loadtxt(files.bval))
    np.testing.assert_allclose(series.bvecs.T, np.loadtxt(files.bvec), atol=1e-6)


def test_other_series_have_no_gradients(coarse: Head, tmp_path: Path) -> None:
    """A T1 and a BOLD series are written as one file each."""
    write_nifti(t1(coarse), tmp_path)
    write_nifti(bold(coarse, n_volumes=2), tmp_path)
    assert ["ep2d_bold.nii.gz", "t1_mprage.nii.gz"] == sorted(path.name for path in tmp_path.iterdir())


def test_dicom_images_are_told_apart(series: Diffusion, tmp_path: Path) -> None:
    """There is one file per slice and volume, each with its own identifier, in one series of one study."""
    images = [pydicom.dcmread(path) for path in write_dicom(series, tmp_path)]
    counted = [len({str(image[tag].value) for image in images}) for tag in _IDENTIFIERS]
    assert [30 * 8, 30 * 8, 1, 1] == counted


_IDENTIFIERS = ("SOPInstanceUID", "InstanceNumber", "SeriesInstanceUID", "StudyInstanceUID")


def test_visits_and_series_have_their_own_identifiers() -> None:
    """Another patient, study or series number gives another identifier; the same gives the same."""
    visits = [Visit(), Visit(patient_id="B"), Visit(study="2")]
    uids = [visit.uid(number) for visit in visits for number in (1, 2)]
    assert uids == [visit.uid(number) for visit in visits for number in (1, 2)]
    assert len(set(uids)) == 6


def test_a_patient_may_have_any_name(coarse: Head, tmp_path: Path) -> None:
    """Names beyond ASCII are kept in the headers."""
    visit = Visit(patient_id="$(rm -rf ~); 'x'", patient_name="Müller^Zoë")
    image = pydicom.dcmread(write_dicom(t1(coarse), tmp_path, visit=visit)[0])
    assert ("$(rm -rf ~); 'x'", "Müller^Zoë") == (image.PatientID, str(image.PatientName))


@pytest.mark.parametrize("spoil", [faults.corrupt, faults.truncate])
def test_a_spoilt_image_cannot_be_read(
    spoil: Callable[[Path], None], series: Diffusion, tmp_path: Path
) -> None:
    """A corrupt or truncated image still opens, and fails when its voxels are read."""
    path = write_nifti(series, tmp_path).image
    spoil(path)
    image = nibabel.load(path)
    with pytest.raises((EOFError, OSError, ValueError, zlib.error)):
        np.asarray(image.dataobj)


def test_a_missing_b_value_is_missing(series: Diffusion, tmp_path: Path) -> None:
    """Dropping the last value leaves one b-value fewer than volumes."""
    path = write_nifti(series, tmp_path).bval
    assert path is not None
    faults.drop_last_value(path)
    assert series.n_volumes - 1 == np.loadtxt(path).size


def test_an_interrupted_scan_has_one_volume(coarse: Head) -> None:
    """One volume of a series is a three-dimensional image on the same grid."""
    whole = bold(coarse, n_volumes=3)
    only = faults.only_volume(whole)
    assert (coarse.shape, 1) == (only.data.shape, only.n_volumes)
