"""Selection rules, each as a table: what is chosen, and the sentence where nothing can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from support.snapshots import a_project, a_scan, a_session, a_subject, an_assessor, mark, resources, target_of

from cci import model
from cci.inputs import Assessor, Rule, Scan, Selection, SessionResource, missing_resources, resolve
from cci.model import Resource

T1 = Scan("t1", type=["T1*", "MPRAGE*"])
DTI = Scan("dwi", type=["DTI*"], resources=["NIFTI", "BVAL"])
EARLIER = Assessor("fs", proctype=["FreeSurfer_v*"], resources=["DATA"])


def _chosen(selection: Selection) -> list[str]:
    return [source.scan_id or source.assessor_id or source.session_id for source in selection.sources]


# -- scans ----------------------------------------------------------------------------------------

#: Each row: why the first wins over the second, which is otherwise the better one.
BEST = {
    "usable goes before questionable, whatever its type": (
        a_scan("1", "MPRAGE"),
        a_scan("9", "T1", quality="questionable"),
    ),
    "no quality goes before questionable": (
        a_scan("1", "T1", quality=""),
        a_scan("9", "T1", quality="questionable"),
    ),
    "usable goes before no quality": (a_scan("1", "T1"), a_scan("9", "T1", quality="")),
    "a quality that nobody knows comes last": (
        a_scan("1", "T1", quality="questionable"),
        a_scan("9", "T1", quality="so-so"),
    ),
    "the type that is named first goes before": (a_scan("1", "T1 3D"), a_scan("9", "MPRAGE")),
    "of one type, the scan that has its resources goes before": (
        a_scan("1", "T1"),
        a_scan("9", "T1", "DICOM"),
    ),
    "an empty resource is as good as none": (
        a_scan("1", "T1"),
        a_scan("9", "T1", resources=resources("NIFTI", files=0)),
    ),
    "of two equal scans the later one is used": (a_scan("9", "T1"), a_scan("8", "T1")),
    "later is counted, not spelt": (a_scan("11", "T1"), a_scan("9", "T1")),
    "a number with letters counts by its number": (a_scan("11-MR1", "T1"), a_scan("9", "T1")),
    "of one number the last in the alphabet is used": (a_scan("3-MR2", "T1"), a_scan("3-MR1", "T1")),
    "a number goes before a name": (a_scan("1", "T1"), a_scan("scout", "T1")),
}


@pytest.mark.parametrize("row", BEST)
@pytest.mark.parametrize("turned", [False, True], ids=["best first", "best last"])
def test_the_best_t1_is_chosen_by_stated_rules(row: str, turned: bool) -> None:
    """Quality decides, then the order of types, then completeness, then the number; never the listing."""
    best, other = BEST[row]
    scans = (other, best) if turned else (best, other)
    assert [best.id] == _chosen(resolve([T1], target_of(a_session(*scans))))


#: Each row: the scans of a session, and the reason why a T1 cannot be had from them.
SCAN_REASONS = {
    "no such type": ([a_scan("1", "T2")], "the session has no scan of type T1* or MPRAGE*"),
    "no scan at all": ([], "the session has no scan of type T1* or MPRAGE*"),
    "types are compared with regard to case": (
        [a_scan("1", "t1")],
        "the session has no scan of type T1* or MPRAGE*",
    ),
    "unusable": ([a_scan("4", "T1", quality="unusable")], "scan 4 (T1) is marked unusable"),
    "all unusable": (
        [a_scan("4", "T1", quality="unusable"), a_scan("5", "T1", quality="unusable")],
        "scan 4 (T1) is marked unusable and scan 5 (T1) is marked unusable",
    ),
    "no resource": ([a_scan("4", "T1", "DICOM")], "scan 4 (T1) has no resource NIFTI"),
    "an empty resource": (
        [a_scan("4", "T1", resources=resources("NIFTI", files=0))],
        "scan 4 (T1) has an empty resource NIFTI",
    ),
    "the better scan lacks its resource": (
        [a_scan("4", "T1", "DICOM"), a_scan("5", "T1", quality="questionable")],
        "scan 4 (T1) has no resource NIFTI",
    ),
}


@pytest.mark.parametrize("row", SCAN_REASONS)
def test_a_scan_that_cannot_be_had_is_named(row: str) -> None:
    """The reason names the scan and what is wrong with it, or the types that were looked for."""
    scans, reason = SCAN_REASONS[row]
    assert Selection(reason=reason) == resolve([T1], target_of(a_session(*scans)))


def test_every_lacking_resource_is_named() -> None:
    """One sentence names all resources that a scan lacks."""
    selection = resolve([DTI], target_of(a_session(a_scan("7", "DTI", "DICOM"))))
    assert "scan 7 (DTI) has no resources NIFTI and BVAL" == selection.reason


def test_lacking_and_empty_resources_are_told_apart() -> None:
    """Absent resources are named together, and so are empty ones."""
    empty = {**resources("BVEC", files=0), **resources("JSON", files=0)}
    wanted = Scan("dwi", resources=["NIFTI", "BVAL", "GRAD", "BVEC", "JSON"])
    scan = a_scan("7", "DTI", resources=empty)

    expected = "scan 7 (DTI) has no resources NIFTI, BVAL and GRAD and has empty resources BVEC and JSON"
    assert expected == resolve([wanted], target_of(a_session(scan))).reason


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            Scan("dwi", type=["DTI*", "dwi"], resources=["NIFTI", "BVAL", "BVEC"]),
            "scan of type DTI* or dwi, not marked unusable, with resources NIFTI, BVAL and BVEC",
        ),
        (Scan("any", resources=[], exclude_quality=[]), "scan of type *"),
        (Assessor("fs", ["FreeSurfer_v7"]), "assessor FreeSurfer_v7 that is COMPLETE"),
        (
            Assessor("fs", ["FreeSurfer_v7"], resources=["DATA"], needs_qc=True),
            "assessor FreeSurfer_v7 that is COMPLETE, passed by its quality control, with resource DATA",
        ),
        (SessionResource("physio", ["PHYSIO"]), "session, with resource PHYSIO"),
    ],
)
def test_a_rule_in_words(rule: Rule, words: str) -> None:
    """A rule says in words what it looks for."""
    assert words == rule.description


def test_a_resource_of_unknown_size_is_there() -> None:
    """Where the listing does not tell how many files a resource holds, it counts as present."""
    assert [] == missing_resources(["NIFTI"], resources("NIFTI", files=None))


def test_the_target_scan_is_the_first_scan_rule() -> None:
    """For a scan task the first scan rule is the target itself; the second chooses among the session's."""
    first, second = a_scan("3", "DTI", "NIFTI", "BVAL"), a_scan("9", "DTI", "NIFTI", "BVAL")
    target = target_of(a_session(first, second, a_scan("2", "T1")), first)
    assert ["3", "2"] == _chosen(resolve([DTI, T1], target))


