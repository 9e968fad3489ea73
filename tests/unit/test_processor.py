"""Processors: a class with a mistake is refused when it is loaded, and what a good one has tasks on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.snapshots import (
    a_project,
    a_scan,
    a_session,
    a_subject,
    project_of,
    resources,
    target_of,
    targets_labels,
)

from cci.errors import ProcessorError
from cci.inputs import Selection
from cci.model import Target
from cci.processor import (
    Assessor,
    Job,
    Output,
    Processor,
    ProjectProcessor,
    Scan,
    ScanProcessor,
    SessionProcessor,
    SubjectProcessor,
)


class DtiQaProcessor(ScanProcessor):
    """Fit the diffusion tensor and report its quality."""

    version = "1.0.0"
    inputs = (Scan("dwi", type=["DTI*", "dwi"], resources=["NIFTI", "BVAL", "BVEC"]),)
    outputs = (Output("PDF", "report.pdf"), Output("FA", "fa.nii.gz"))
    walltime = timedelta(hours=4)
    spider = "cci.spiders.dti_qa"


class Thickness(SessionProcessor):
    """Needs two scans; free of the usual last word of a name."""

    version = "2.1"
    inputs = (Scan("t1", type=["T1*"]), Scan("t2", type=["T2*"]))
    outputs = (Output("STATS"),)
    spider = "lab.thickness"


class Growth(SubjectProcessor):
    """One task for each subject."""

    version = "1"
    inputs = (Assessor("thickness", proctype=["Thickness_v2"]),)
    outputs = (Output("STATS"),)
    spider = "lab.growth"


class Template(ProjectProcessor):
    """Without rules and without a spider: it decides and builds its command itself."""

    version = "1"
    outputs = (Output("TEMPLATE"),)

    def can_run(self, target: Target) -> Selection:
        return Selection() if len(target.project.subjects) > 1 else Selection.waiting("needs two subjects")

    def command(self, job: Job) -> list[str]:
        return ["template", job.outputs, str(job.cores)]


JOB = Job(python="python3", cores=2, memory_mb=100, parameters={}, selection=Selection())

# -- ten lines are enough ---------------------------------------------------------------------------


def test_a_class_of_ten_lines_is_a_processor() -> None:
    """Attributes alone make a processor: its proctype and command follow."""
    processor = DtiQaProcessor()
    expected = ("DtiQa_v1", ["python3", "-m", "cci.spiders.dti_qa", "inputs", "outputs"])
    assert expected == (processor.proctype, processor.command(JOB))


def test_two_methods_make_any_other() -> None:
    """can_run and command replace rules and spider."""
    processor = Template()
    waits = processor.can_run(Target(project=project_of(a_session())))
    assert (["template", "outputs", "2"], "needs two subjects") == (processor.command(JOB), waits.reason)


@pytest.mark.parametrize(
    ("version", "proctype"), [("1.0.0", "DtiQa_v1"), ("1.9", "DtiQa_v1"), ("12", "DtiQa_v12")]
)
def test_only_a_new_major_version_makes_new_tasks(version: str, proctype: str) -> None:
    """The proctype has the first number of the version and no other."""
    assert proctype == DtiQaProcessor(version=version).proctype


def test_a_name_goes_before_the_class_name() -> None:
    """The attribute name is what the proctype begins with; else it is the class's, without 'Processor'."""

    class CortexProcessor(Thickness):
        name = "FreeSurferThickness"

    assert ("FreeSurferThickness_v2", "Thickness_v2") == (CortexProcessor().proctype, Thickness().proctype)


def test_a_site_may_override_attributes() -> None:
    """Overrides belong to the instance; the class stays as it was written."""
    site = DtiQaProcessor(memory_mb=99, parameters={"model": "ridge"})
    assert (99, 4096, {"model": "ridge"}) == (
        site.memory_mb,
        DtiQaProcessor().memory_mb,
        site.parameters,
    )


# -- mistakes -----------------------------------------------------------------------------------------

#: Each row: what is wrong, and how the sentence about it ends.
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no version": ({"version": ""}, "attribute 'version' must be a version such as '1.0.0', not ''"),
    "a version that is a word": (
        {"version": "v1"},
        "attribute 'version' must be a version such as '1.0.0', not 'v1'",
    ),
    "a version with a new line": (
        {"version": "1\n"},
        "attribute 'version' must be a version such as '1.0.0', not '1\\n'",
    ),
    "no inputs": ({"inputs": []}, "attribute 'inputs' is missing: say which scans or assessors it needs"),
    "a text where a list is meant": (
        {"inputs": [Scan("dwi", type="DTI*")]},
        "attribute 'inputs' 'dwi': type must be a list, such as ['DTI*']",
    ),
    "one resource as a text": (
        {"inputs": [Scan("dwi", resources="NIFTI")]},
        "attribute 'inputs' 'dwi': resources must be a list, such as ['NIFTI']",
    ),
    "two rules of one name": (
        {"inputs": [Scan("t1"), Assessor("t1", proctype=["X_v1"])]},
        "attribute 'inputs' has two rules named 't1'",
    ),
    "an input that is no folder": (
        {"inputs": [Scan("../t1")]},
        "attribute 'inputs' has the name '../t1', which must be letters, digits, '_' and '-'",
    ),
    "no outputs": (
        {"outputs": []},
        "attribute 'outputs' is missing: say which files a job must leave behind",
    ),
    "a resource that is cci's own": (
        {"outputs": [Output("PROV")]},
        "attribute 'outputs' may not use the reserved resource PROV",
    ),
    "a person's resource": (
        {"outputs": [Output("EDITS")]},
        "attribute 'outputs' may not use the reserved resource EDITS",
    ),
    "no spider": ({"spider": ""}, "attribute 'spider' is missing: name a module, or write command()"),
    "no time": (
        {"walltime": timedelta(0)},
        "attribute 'walltime' must be a positive timedelta, not datetime.timedelta(0)",
    ),
    "a time without a unit": (
        {"walltime": 3600},
        "attribute 'walltime' must be a positive timedelta, not 3600",
    ),
    "no memory": ({"memory_mb": 0}, "attribute 'memory_mb' must be a positive whole number, not 0"),
    "half a core": ({"cores": 0.5}, "attribute 'cores' must be a positive whole number, not 0.5"),
    "less than no GPU": ({"gpus": -1}, "attribute 'gpus' must be 0 or a positive whole number, not -1"),
    "a slot and a half": (
        {"mpi_slots": 1.5},
        "attribute 'mpi_slots' must be 0 or a positive whole number, not 1.5",
    ),
    "options in a list": (
        {"native": ["--qos=high"]},
        "attribute 'native' must be a text, or a text for each cluster, not ['--qos=high']",
    ),
    "a name with a hyphen": ({"name": "Dti-Qa"}, "attribute 'name' must be letters and digits, not 'Dti-Qa'"),
}


