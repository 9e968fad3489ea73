"""DICOM to NIfTI: the phantom comes back as it was, and every other scan has its expected end."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

from cci.phantom import Diffusion, Head, Series, bold, dwi, head, t1, write_dicom
from cci.phantom.diffusion import fsl_bvecs, world_gradients
from cci.spiders import dcm2nii, staging


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job directory with a scan in it, and how the spider ended there."""

    inputs: Path
    outputs: Path
    cause: Path

    @property
    def dicom(self) -> Path:
        return self.inputs / "dicom" / "DICOM"

    def run(self, **parameters: str) -> str:
        """Run the spider; return ``converted`` or the code of the bad input."""
        described = {"parameters": parameters, "inputs": {"dicom": {"scan": {"id": "7"}}}}
        (self.inputs / "inputs.json").write_text(json.dumps(described), encoding="utf-8")
        if staging.main(dcm2nii.run, [str(self.inputs), str(self.outputs)]) == 0:
            return "converted"
        return str(json.loads(self.cause.read_text(encoding="utf-8"))["code"])

    def results(self) -> list[str]:
        return sorted(str(p.relative_to(self.outputs)) for p in self.outputs.rglob("*") if p.is_file())

    def only(self, resource: str) -> Path:
        (path,) = (self.outputs / resource).iterdir()
        return path


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setenv(staging.ERROR_FILE_VARIABLE, str(tmp_path / "cause.json"))
    made = Job(inputs=tmp_path / "inputs", outputs=tmp_path / "outputs", cause=tmp_path / "cause.json")
    made.dicom.mkdir(parents=True)
    return made


@pytest.fixture(scope="module")
def coarse() -> Head:
    return head(6.0)


@pytest.fixture(scope="module")
def diffusion(coarse: Head) -> Diffusion:
    return dwi(coarse, directions=6, n_b0=2, dropouts=1)


def turned(series: Diffusion, rotation: Any) -> Diffusion:
    """Return the same voxels as if the scanner's slices had been tilted."""
    affine = rotation @ series.affine
    world = world_gradients(series.bvecs, series.affine) @ rotation[:3, :3].T
    return replace(series, affine=affine, bvecs=fsl_bvecs(world, affine))