def test_an_unusable_target_scan_is_not_replaced() -> None:
    """A scan task on an unusable scan waits, though the session has a better one."""
    bad = replace(a_scan("3", "DTI", "NIFTI", "BVAL"), quality="unusable")
    target = target_of(a_session(bad, a_scan("9", "DTI", "NIFTI", "BVAL")), bad)
    assert "scan 3 (DTI) is marked unusable" == resolve([DTI], target).reason


def test_what_a_spider_is_told_of_a_scan() -> None:
    """A chosen scan carries its attributes and a mark of every resource that is staged."""
    scan = a_scan("3", "T1", frames=176, note="moved", series_description="T1 3D")
    (source,) = resolve([T1], target_of(a_session(scan))).sources
    told = {
        "id": "3",
        "type": "T1",
        "quality": "usable",
        "note": "moved",
        "series_description": "T1 3D",
        "frames": "176",
    }
    assert (told, {"NIFTI": "1/10"}, "scan 3 (T1)") == (
        source.attributes,
        source.fingerprints,
        source.description,
    )


# -- assessors ------------------------------------------------------------------------------------


def _with(*assessors: model.Assessor) -> model.Target:
    return target_of(replace(a_session(a_scan("1", "T1")), assessors=assessors))


#: Each row: an assessor, the rule, and the reason why it cannot be an input.
ASSESSOR_REASONS = {
    "not made yet": ([], EARLIER, "there is no assessor FreeSurfer_v* yet"),
    "of another type": (
        [an_assessor("Dti_v1")],
        EARLIER,
        "there is no assessor FreeSurfer_v* yet",
    ),
    "not done": (
        [an_assessor("FreeSurfer_v7", label="FS", procstatus="JOB_RUNNING")],
        EARLIER,
        "assessor FS is JOB_RUNNING",
    ),
    "without status": (
        [an_assessor("FreeSurfer_v7", label="FS", procstatus="")],
        EARLIER,
        "assessor FS is without status",
    ),
    "failed its QC": (
        [an_assessor("FreeSurfer_v7", label="FS", qc_status="Failed-needs reprocessing")],
        EARLIER,
        "assessor FS has QC status Failed-needs reprocessing",
    ),
    "about to run again": (
        [an_assessor("FreeSurfer_v7", label="FS", qc_status="Rerun")],
        EARLIER,
        "assessor FS has QC status Rerun",
    ),
    "nobody has passed it": (
        [an_assessor("FreeSurfer_v7", label="FS")],
        replace(EARLIER, needs_qc=True),
        "assessor FS waits for its quality control (QC status Needs QA)",
    ),
    "nobody has looked at it": (
        [an_assessor("FreeSurfer_v7", label="FS", qc_status="")],
        replace(EARLIER, needs_qc=True),
        "assessor FS waits for its quality control (QC status empty)",
    ),
    "lacks a resource": (
        [an_assessor("FreeSurfer_v7", label="FS", resources=resources("STATS"))],
        EARLIER,
        "assessor FS has no resource DATA",
    ),
    "two, each with its own reason": (
        [
            an_assessor("FreeSurfer_v6", label="FS6", procstatus="JOB_ERROR"),
            an_assessor("FreeSurfer_v7", label="FS7", qc_status="BAD"),
        ],
        EARLIER,
        "assessor FS6 is JOB_ERROR; assessor FS7 has QC status BAD",
    ),
}


