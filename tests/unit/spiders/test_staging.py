"""What a spider prints for the person who follows its log."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from cci import phantom
from cci.spiders import fmri_qa, staging
from cci.spiders.staging import say


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        pytest.param("largest 1.9 mm, 2°", "utf-8", "largest 1.9 mm, 2°", id="plain"),
        pytest.param("64 × 76", "ascii", "64 ? 76", id="a node that knows ASCII only"),
        pytest.param("read a\nb\x1b[2J.nii", "utf-8", "read a?b?[2J.nii", id="control characters"),
        pytest.param("read \udcff.nii", "utf-8", "read ?.nii", id="a name that is no UTF-8"),
    ],
)
def test_a_line_stays_a_line(
    monkeypatch: pytest.MonkeyPatch, text: str, encoding: str, expected: str
) -> None:
    """Whatever a file is called, the log gets one line that can be printed."""
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))

    say(text)

    assert f"{expected}\n" == printed.getvalue().decode(encoding)


def test_a_spider_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each step leaves a line with what was found, from reading to the last file."""
    series = phantom.bold(phantom.head(6.0), seed=2, n_volumes=12, spikes=1)
    phantom.write_nifti(series, tmp_path / "inputs", name="rest")

    status = staging.main(fmri_qa.run, [str(tmp_path / "inputs"), str(tmp_path / "outputs")])

    x, y, z = series.data.shape[:3]
    said = capsys.readouterr().out.splitlines()
    beginnings = [line.split(":")[0].split(",")[0] for line in said]
    assert (0, f"read rest.nii.gz: {x} × {y} × {z} voxels, 12 volumes") == (status, said[0])
    assert [
        "read rest.nii.gz",
        "estimated motion",
        "found the brain",
        "judged the volumes",
        "measured stability",
        "wrote stats.csv",
        "wrote report.pdf",
    ] == beginnings[:-1]
    assert beginnings[-1].startswith("done")
