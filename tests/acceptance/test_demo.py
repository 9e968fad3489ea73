"""The demo, whole: real pipelines on heads of known truth, from an empty folder to reports in assessors."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from PIL import Image
from scipy import ndimage
from support.archive import running_archive
from support.rest import Rest

from cci import phantom
from cci.daemon.demo_data import SCANS
from cci.status import Status

CCI = Path(sys.executable).with_name("cci")
PATIENCE_S = 1800
#: The scans of the demo that the figures are held against, with how they were made.
MOVED = "sub-02_visit-1"
QUIET = "sub-01_visit-1"


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A demo that has run: what it printed, and its archive, which runs again."""

    home: Path
    done: subprocess.CompletedProcess[str]
    rest: Rest

    def result(self, session: str, proctype: str, resource: str, name: str) -> bytes:
        """Return a result file of the only assessor of this type in a session of the project DEMO."""
        subject = session.partition("_")[0]
        base = f"/data/projects/DEMO/subjects/{subject}/experiments/{session}/assessors"
        rows = self.rest.get(base, {"format": "json"}).json()["ResultSet"]["Result"]
        labels = [row["label"] for row in rows if row["label"].endswith(f"-x-{proctype}")]
        assert 1 == len(labels)
        answer = self.rest.get(f"{base}/{labels[0]}/out/resources/{resource}/files/{name}")
        answer.raise_for_status()
        return answer.content

    def figures(self, session: str, proctype: str) -> dict[str, float]:
        """Return ``stats.csv`` as numbers by name."""
        text = self.result(session, proctype, "STATS", "stats.csv").decode("utf-8")
        rows = csv.DictReader(io.StringIO(text))
        return {row["name"]: float(row["value"]) for row in rows if row["value"]}

    def image(self, session: str, proctype: str, resource: str, name: str) -> np.ndarray:
        """Return a map; its axes are X, Y, Z of the series."""
        content = self.result(session, proctype, resource, name)
        place = self.home / f"{proctype}-{name}"
        place.write_bytes(content)
        return np.asarray(nib.load(place).get_fdata())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run the demo once for all tests of this file."""
    home = tmp_path_factory.mktemp("demo") / "home"
    done = subprocess.run(
        [str(CCI), "--home", str(home), "demo"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    with running_archive(home / "archive") as archive, Rest(archive.url, archive.auth) as rest:
        yield Demo(home=home, done=done, rest=rest)


def pages(pdf: Path, folder: Path) -> list[np.ndarray]:
    """Return every page as an array of greys, 0 to 255, shape (Y, X)."""
    program = shutil.which("pdftoppm")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("pdftoppm is missing")
        pytest.skip("pdftoppm is missing")
    folder.mkdir(parents=True)
    subprocess.run([program, "-gray", "-r", "40", str(pdf), str(folder / "page")], check=True)
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.pgm"))]


def mean_displacement(series: phantom.Bold | phantom.Diffusion) -> float:
    """Return the mean over volumes of the true RMS displacement over the brain from volume 0, in mm."""
    points = apply_affine(series.affine, np.argwhere(series.brain_mask))
    moved = (apply_affine(matrix, points) - points for matrix in series.motion)
    return float(np.mean([np.sqrt((shift**2).sum(axis=1).mean()) for shift in moved]))


@pytest.mark.slow
def test_every_task_ends_as_its_data_deserve(demo: Demo) -> None:
    """The demo ends with exit 0, having told of every task, and keeps everything below its home."""
    wanted = sum(len(scan.ends) for scan in SCANS)

    assert 0 == demo.done.returncode, demo.done.stdout + demo.done.stderr
    assert f"{wanted} of {wanted} tasks ended as their data deserve" in demo.done.stdout
    assert [] == list(demo.home.rglob("oops"))


@pytest.mark.slow
def test_reports(demo: Demo, tmp_path: Path) -> None:
    """Every COMPLETE quality report is a PDF whose pages can be rendered and are not blank."""
    qa = ("dti_qa", "fmri_qa")
    wanted = [end for scan in SCANS for name, end in scan.ends.items() if name in qa]
    reports = sorted((demo.home / "reports").rglob("*.pdf"))
    rendered = {pdf: pages(pdf, tmp_path / str(number)) for number, pdf in enumerate(reports)}

    assert sum(end.status is Status.COMPLETE for end in wanted) == len(reports)
    for pdf, images in rendered.items():
        assert images, pdf
        assert [] == [number for number, image in enumerate(images) if (image < 128).mean() < 0.005], pdf


@pytest.mark.slow
def test_diffusion_figures(demo: Demo) -> None:
    """The diffusion report finds the injected dropouts, the motion, and the true FA of white matter."""
    truth = phantom.dwi(phantom.head(), seed=3, motion=1.5, dropouts=3)
    figures = demo.figures(MOVED, "DtiQa_v1")
    fa = demo.image(MOVED, "DtiQa_v1", "FA", "fa.nii.gz")

    assert len(truth.dropouts) == figures["dropouts"]
    assert mean_displacement(truth) == pytest.approx(figures["displacement_mean"], abs=0.15)
    assert truth.mean_fa() == pytest.approx(float(fa[truth.white >= 0.9].mean()), abs=0.03)


@pytest.mark.slow
def test_functional_figures(demo: Demo) -> None:
    """The functional reports find the injected spikes, and the true motion and tSNR of a quiet series."""
    quiet = phantom.bold(phantom.head(), seed=5, motion=0.3)
    figures = demo.figures(QUIET, "FmriQa_v1")
    tsnr = demo.image(QUIET, "FmriQa_v1", "TSNR", "tsnr.nii.gz")
    core = ndimage.binary_erosion(quiet.brain_mask, iterations=3)

    assert 3 == demo.figures(MOVED, "FmriQa_v1")["spikes"]
    assert mean_displacement(quiet) == pytest.approx(figures["displacement_mean"], abs=0.15)
    assert quiet.median_tsnr == pytest.approx(float(np.median(tsnr[core])), rel=0.05)