def oblique(degrees: float) -> Any:
    angle = np.radians(degrees)
    matrix = np.eye(4)
    matrix[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix


def assert_same_image(series: Series, path: Path) -> None:
    image = nibabel.as_closest_canonical(nibabel.load(path))
    truth = nibabel.as_closest_canonical(nibabel.Nifti1Image(series.data, series.affine))
    np.testing.assert_array_equal(np.asarray(truth.dataobj), np.asarray(image.dataobj))
    np.testing.assert_allclose(truth.affine, image.affine, atol=1e-4)


# -- the phantom comes back ---------------------------------------------------------------------------


@pytest.mark.parametrize("tilt_deg", [0.0, 17.0, 80.0])
def test_a_diffusion_series_comes_back(diffusion: Diffusion, job: Job, tilt_deg: float) -> None:
    """Voxels, affine, b-values, gradients and repetition time are the phantom's, for tilted slices too."""
    series = turned(diffusion, oblique(tilt_deg))
    write_dicom(series, job.dicom)
    assert "converted" == job.run()
    image = nibabel.load(job.only("NIFTI"))
    written = np.loadtxt(job.only("BVEC")).T
    assert_same_image(series, job.only("NIFTI"))
    np.testing.assert_array_equal(series.bvals, np.loadtxt(job.only("BVAL")))
    np.testing.assert_allclose(
        world_gradients(series.bvecs, series.affine), world_gradients(written, image.affine), atol=1e-4
    )
    assert (series.tr_s, 8) == (image.header.get_zooms()[3], series.n_volumes)


def test_a_bold_series_comes_back(coarse: Head, job: Job) -> None:
    """Voxels, affine and repetition time are those of the phantom, and no gradients are written."""
    series = bold(coarse, n_volumes=5, tr_s=1.35)
    write_dicom(series, job.dicom, number=4)
    assert "converted" == job.run()
    assert_same_image(series, job.only("NIFTI"))
    assert pytest.approx(1.35) == nibabel.load(job.only("NIFTI")).header.get_zooms()[3]
    assert ["JSON/7_ep2d_bold.json", "NIFTI/7_ep2d_bold.nii.gz"] == job.results()


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_a_t1_comes_back(coarse: Head, job: Job, order: tuple[int, int, int]) -> None:
    """Axial, sagittal and coronal volumes keep their voxels and their place."""
    whole = t1(coarse)
    series = replace(whole, data=whole.data.transpose(order), affine=whole.affine[:, [*order, 3]])
    write_dicom(series, job.dicom)
    assert "converted" == job.run()
    assert_same_image(series, job.only("NIFTI"))


def test_the_sidecar_names_no_patient(coarse: Head, job: Job) -> None:
    """The JSON file holds the acquisition's parameters and nothing that names a person."""
    write_dicom(t1(coarse), job.dicom)
    job.run()
    sidecar = json.loads(job.only("JSON").read_text(encoding="utf-8"))
    assert 2.3 == sidecar["RepetitionTime"]
    assert not {"PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID"} & set(sidecar)


# -- scans that are not quite one image -----------------------------------------------------------------

Edit = Callable[[Any, int], None]


def rewrite(paths: Iterable[Path], edit: Edit, *, prefix: str = "") -> None:
    """Edit DICOM files in place, or write edited copies under another name with their own identifiers."""
    for number, path in enumerate(paths):
        image = pydicom.dcmread(path)
        edit(image, number)
        if prefix:  # a copy is another image
            image.SOPInstanceUID = f"{image.SOPInstanceUID[:-3]}.9"
        image.save_as(path.with_name(prefix + path.name))


def second_echo(image: Any, _: int) -> None:
    image.EchoTime, image.EchoNumbers, image.InstanceNumber = 6.46, 2, image.InstanceNumber + 1000


def phase(image: Any, _: int) -> None:
    image.ImageType = ["ORIGINAL", "PRIMARY", "P", "ND"]
    image.InstanceNumber += 1000


def derived(image: Any, _: int) -> None:
    image.ImageType = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]


def other_series(image: Any, _: int) -> None:
    image.SeriesInstanceUID, image.SeriesNumber = "1.2.3", 9


def three_planes(image: Any, number: int) -> None:
    image.ImageOrientationPatient = ([1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1])[number % 3]


def nowhere(image: Any, _: int) -> None:
    del image.ImagePositionPatient


def smaller(image: Any, number: int) -> None:
    if number == 3:
        image.Rows //= 2


def empty_pixels(image: Any, _: int) -> None:
    image.PixelData = b""


def not_a_number(image: Any, _: int) -> None:
    image.add_new("PixelSpacing", "LO", ["wide", "narrow"])


def test_two_echoes_become_two_files(coarse: Head, job: Job) -> None:
    """Images of several echoes are told apart by their number, the earliest first."""
    rewrite(write_dicom(t1(coarse), job.dicom), second_echo, prefix="e2-")
    assert "converted" == job.run()
    times = [json.loads(path.read_text())["EchoTime"] for path in sorted((job.outputs / "JSON").iterdir())]
    assert ["7_t1_mprage_e1.nii.gz", "7_t1_mprage_e2.nii.gz"] == sorted(
        path.name for path in (job.outputs / "NIFTI").iterdir()
    )
    assert [0.003, 0.00646] == times


@pytest.mark.parametrize("edit", [phase, derived])
def test_of_mixed_images_the_magnitudes_count(coarse: Head, job: Job, edit: Edit) -> None:
    """Phase images and images computed from others are left out beside magnitudes."""
    series = t1(coarse)
    rewrite(write_dicom(series, job.dicom), edit, prefix="more-")
    assert "converted" == job.run()
    assert_same_image(series, job.only("NIFTI"))


def test_phase_alone_is_converted(coarse: Head, job: Job) -> None:
    """A series of phase images, such as a field map's, is an image of its own."""
    rewrite(write_dicom(t1(coarse), job.dicom), phase)
    assert "converted" == job.run()


