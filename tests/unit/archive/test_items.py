"""Creating, changing, sharing and deleting items: statuses and what is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

E = "projects/P/subjects/S/experiments/E"


@pytest.mark.parametrize(
    ("path", "parameters", "status", "body"),
    [
        ("projects/NEW", {}, 200, ""),
        ("projects/bad id", {}, 417, None),
        ("projects/p", {}, 409, None),
        ("projects/P/subjects/S2", {}, 201, "XNAT_S00002"),
        ("projects/P/subjects/S", {"yob": "1980"}, 200, "XNAT_S00001"),
        ("projects/NONE/subjects/S", {}, 404, None),
        ("projects/P/subjects/S/experiments/E2", {"xsiType": "xnat:petSessionData"}, 201, "XNAT_E00003"),
        ("projects/P/subjects/S/experiments/E2", {}, 417, None),
        ("projects/P/subjects/S/experiments/E2", {"xsiType": "fs:fsData"}, 400, None),
        ("projects/P/subjects/S/experiments/A", {"xsiType": "xnat:mrSessionData"}, 409, None),
        ("projects/P/experiments/E2", {"xsiType": "xnat:mrSessionData"}, 422, None),
        (f"{E}/assessors/B", {"xsiType": "proc:genProcData", "ID": "my-id"}, 201, "my-id"),
        (f"{E}/assessors/A", {"xsiType": "proc:genProcData", "label": "A"}, 200, "XNAT_E00002"),
        (f"{E}/assessors/A", {"xsiType": "proc:genProcData", "label": "B"}, 400, None),
        (f"{E}/scans/3", {"xsiType": "xnat:mrScanData"}, 200, ""),
        (f"{E}/scans/3", {"xsiType": "xnat:imageScanData"}, 400, None),
        (f"{E}/scans/1", {"xsiType": "xnat:ctScanData"}, 409, None),
        (f"{E}/scans/3", {}, 417, None),
        (f"{E}/reconstructions/R", {}, 200, ""),
        (f"{E}/assessors/A", {"proc:genProcData/jobstartdate": "noon"}, 400, None),
        (f"{E}/assessors/A", {"proc:genProcData/inputs": "x" * 10001}, 400, None),
        ("experiments/XNAT_E00009", {"xsiType": "xnat:mrSessionData"}, 422, None),
    ],
)  # fmt: skip
def test_put(filled: Any, path: str, parameters: dict[str, str], status: int, body: str | None) -> None:
    """A PUT answers with the status and the body of the reference."""
    answer = filled.put(path, **parameters)
    assert (status, body if body is not None else answer.text) == (answer.status, answer.text)


def test_put_makes_the_subject(filled: Any) -> None:
    """A session below an unknown subject brings the subject with it."""
    filled.put("projects/P/subjects/NEW/experiments/X", xsiType="xnat:mrSessionData")
    assert ["S", "NEW"] == [row["label"] for row in filled.get("projects/P/subjects").rows]


def test_update_touches_only_what_it_names(filled: Any) -> None:
    """An update leaves other fields alone, and NULL clears."""
    path = f"{E}/assessors/A"
    filled.put(path, **{"proc:genProcData/procstatus": "JOB_RUNNING", "proc:genProcData/jobid": "7"})
    filled.put(path, **{"proc:genProcData/jobid": "NULL"})
    fields = json.loads(filled.get(path, format="json").body)["items"][0]["data_fields"]
    assert ("JOB_RUNNING", None) == (fields["procstatus"], fields.get("jobid"))


def test_label_on_a_session_is_a_rename_and_nothing_else(filled: Any) -> None:
    """``label=`` on a session renames, answers with an empty body and drops every other field."""
    answer = filled.put(E, label="E9", date="1999-01-01")
    row = filled.get("projects/P/experiments").rows[0]
    assert (200, "", "E9", "2020-01-02") == (answer.status, answer.text, row["label"], row["date"])


def test_rename_to_a_used_label(filled: Any) -> None:
    """Sessions and assessors share one space of labels in a project."""
    assert 409 == filled.put(E, label="A").status


def test_values_come_back_escaped(filled: Any) -> None:
    """A value from a parameter is XML-escaped in tables."""
    filled.put(f"{E}/assessors/A", **{"proc:genProcData/inputs": '{"a": "<b>"}'})
    asked = {"xsiType": "proc:genProcData", "columns": "ID,proc:genProcData/inputs"}
    row = filled.get("projects/P/experiments", **asked).rows[0]
    assert "{&quot;a&quot;: &quot;&lt;b&gt;&quot;}" == row["proc:genprocdata/inputs"]


DOCUMENT = b"""<?xml version="1.0"?>
<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <xnat:fields><xnat:field name="group">control &amp; more</xnat:field></xnat:fields>
  <xnat:scanner manufacturer="ACME">Scanner 1</xnat:scanner>
  <xnat:scans><xnat:scan ID="9" type="T2" xsi:type="xnat:mrScanData"><xnat:quality>usable</xnat:quality>
    <xnat:parameters><xnat:voxelRes x="1.0" y="1" z="2"/>
      <xnat:addParam name="k">v</xnat:addParam></xnat:parameters>
  </xnat:scan></xnat:scans>
  <xnat:assessors><xnat:assessor label="Q" xsi:type="xnat:qcManualAssessorData"><xnat:pass>1</xnat:pass>
  </xnat:assessor></xnat:assessors>