@pytest.mark.parametrize("row", ASSESSOR_REASONS)
def test_an_assessor_that_cannot_be_had_is_named(row: str) -> None:
    """The reason names the assessor and its status, its QC or the resource that it lacks."""
    assessors, rule, reason = ASSESSOR_REASONS[row]
    assert Selection(reason=reason) == resolve([rule], _with(*assessors))


@pytest.mark.parametrize("qc", ["Passed", "good", "OK", "Passed with edits"])
def test_a_passed_assessor_is_an_input(qc: str) -> None:
    """Any of the words for passed will do, in capitals or not."""
    assessor = an_assessor("FreeSurfer_v7", qc_status=qc, resources=resources("DATA"))
    assert [assessor.id] == _chosen(resolve([replace(EARLIER, needs_qc=True)], _with(assessor)))


def test_another_systems_assessor_may_be_an_input() -> None:
    """An assessor without our mark is as good an input as ours."""
    theirs = an_assessor("FreeSurfer_v7", inputs="/projects/P/scans/3", resources=resources("DATA"))
    assert [theirs.id] == _chosen(resolve([EARLIER], _with(theirs)))


def test_the_newest_version_is_used() -> None:
    """Of several good assessors the one of the highest version is used, by number and not by spelling."""
    found = [
        an_assessor(f"FreeSurfer_v{version}", resources=resources("DATA")) for version in ("9", "10", "7")
    ]
    assert ["A_FreeSurfer_v10"] == _chosen(resolve([EARLIER], _with(*found)))


def test_a_scan_task_takes_the_result_of_its_own_scan() -> None:
    """Where each scan has an earlier result, a scan task uses the one that was made from its scan."""
    made = [an_assessor("Dti_v1", id=f"A{scan_id}", label=scan_id, inputs=mark(scan_id)) for scan_id in "345"]
    scan = a_scan("4", "DTI")
    session = replace(a_session(a_scan("3"), scan, a_scan("5")), assessors=tuple(made))
    assert ["A4"] == _chosen(resolve([Assessor("dti", proctype=["Dti_v1"])], target_of(session, scan)))


