"""What the demo puts into its archive: which scans, how each is made, and how each task has to end.

Two projects with ordinary sessions, and with what goes wrong in real ones: a missing resource, an unusable
scan, corrupt and short images, and labels that nobody should have typed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cci import phantom
from cci.status import Status

#: Makes the resources of a scan below a folder: one sub-folder for each.
Maker = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class End:
    """How a task has to end: its status, and words that its reason must have."""

    status: Status
    words: str = ""


DONE = End(status=Status.COMPLETE)


@dataclass(frozen=True, kw_only=True, eq=False)
class DemoScan:
    """One scan of the demo. *ends* maps a processor to how its task on this scan (or its session) ends."""

    project: str
    subject: str
    session: str
    id: str
    type: str
    make: Maker
    quality: str = "usable"
    ends: Mapping[str, End] = field(default_factory=dict)


@lru_cache(maxsize=1)
def _head() -> phantom.Head:
    return phantom.head()


def _nifti(series: phantom.Series, folder: Path, name: str) -> None:
    """Write a series as the resources NIFTI, and BVAL and BVEC where it has gradients."""
    work = folder / "work"
    files = phantom.write_nifti(series, work, name=name)
    for path in sorted(work.iterdir()):
        suffix = path.name.removeprefix(name)
        label = {".nii.gz": "NIFTI", ".bval": "BVAL", ".bvec": "BVEC"}[suffix]
        (folder / label).mkdir()
        path.rename(folder / label / path.name)
    work.rmdir()
    del files


def _dicom(series: phantom.Series, folder: Path, number: int, patient: str) -> None:
    phantom.write_dicom(series, folder / "DICOM", visit=phantom.Visit(patient_id=patient), number=number)


def t1_dicom(folder: Path) -> None:
    """Make a T1 as DICOM."""
    _dicom(phantom.t1(_head(), seed=1), folder, 1, "sub-01")


def dwi_dicom(folder: Path) -> None:
    """Make a diffusion series as DICOM, with a little motion."""
    _dicom(phantom.dwi(_head(), seed=2, motion=0.5), folder, 2, "sub-01")


def dwi_moved(folder: Path) -> None:
    """Make a diffusion series with motion and slice dropouts."""
    _nifti(phantom.dwi(_head(), seed=3, motion=1.5, dropouts=3), folder, "dwi")


def dwi_without_bvec(folder: Path) -> None:
    """Make a diffusion series whose gradient directions were never stored."""
    _nifti(_short_dwi(), folder, "dwi")
    (folder / "BVEC" / "dwi.bvec").unlink()
    (folder / "BVEC").rmdir()


def dwi_wrong_bvals(folder: Path) -> None:
    """Make a diffusion series with one b-value too few."""
    _nifti(_short_dwi(), folder, "dwi")
    phantom.faults.drop_last_value(folder / "BVAL" / "dwi.bval")


def _short_dwi() -> phantom.Diffusion:
    return phantom.dwi(_head(), seed=4, directions=6, n_b0=1)


def bold_quiet(folder: Path) -> None:
    """Make a BOLD series of a subject who lies still."""
    _nifti(phantom.bold(_head(), seed=5, motion=0.3), folder, "rest")


def bold_moved(folder: Path) -> None:
    """Make a BOLD series with motion and spikes."""
    _nifti(phantom.bold(_head(), seed=6, motion=1.0, spikes=3), folder, "rest")


def bold_corrupt(folder: Path) -> None:
    """Make a BOLD series that was cut off on its way to the archive."""
    _nifti(_short_bold(), folder, "rest")
    phantom.faults.truncate(folder / "NIFTI" / "rest.nii.gz")


def bold_one_volume(folder: Path) -> None:
    """Make a "series" of one volume."""
    _nifti(phantom.faults.only_volume(_short_bold()), folder, "rest")


def bold_short(folder: Path) -> None:
    """Make a short series, with a file name that nobody should have typed."""
    _nifti(_short_bold(), folder, ODD_FILE)


@lru_cache(maxsize=1)
def _short_bold() -> phantom.Bold:
    return phantom.bold(_head(), seed=7, n_volumes=40, motion=0.2)


ODD_FILE = "série 'a'; $(touch oops)"
ODD_SUBJECT = "Zoë O'Brien"
ODD_SESSION = 'visit "1"; $(id) `ls`'

_WAITS = Status.PRE_RUNNING
_NO_FREESURFER = End(status=_WAITS, words="no FreeSurfer is configured")

SCANS: tuple[DemoScan, ...] = (
    DemoScan(
        project="DEMO",
        subject="sub-01",
        session="sub-01_visit-1",
        id="1",
        type="T1_MPRAGE",
        make=t1_dicom,
        ends={"dcm2nii": DONE, "freesurfer": _NO_FREESURFER},
    ),
    DemoScan(
        project="DEMO",
        subject="sub-01",
        session="sub-01_visit-1",
        id="2",
        type="DTI_32dir",
        make=dwi_dicom,
        ends={"dcm2nii": DONE, "dti_qa": DONE},
    ),
    DemoScan(
        project="DEMO",
        subject="sub-01",
        session="sub-01_visit-1",
        id="3",
        type="fMRI_rest",
        make=bold_quiet,
        ends={"fmri_qa": DONE},
    ),
    DemoScan(
        project="DEMO",
        subject="sub-02",
        session="sub-02_visit-1",
        id="1",
        type="DTI_32dir",
        make=dwi_moved,
        ends={"dti_qa": DONE},
    ),
    DemoScan(
        project="DEMO",
        subject="sub-02",
        session="sub-02_visit-1",
        id="2",
        type="fMRI_rest",
        make=bold_moved,
        ends={"fmri_qa": DONE},
    ),
    DemoScan(
        project="DEMO",
        subject="sub-03",
        session="sub-03_visit-1",
        id="1",
        type="DTI_32dir",
        make=dwi_without_bvec,
        ends={"dti_qa": End(status=_WAITS, words="has no resource BVEC")},
    ),
    DemoScan(
        project="DEMO",
        subject="sub-03",
        session="sub-03_visit-1",
        id="2",
        type="fMRI_rest",
        make=bold_corrupt,
        ends={"fmri_qa": End(status=Status.JOB_ERROR, words="rest.nii.gz")},
    ),
    DemoScan(
        project="DEMO",
        subject="sub-03",
        session="sub-03_visit-1",
        id="3",
        type="fMRI_rest",
        make=bold_one_volume,
        ends={"fmri_qa": End(status=Status.JOB_ERROR, words="volume")},
    ),
    DemoScan(
        project="DEMO_ODD",
        subject=ODD_SUBJECT,
        session=ODD_SESSION,
        id="1",
        type="fMRI_rest",
        make=bold_one_volume,
        quality="unusable",
        ends={"fmri_qa": End(status=_WAITS, words="is marked unusable")},
    ),
    DemoScan(
        project="DEMO_ODD",
        subject=ODD_SUBJECT,
        session=ODD_SESSION,
        id="2",
        type="DTI_32dir",
        make=dwi_wrong_bvals,
        ends={"dti_qa": End(status=Status.JOB_ERROR, words="b-value")},
    ),
    DemoScan(
        project="DEMO_ODD",
        subject=ODD_SUBJECT,
        session=ODD_SESSION,
        id="3-MR1",
        type="fMRI_rest",
        make=bold_short,
        ends={"fmri_qa": DONE},
    ),
)

#: Which processors run where.
PROJECTS: Mapping[str, list[str]] = {
    "DEMO": ["dcm2nii", "dti_qa", "fmri_qa", "freesurfer"],
    "DEMO_ODD": ["dti_qa", "fmri_qa"],
}