@pytest.mark.parametrize("row", MISTAKES)
def test_a_mistake_names_file_class_and_attribute(row: str) -> None:
    """A processor with a mistake is refused when it is made, in one sentence that leads to the place."""
    attributes, sentence = MISTAKES[row]
    broken = type("Broken", (DtiQaProcessor,), {**attributes, "__module__": __name__})
    with pytest.raises(ProcessorError) as caught:
        broken()
    assert f"test_processor.py: processor Broken: {sentence}" == caught.value.message


def test_results_go_to_the_scan_only_from_a_scan_processor() -> None:
    """A session has no one scan that an output could be attached to."""
    with pytest.raises(ProcessorError) as caught:
        Thickness(outputs=[Output("NIFTI", to="scan")])
    assert "NIFTI can go to the scan only from a ScanProcessor" in caught.value.message


def test_one_of_four_kinds() -> None:
    """A class that says nothing of its level is told which four there are."""
    with pytest.raises(ProcessorError) as caught:
        type("Bare", (Processor,), {"__module__": __name__})()
    kinds = "ScanProcessor, SessionProcessor, SubjectProcessor or ProjectProcessor"
    assert f"test_processor.py: processor Bare must be a {kinds}" == caught.value.message


@pytest.mark.parametrize("name", ["memory", "command", "proctype"])
def test_an_override_of_what_is_no_attribute(name: str) -> None:
    """A misspelt override, a method or a derived value is refused by name."""
    with pytest.raises(ProcessorError) as caught:
        DtiQaProcessor(**{name: 1})
    assert f"processor DtiQaProcessor has no attribute '{name}' to override" in caught.value.message


def test_a_class_without_a_file() -> None:
    """A class that was typed into a notebook is called so."""
    scope: dict[str, Any] = {"ScanProcessor": ScanProcessor, "__name__": "no_such_module"}
    exec("class Typed(ScanProcessor): version = 'x'", scope)
    with pytest.raises(ProcessorError, match=r"<notebook>: processor Typed"):
        scope["Typed"]()


# -- targets ------------------------------------------------------------------------------------------

PROJECT = a_project(
    a_subject(
        a_session(a_scan("1", "T1"), a_scan("2", "T2"), a_scan("3", "DTI 32"), a_scan("4", "dwi")),
        a_session(a_scan("1", "T1"), a_scan("9", "DTI", quality="unusable"), session_id="E2"),
        a_session(a_scan("1", "T1"), a_scan("2", "T2"), a_scan("3", "DTI"), session_id="E3", project="Q"),
    ),
    a_subject(subject_id="S2"),
    a_subject(a_session(session_id="E4"), subject_id="S3", project="Q"),
)

TARGETS: dict[str, tuple[Processor, list[str]]] = {
    "each scan of a fitting type, of whatever quality": (
        DtiQaProcessor(),
        ["session1/3", "session1/4", "session2/9"],
    ),
    "each session that has a scan for every rule": (Thickness(), ["session1"]),
    "each subject with a session": (Growth(), ["subject1"]),
    "the project": (Template(), ["P"]),
}


@pytest.mark.parametrize("row", TARGETS)
def test_targets(row: str) -> None:
    """A task exists where the type matches, in sessions and subjects that the project owns."""
    processor, labels = TARGETS[row]
    assert labels == targets_labels(processor.targets(PROJECT))


def test_an_empty_project_has_no_targets() -> None:
    """Where there is no subject there is no task, not even the project's."""
    processors: list[Processor] = [DtiQaProcessor(), Thickness(), Growth(), Template()]
    assert [] == [target for one in processors for target in one.targets(a_project())]


def test_the_target_is_its_own_input() -> None:
    """A scan processor's selection is made on the target's scan."""
    scan = a_scan("4", "dwi", resources=resources("NIFTI", "BVAL", "BVEC"))
    selection = DtiQaProcessor().can_run(target_of(a_session(a_scan("3", "DTI"), scan), scan))
    assert ["4"] == [source.scan_id for source in selection.sources]


def test_what_goes_to_the_scan() -> None:
    """Only required outputs for the scan tell that the work is done already."""

    class ToScan(ScanProcessor):
        version = "1"
        inputs = (Scan("dicom"),)
        spider = "lab.convert"
        outputs = (
            Output("NIFTI", to="scan"),
            Output("JSON", to="scan", required=False),
            Output("PDF"),
        )

    assert frozenset({"NIFTI"}) == ToScan().results_on_scan()
