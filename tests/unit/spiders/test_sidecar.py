"""What a JSON sidecar tells, and that nothing about it is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from cci.spiders.sidecar import NO_SIDECAR, Sidecar, parse, read_sidecar
from cci.spiders.staging import open_folders
from cci.spiders.timing import repetition_time

RAS, LPS = np.diag([2.0, 2.0, 2.0, 1.0]), np.diag([-2.0, -2.0, 2.0, 1.0])
TOLD = {
    "EchoTime": 0.03,
    "RepetitionTime": 2,
    "MagneticFieldStrength": 3,
    "PhaseEncodingDirection": "j-",
    "Manufacturer": "Siemens",
    "ManufacturersModelName": "Prisma",
}
KNOWN = Sidecar(te_s=0.03, tr_s=2.0, field_t=3.0, phase_encoding="j-", scanner="Siemens Prisma", found=True)


def _stage(folder: Path, **files: str) -> Path:
    """Lay JSON files out as a job's input; return where the image would be."""
    place = folder / "bold" / "JSON"
    place.mkdir(parents=True)
    for stem, text in files.items():
        (place / f"{stem}.json").write_text(text, encoding="utf-8")
    return folder / "bold" / "NIFTI" / "rest.nii.gz"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(TOLD, KNOWN, id="all"),
        pytest.param({}, Sidecar(found=True), id="nothing"),
        pytest.param({"PhaseEncodingAxis": "j"}, Sidecar(phase_encoding="j?", found=True), id="axis only"),
        pytest.param({"Manufacturer": "GE"}, Sidecar(scanner="GE", found=True), id="maker only"),
        pytest.param(
            {"EchoTime": "0.03", "RepetitionTime": -1, "MagneticFieldStrength": True, "Manufacturer": ["x"],
             "PhaseEncodingDirection": "AP"},
            Sidecar(found=True),
            id="no sense",
        ),
    ],
)  # fmt: skip
def test_what_is_told_is_taken(content: dict[str, Any], expected: Sidecar) -> None:
    """Known keys are taken in BIDS's units; values without sense count as absent."""
    assert expected == parse(content)


@pytest.mark.parametrize(
    ("files", "expected", "said"),
    [
        pytest.param({"rest": json.dumps(TOLD)}, KNOWN, "", id="one"),
        pytest.param({"other": json.dumps(TOLD)}, KNOWN, "", id="one with another name"),
        pytest.param({"rest": json.dumps(TOLD), "b": "{}"}, KNOWN, "", id="the one named as the image"),
        pytest.param({"a": "{}", "b": "{}"}, NO_SIDECAR, "none called rest.json", id="no telling which"),
        pytest.param({}, NO_SIDECAR, "", id="none"),
        pytest.param({"rest": '{"EchoTime": 0.0'}, NO_SIDECAR, "rest.json is no JSON", id="cut off"),
        pytest.param({"rest": "[" * 100_000}, NO_SIDECAR, "rest.json is no JSON", id="too deep"),
        pytest.param({"rest": "[1]"}, NO_SIDECAR, "rest.json holds no JSON object", id="a list"),
    ],
)
def test_a_sidecar_never_stops_a_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str], expected: Sidecar, said: str
) -> None:
    """A sidecar that is absent, ambiguous or broken is left out, with a line in the log."""
    image = _stage(tmp_path, **files)

    found = read_sidecar(open_folders(tmp_path, tmp_path), "bold", image)

    assert (expected, True) == (found, said in capsys.readouterr().out)


def test_by_hand_the_description_of_the_job_is_no_sidecar(tmp_path: Path) -> None:
    """Where files lie together, ``inputs.json`` is not taken for the sidecar."""
    (tmp_path / "inputs.json").write_text("{}")

    assert NO_SIDECAR == read_sidecar(open_folders(tmp_path, tmp_path), "bold", tmp_path / "rest.nii.gz")


@pytest.mark.parametrize(
    ("sidecar", "header_axis", "affine", "expected"),
    [
        pytest.param(KNOWN, None, RAS, "j-, A to P", id="against the voxel axis"),
        pytest.param(KNOWN, None, LPS, "j-, P to A", id="reversed storage"),
        pytest.param(Sidecar(phase_encoding="i", found=True), None, RAS, "i, L to R", id="along the axis"),
        pytest.param(Sidecar(phase_encoding="j?"), None, RAS, "j, between P and A", id="polarity unknown"),
        pytest.param(NO_SIDECAR, 1, RAS, "j, between P and A", id="from the image's header"),
        pytest.param(NO_SIDECAR, None, RAS, "unknown: no JSON sidecar", id="no sidecar"),
        pytest.param(Sidecar(found=True), None, RAS, "unknown: not in the JSON sidecar", id="not told"),
    ],
)
def test_phase_encoding_is_told_by_sides(
    sidecar: Sidecar, header_axis: int | None, affine: np.ndarray, expected: str
) -> None:
    """The table tells between which sides of the patient phase is encoded, or why that is not known."""
    assert expected == dict(sidecar.facts(affine, header_axis))["phase encoding"]


def test_facts_have_units() -> None:
    """Echo time is shown in ms and the field in T."""
    facts = dict(KNOWN.facts(RAS))

    assert ("30 ms", "3 T", "Siemens Prisma") == (facts["TE"], facts["field strength"], facts["scanner"])


def test_the_sidecar_tells_the_repetition_time_last() -> None:
    """Without a parameter and a time in the header the sidecar's repetition time is taken."""
    header = nib.Nifti1Header()
    header.set_data_shape((2, 2, 2, 12))

    assert (2.0, "JSON sidecar") == repetition_time(header, sidecar=KNOWN)
    assert (1.5, "parameter tr_s") == repetition_time(header, 1.5, KNOWN)
