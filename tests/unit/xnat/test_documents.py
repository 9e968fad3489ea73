"""A session's document, read as listings are."""

from __future__ import annotations

from typing import Any

import pytest

from cci.errors import Malformed
from cci.model import Assessor, Resource, Scan
from cci.xnat.documents import read_session
from cci.xnat.tables import Row

ROW: Row = {"id": "E1", "subject_id": "S_1"}
TYPE = "proc:genProcData"


def item(xsi_type: str = "", *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"children": list(children), "meta": {"xsi:type": xsi_type}, "data_fields": fields}


def below(field: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"field": field, "items": list(items)}


def resource(label: str, count: int | None = 1, size: int | None = 4) -> dict[str, Any]:
    counts = {"file_count": count, "file_size": size}
    return item("xnat:resourceCatalog", label=label, **{k: v for k, v in counts.items() if v is not None})


def assessor(key: str, *children: dict[str, Any], project: str = "P", **fields: Any) -> dict[str, Any]:
    return item(TYPE, *children, ID=key, label=f"L-{key}", project=project, imageSession_ID="E1", **fields)


def document(*children: dict[str, Any], key: str = "E1", project: str = "P") -> dict[str, Any]:
    return {"items": [item("xnat:mrSessionData", *children, ID=key, project=project, label="MR1")]}


def test_scans() -> None:
    """Scans have their fields as a listing spells them, in the order of their numbers."""
    ten = item(
        "xnat:mrScanData", below("file", resource("NIFTI", 2, 6), resource("DICOM")), ID="10", frames=176
    )
    nine = item("xnat:mrScanData", ID="9", type="T1 &amp; T2", quality="usable", note="&lt;b&gt;")
    parts = read_session(document(below("scans/scan", ten, nine)), "P", ROW, assessor_types=[TYPE])
    files = {"NIFTI": Resource(label="NIFTI", file_count=2, file_size=6)}
    expected = (
        Scan(id="9", type="T1 & T2", quality="usable", note="<b>"),
        Scan(
            id="10",
            frames=176,
            resources={"DICOM": Resource(label="DICOM", file_count=1, file_size=4), **files},
        ),
    )
    assert ("P", expected) == (parts.images["E1"].project, parts.images["E1"].scans)


def test_session_resources() -> None:
    """Resources of the session itself are its own."""
    parts = read_session(
        document(below("resources/resource", resource("NOTES"))), "P", ROW, assessor_types=[TYPE]
    )
    assert {"E1": {"NOTES": Resource(label="NOTES", file_count=1, file_size=4)}} == parts.resources


@pytest.mark.parametrize(
    "validation", [{"validation/status": "Good"}, {}], ids=["beside its fields", "as an element below"]
)
def test_assessors(validation: dict[str, str]) -> None:
    """Assessors have their fields, their results, and the subject of the session."""
    inner = [] if validation else [below("validation", item("xnat:validationData", status="Good"))]
    fields: dict[str, Any] = {
        "procstatus": "COMPLETE",
        "jobid": 42,
        "inputs": "{&quot;a&quot;: 1}",
        **validation,
    }
    one = assessor("A1", below("out/file", resource("PDF")), *inner, **fields)
    other = item("xnat:qcManualAssessorData", ID="A2", label="other", project="P")
    parts = read_session(document(below("assessors/assessor", one, other)), "P", ROW, assessor_types=[TYPE])
    expected = Assessor(
        id="A1",
        label="L-A1",
        xsi_type=TYPE,
        project="P",
        subject_id="S_1",
        session_id="E1",
        procstatus="COMPLETE",
        qc_status="Good",
        jobid="42",
        inputs='{"a": 1}',
        resources={"PDF": Resource(label="PDF", file_count=1, file_size=4)},
    )
    assert {"E1": (expected,)} == parts.assessors


def test_assessors_of_another_project() -> None:
    """Of a session that is shared in, only assessors are seen that the project owns or is given."""
    share = below("sharing/share", item(project="P", label="ours"))
    every = below(
        "assessors/assessor",
        assessor("A1", project="Q"),
        assessor("A2", share, project="Q"),
        assessor("A3", project="P"),
    )
    parts = read_session(document(every, project="Q"), "P", ROW, assessor_types=[TYPE])
    assert "Q" == parts.images["E1"].project
    assert {"A3": "L-A3", "A2": "ours"} == {one.id: one.label for one in parts.assessors["E1"]}


def test_counts_that_listings_lack() -> None:
    """Where listings do not tell how many files there are, documents are not believed to."""
    scan = item("xnat:mrScanData", below("file", resource("NIFTI")), ID="1")
    lacks = {"scans", "session resources", f"{TYPE} assessors"}
    whole = document(
        below("scans/scan", scan),
        below("resources/resource", resource("NOTES")),
        below("assessors/assessor", assessor("A1", below("out/file", resource("PDF")))),
    )
    parts = read_session(whole, "P", ROW, assessor_types=[TYPE], lacks=lacks)
    found = [
        *parts.images["E1"].scans[0].resources.values(),
        *parts.resources["E1"].values(),
        *parts.assessors["E1"][0].resources.values(),
    ]
    assert [Resource(label=label) for label in ("NIFTI", "NOTES", "PDF")] == found


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"items": []}, {"items": [{}]}, {"ResultSet": {"Result": []}}, document(key="E2"), [1]],
)
def test_what_is_no_document(answer: Any) -> None:
    """Anything else is refused: it is no session without scans."""
    with pytest.raises(Malformed):
        read_session(answer, "P", ROW, assessor_types=[TYPE])
