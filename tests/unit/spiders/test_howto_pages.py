"""The pages about the pipelines say what the spiders do: every measure with its unit, every error code."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cci import phantom
from cci.processor import Output
from cci.processors.dcm2nii import Dcm2NiiProcessor
from cci.processors.dti_qa import DtiQaProcessor
from cci.processors.fmri_qa import FmriQaProcessor
from cci.spiders import dti_analysis, dti_measures, fmri_analysis, fmri_measures
from cci.spiders.dti_input import Series, fsl_to_world
from cci.spiders.fmri_series import Bold
from cci.spiders.measures import Measure

ROOT = Path(__file__).parents[3]
#: The modules whose refusals reach a person, by page.
MODULES = {
    "dti-qa": ("staging", "images", "dti_input", "dti_analysis"),
    "fmri-qa": ("staging", "images", "timing", "fmri_series", "fmri_spatial"),
    "dicom-to-nifti": ("dcm2nii", "dicom_headers", "dicom_stack", "nifti_check"),
}
OUTPUTS = {
    "dti-qa": DtiQaProcessor.outputs,
    "fmri-qa": FmriQaProcessor.outputs,
    "dicom-to-nifti": Dcm2NiiProcessor.outputs,
}


def table(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading, as cells without spaces at their ends."""
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def words(cells: list[str]) -> list[str]:
    """Return what is marked as code in some cells."""
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def codes(module: str) -> set[str]:
    """Return the codes with which a module refuses its input."""
    tree = ast.parse((ROOT / "spiders" / f"{module}.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    refusals = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "BadInput"]
    return {call.args[0].value for call in refusals if isinstance(call.args[0], ast.Constant)}  # type: ignore[misc]  # codes are words


@pytest.mark.parametrize("page", MODULES)
def test_every_error_code_stands_on_its_page(page: str) -> None:
    """A page has each code with which the spider refuses its input, and no other."""
    raised = set().union(*(codes(module) for module in MODULES[page]))

    assert raised == set(words([row[0] for row in table(page, "When it cannot work")]))


@pytest.mark.parametrize("page", OUTPUTS)
def test_every_output_stands_on_its_page(page: str) -> None:
    """A page has each resource and file that the processor declares, and no other."""
    declared: set[str] = set()
    for output in OUTPUTS[page]:
        assert isinstance(output, Output)
        declared |= {output.resource, output.pattern}

    assert declared == set(words([cell for row in table(page, "Outputs") for cell in row[:2]]))


def _dti_measures() -> list[Measure]:
    truth = phantom.dwi(phantom.head(6.0), seed=4, n_b0=3, directions=15, motion=1.0)
    series = Series(
        data=truth.data.astype(np.float32),
        affine=truth.affine,
        b_values=truth.bvals,
        directions=fsl_to_world(truth.bvecs, truth.affine),
    )
    return dti_measures.measures(dti_analysis.analyse(series))


def _fmri_measures() -> list[Measure]:
    truth = phantom.bold(phantom.head(6.0), seed=2, n_volumes=12)
    bold = Bold(
        data=truth.data.astype(np.float32),
        affine=truth.affine,
        tr_s=truth.tr_s,
        tr_source="phantom",
        phase_axis=None,
        file_name="rest.nii.gz",
        stored_as="int16",
    )
    return fmri_measures.measures(fmri_analysis.analyse(bold))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "found"), [("dti-qa", _dti_measures), ("fmri-qa", _fmri_measures)], ids=["DTI", "fMRI"]
)
def test_every_measure_stands_on_its_page(page: str, found: Callable[[], list[Measure]]) -> None:
    """A page has each measure of ``stats.csv`` with its unit, in the same order, and no other."""
    told = [(words([row[0]])[0], row[1]) for row in table(page, "Measures")]

    assert [(measure.name, measure.unit) for measure in found()] == told