</xnat:MRSession>"""


def test_document_creates_everything_in_it(world: Any) -> None:
    """A session's XML document brings its scans and assessors."""
    world.put("projects/P")
    assert 201 == world.ask("PUT", "projects/P/subjects/S/experiments/X", DOCUMENT).status
    assert ["9"] == [row["ID"] for row in world.get("experiments/XNAT_E00001/scans").rows]
    assert ["Q"] == [row["label"] for row in world.get("experiments/XNAT_E00001/assessors").rows]


def test_document_comes_back(world: Any) -> None:
    """What an XML document says is in the XML that the item is answered with, and can be sent again."""
    world.put("projects/P")
    world.ask("PUT", "projects/P/subjects/S/experiments/X", DOCUMENT)
    text = world.get("projects/P/subjects/S/experiments/X", format="xml").body
    for piece in (b'name="group">control &amp; more<', b'manufacturer="ACME"', b'x="1.0"', b'name="k">v<'):
        assert piece in text
    assert 200 == world.ask("PUT", "projects/P/subjects/S/experiments/X", text).status


@pytest.mark.parametrize("body", [b"<not xml", b"<xnat:Nothing xmlns:xnat='http://nrg.wustl.edu/xnat'/>"])
def test_unreadable_document(world: Any, body: bytes) -> None:
    """A document that is not XML, or of no type, is 422."""
    world.put("projects/P")
    assert 422 == world.ask("PUT", "projects/P/subjects/S/experiments/X", body).status


def test_document_reads_no_files(world: Any) -> None:
    """Entities of a document are not resolved: it cannot bring in a file of the server."""
    world.put("projects/P")
    body = (
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
        b'<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat"><xnat:note>&e;</xnat:note></xnat:MRSession>'
    )
    world.ask("PUT", "projects/P/subjects/S/experiments/X", body)
    assert b"note" not in world.get("projects/P/subjects/S/experiments/X", format="xml").body


def test_post(filled: Any) -> None:
    """A POST on a list creates a member; a second one of the same name is a conflict."""
    first = filled.ask("POST", "projects/P/subjects", label="S5")
    second = filled.ask("POST", "projects/P/subjects", label="S5")
    assert (200, "/data/projects/P/subjects/XNAT_S00002", 409) == (first.status, first.text, second.status)