def test_a_scan_task_waits_for_the_result_of_its_own_scan() -> None:
    """Another scan's result does not stand in for the one that is still to come."""
    made = an_assessor("Dti_v1", inputs=mark("3"))
    scan = a_scan("4", "DTI")
    session = replace(a_session(a_scan("3"), scan), assessors=(made,))
    selection = resolve([Assessor("dti", proctype=["Dti_v1"])], target_of(session, scan))
    assert "there is no assessor Dti_v1 yet" == selection.reason


def test_a_scan_task_may_use_a_result_of_its_session() -> None:
    """A session-level result, such as FreeSurfer's, is an input of a scan task too."""
    made = an_assessor("FreeSurfer_v7", inputs=mark(), resources=resources("DATA"))
    scan = a_scan("4", "DTI")
    session = replace(a_session(scan), assessors=(made,))
    assert ["A_FreeSurfer_v7"] == _chosen(resolve([EARLIER], target_of(session, scan)))


def test_a_subject_task_takes_subject_level_assessors() -> None:
    """The assessors of a subject are chosen by the same rule, and are known as subject-level."""
    assessor = an_assessor("FreeSurfer_v7", session_id="", resources=resources("DATA"))
    subject = a_subject(assessors=(assessor,))
    target = model.Target(project=a_project(subject), subject=subject)
    (source,) = resolve([EARLIER], target).sources
    assert (True, "", assessor.id) == (source.subject_level, source.session_id, source.assessor_id)


# -- the session itself, and all together ----------------------------------------------------------


def test_session_resources() -> None:
    """A resource of the session is chosen, or named where it lacks."""
    rule = SessionResource("physio", resources=["PHYSIO"])
    bare = a_session()
    full = replace(bare, resources=resources("PHYSIO"))
    assert ["E1"] == _chosen(resolve([rule], target_of(full)))
    assert "the session has no resource PHYSIO" == resolve([rule], target_of(bare)).reason


NOT_HERE: dict[str, tuple[Rule, str]] = {
    "scan": (T1, "only a session or scan processor can ask for scans"),
    "session": (SessionResource("r"), "only a session or scan processor can ask for session resources"),
    "assessor": (EARLIER, "only a session, scan or subject processor can ask for assessors"),
}


@pytest.mark.parametrize("row", NOT_HERE)
def test_a_rule_that_the_level_does_not_have(row: str) -> None:
    """A project task that asks for scans or assessors waits, and says who could ask."""
    rule, reason = NOT_HERE[row]
    assert reason == resolve([rule], model.Target(project=a_project())).reason


def test_the_first_condition_that_does_not_hold_decides() -> None:
    """Rules are asked in their order; the first that fails is the reason."""
    target = target_of(a_session(a_scan("4", "T1", "DICOM")))
    assert "scan 4 (T1) has no resource NIFTI" == resolve([T1, EARLIER], target).reason
    assert "there is no assessor FreeSurfer_v* yet" == resolve([EARLIER, T1], target).reason


def test_fingerprints_name_input_resource_and_source() -> None:
    """The marks of a selection tell when a resource grows, and when another scan is chosen."""
    assessor = an_assessor("FreeSurfer_v7", resources=resources("DATA", files=3))
    target = target_of(replace(a_session(a_scan("1", "T1")), assessors=(assessor,)))
    assert {"t1/NIFTI": "1:1/10", "fs/DATA": "A_FreeSurfer_v7:3/30"} == resolve(
        [T1, EARLIER], target
    ).fingerprints()


def test_no_rule_needs_nothing() -> None:
    """A processor without rules is always ready."""
    assert Selection() == resolve([], model.Target(project=a_project()))


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({**resources("NIFTI"), **resources("JSON")}, ("NIFTI", "JSON")),
        ({**resources("NIFTI"), **resources("JSON", files=0)}, ("NIFTI",)),
        (resources("NIFTI"), ("NIFTI",)),
    ],
)
def test_optional_resources_are_staged(there: Mapping[str, Resource], expected: tuple[str, ...]) -> None:
    """An optional resource is taken along if it holds a file, and never waited for."""
    scan = a_scan("1", "T1", resources=there)

    selection = resolve([Scan("image", type=["T1"], optional=["JSON"])], target_of(a_session(scan), scan))

    assert expected == selection.sources[0].resources