def test_second_copies_do_no_harm(coarse: Head, job: Job) -> None:
    """The same images under two names are converted once."""
    series = t1(coarse)
    for path in write_dicom(series, job.dicom):
        shutil.copy(path, path.with_name("copy-" + path.name))
    assert "converted" == job.run()
    assert_same_image(series, job.only("NIFTI"))


def test_names_never_reach_a_shell(coarse: Head, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever files and series are called, nothing is executed and nothing is written elsewhere."""
    monkeypatch.chdir(job.inputs)
    series = replace(t1(coarse), description="../; touch trap; $(touch trap)")
    for number, path in enumerate(write_dicom(series, job.dicom)):
        path.rename(path.with_name(f"{number} -o $(touch trap)\n'\"`touch trap`;.dcm"))
    assert "converted" == job.run()
    assert {"dicom", "inputs.json"} == {path.name for path in job.inputs.iterdir()}
    assert "7_touch_trap_touch_trap.nii.gz" == job.only("NIFTI").name
    assert_same_image(series, job.only("NIFTI"))


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (derived, "derived-images"),
        (three_planes, "localizer"),
        (nowhere, "not-a-volume"),
        (smaller, "not-a-volume"),
        (empty_pixels, "conversion-failed"),
        (not_a_number, "corrupt-dicom"),
    ],
)
def test_unusable_images_are_refused(coarse: Head, job: Job, edit: Edit, expected: str) -> None:
    """Images that make up no volume, or cannot be read, end the job with a cause and without results."""
    rewrite(write_dicom(t1(coarse), job.dicom), edit)
    assert expected == job.run()
    assert [] == job.results()


def test_two_series_are_refused(coarse: Head, job: Job) -> None:
    """A scan resource with the images of two series is refused by name."""
    rewrite(write_dicom(t1(coarse), job.dicom), other_series, prefix="other-")
    assert "several-series" == job.run()
    assert "9 t1_mprage" in job.cause.read_text()


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ([17], "missing-slices"),  # one image of one volume
        (range(12, 240, 30), "missing-slices"),  # one slice of all volumes
        (range(30), "converted"),  # a whole volume: no header tells that it was there
        (range(1, 240), "not-a-volume"),  # all but one image
    ],
)
def test_lost_files_are_noticed(diffusion: Diffusion, job: Job, lost: Iterable[int], expected: str) -> None:
    """A scan with missing slices is refused, because dcm2niix would shift or drop others."""
    written = write_dicom(diffusion, job.dicom)
    for number in lost:
        written[number].unlink()
    assert expected == job.run()


def test_no_files_at_all_are_missing(job: Job) -> None:
    """An empty resource is a missing file, and the job's own description does not count as one."""
    assert "missing-file" == job.run()


def test_other_files_are_no_dicom(job: Job) -> None:
    """A resource with files that are not DICOM is refused."""
    (job.dicom / "README.txt").write_text("see the other folder", encoding="utf-8")
    assert "not-dicom" == job.run()


def test_other_files_beside_images_are_left_out(coarse: Head, job: Job) -> None:
    """Notes beside the images do not matter."""
    write_dicom(t1(coarse), job.dicom)
    (job.dicom / "README.txt").write_text("a good scan", encoding="utf-8")
    assert "converted" == job.run()


def test_a_program_that_is_not_there_is_named(coarse: Head, job: Job) -> None:
    """The parameter decides which dcm2niix runs; a wrong one is told by name."""
    write_dicom(t1(coarse), job.dicom)
    assert "missing-program" == job.run(dcm2niix="/opt/dcm2niix/bin/dcm2niix")
    assert "/opt/dcm2niix/bin/dcm2niix" in job.cause.read_text()


@pytest.mark.parametrize(
    "description", ['say "ep2d"', "back\\slash", "Größe ü 頭", "100%s %d ${HOME}", "", " ", "tab\tand\x01"]
)
def test_descriptions_may_be_anything(coarse: Head, job: Job, description: str) -> None:
    """No series description breaks the sidecar or the name of the results."""
    write_dicom(replace(t1(coarse), description=description), job.dicom)
    assert "converted" == job.run()
    assert job.only("NIFTI").name.isascii()


def test_it_runs_by_hand_on_a_folder(coarse: Head, tmp_path: Path) -> None:
    """Files may lie directly in the folder, and neither inputs.json nor a job runner is needed."""
    write_dicom(t1(coarse), tmp_path / "scan", number=3)
    command = [sys.executable, "-m", "cci.spiders.dcm2nii", str(tmp_path / "scan"), str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert (tmp_path / "out" / "NIFTI" / "3_t1_mprage.nii.gz").is_file()


# -- real series that the libraries install ---------------------------------------------------------------

NIBABEL = Path(str(files("nibabel"))) / "nicom" / "tests" / "data"
PYDICOM = Path(str(files("pydicom"))) / "data" / "test_files"
PATIENTS = PYDICOM / "dicomdirtests"


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        # Siemens mosaics and an enhanced Philips image
        ([NIBABEL / "siemens_dwi_0.dcm.gz", NIBABEL / "siemens_dwi_1000.dcm.gz"], "converted"),
        ([NIBABEL / "siemens_dwi_0.dcm.gz"], "converted"),
        ([NIBABEL / "siemens_dwi_1000.dcm.gz"], "gradient-mismatch"),  # dcm2niix calls a lone volume b = 0
        ([NIBABEL / "0.dcm"], "converted"),
        ([NIBABEL / "0.dcm", NIBABEL / "1.dcm"], "missing-slices"),  # moved by one slice on purpose
        ([NIBABEL / "philips_mprage.dcm.gz"], "converted"),
        ([NIBABEL / "csa_slice_norm.dcm"], "conversion-failed"),  # a header without voxels
        ([NIBABEL / "decimal_rescale.dcm"], "not-a-volume"),  # one slice
        ([NIBABEL / "slicethickness_empty_string.dcm"], "derived-images"),  # a projection
        # whole series
        (sorted((PATIENTS / "98892001" / "CT5N").iterdir()), "converted"),
        (sorted((PATIENTS / "98892001" / "CT2N").iterdir()), "localizer"),
        (sorted((PATIENTS / "98892003" / "MR1").iterdir()), "several-series"),  # of one image each
        (sorted((PATIENTS / "98892003" / "MR2").iterdir()), "several-series"),
        (sorted((PATIENTS / "98892003" / "MR700").iterdir()), "derived-images"),
        (sorted((PATIENTS / "77654033" / "CT2").iterdir()), "missing-slices"),  # four of many
        (sorted((PATIENTS / "77654033" / "CR1").iterdir()), "derived-images"),
        # single files
        ([PYDICOM / "MR_small.dcm"], "derived-images"),
        ([PYDICOM / "MR_truncated.dcm"], "derived-images"),
        ([PYDICOM / "CT_small.dcm"], "not-a-volume"),
        ([PYDICOM / "ExplVR_BigEnd.dcm"], "not-a-volume"),  # ultrasound
        ([PYDICOM / "SC_ybr_full_422_uncompressed.dcm"], "derived-images"),  # a screenshot
        ([PYDICOM / "GDCMJ2K_TextGBR.dcm"], "not-a-volume"),  # a screenshot that does not say so
        ([PYDICOM / "rtdose.dcm"], "not-a-volume"),
        ([PYDICOM / "badVR.dcm"], "not-a-volume"),
        ([PYDICOM / "liver_1frame.dcm"], "derived-images"),  # a segmentation
        ([PYDICOM / "reportsi.dcm"], "not-dicom"),  # a report: DICOM, but no image
        ([PYDICOM / "no_meta.dcm"], "not-dicom"),
        ([PATIENTS / "DICOMDIR"], "not-dicom"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0].parent.name + "/" + value[0].name,
)
def test_real_scans_have_their_expected_end(job: Job, paths: list[Path], expected: str) -> None:
    """Scans that nibabel and pydicom install convert, or are refused for the recorded cause."""
    for path in paths:
        content = path.read_bytes()
        zipped = content[:2] == b"\x1f\x8b"
        (job.dicom / path.name).write_bytes(gzip.decompress(content) if zipped else content)
    assert expected == job.run()
    assert ("converted" == expected) == bool(job.results())