def test_share(filled: Any) -> None:
    """A session that is shared is seen in both projects, under the label that each gives it."""
    filled.put("projects/Q")
    filled.put("projects/P/subjects/S/projects/Q", label="QS")
    assert 200 == filled.put(f"{E}/projects/Q", label="QE").status
    row = filled.get("projects/Q/experiments", columns="ID,label,project,subject_label").rows[0]
    assert ("QE", "Q", "QS") == (row["label"], row["project"], row["subject_label"])
    assert ["P", "Q"] == [row["ID"] for row in filled.get(f"{E}/projects").rows]
    assert 409 == filled.put(f"{E}/projects/Q").status


def test_session_typed_list_is_not_renamed(filled: Any) -> None:
    """With ``xsiType=xnat:imageSessionData`` a shared session keeps its owner's names, as on XNAT."""
    filled.put("projects/Q")
    filled.put(f"{E}/projects/Q", label="QE")
    asked = {"xsiType": "xnat:imageSessionData", "columns": "ID,label,project"}
    row = filled.get("projects/Q/experiments", **asked).rows[0]
    assert ("E", "P") == (row["label"], row["project"])


def test_shared_session_shows_its_parts(filled: Any) -> None:
    """Scans and assessors of a shared session are listed through the other project too."""
    filled.put("projects/Q")
    filled.put("projects/P/subjects/S/projects/Q", label="QS")
    filled.put(f"{E}/projects/Q", label="QE")
    scans = filled.get("projects/Q/subjects/QS/experiments/QE/scans").rows
    assessors = filled.get("projects/Q/subjects/QS/experiments/QE/assessors").rows
    assert (["1", "2"], ["A"]) == ([row["ID"] for row in scans], [row["label"] for row in assessors])


def test_delete_through_the_other_project_unshares(filled: Any) -> None:
    """Deleting a shared session through the project it is shared into leaves it with its owner."""
    filled.put("projects/Q")
    filled.put(f"{E}/projects/Q")
    assert 200 == filled.ask("DELETE", "projects/Q/experiments/E").status
    assert (1, 0) == (
        len(filled.get("projects/P/experiments").rows),
        len(filled.get("projects/Q/experiments").rows),
    )


def test_move(filled: Any) -> None:
    """``primary=true`` makes the other project the owner, of the assessors too."""
    filled.put("projects/Q")
    assert 200 == filled.put(f"{E}/projects/Q", primary="true").status
    rows = filled.get("experiments", columns="ID,project").rows
    assert {"Q"} == {row["project"] for row in rows}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (E, 200),
        (f"{E}/scans/1", 200),
        (f"{E}/scans/99", 404),
        ("projects/P", 200),
        ("projects/NONE", 400),
        (f"{E}/nonsense", 400),
        ("experiments/XNAT_E09999", 404),
    ],
)
def test_delete(filled: Any, path: str, status: int) -> None:
    """A DELETE answers 200, 404 for what is missing, and 400 for stray paths and unknown projects."""
    assert status == filled.ask("DELETE", path).status


def test_deleted_project_id_is_gone_for_good(filled: Any) -> None:
    """The id of a deleted project is not given out again."""
    filled.ask("DELETE", "projects/P")
    assert 403 == filled.put("projects/P").status


def test_ids_are_not_used_twice(filled: Any) -> None:
    """The accession id of a deleted session is not given out again."""
    filled.ask("DELETE", E)
    answer = filled.put(E, xsiType="xnat:mrSessionData")
    assert "XNAT_E00003" == answer.text


def test_last_modified_is_bumped_from_below(filled: Any) -> None:
    """A change of an assessor or scan shows in its session's concrete stamp, not in the plain one."""
    columns = "ID,last_modified,xnat:mrSessionData/meta/last_modified"
    asked = {"xsiType": "xnat:mrSessionData", "columns": columns}
    key = "xnat:mrsessiondata/meta/last_modified"
    before = filled.get("projects/P/experiments", **asked).rows[0]
    filled.put(f"{E}/assessors/A", **{"proc:genProcData/procstatus": "COMPLETE"})
    after = filled.get("projects/P/experiments", **asked).rows[0]
    assert before["last_modified"] == after["last_modified"]
    assert before[key] <= after[key] != before["last_modified"]
