"""Where an item belongs, and how a request says so (XNAT REST reference, section 2.9; XNAT's own source)."""

from __future__ import annotations

import re

import pytest
from support.fill import Fill
from support.rest import Rest
from support.site import Site, new_project_id

MR = {"xsiType": "xnat:mrSessionData"}
XML = {"Content-Type": "text/xml"}
XNAT = 'xmlns:xnat="http://nrg.wustl.edu/xnat"'


@pytest.fixture
def session(project: str, fill: Fill) -> str:
    """URI of session MR1 of S1, with a task; there is a subject S2 too."""
    fill.subject(project, "S2")
    uri = fill.session(project, "S1", "MR1")
    fill.assessor(uri, "TASK1")
    return uri


def whose(rest: Rest, project: str, label: str = "MR1") -> str:
    """Return the label of the subject that a session of the project belongs to."""
    asked = {"columns": "ID,label,subject_label", "label": label}
    (row,) = rest.rows(f"/data/projects/{project}/experiments", asked)
    return row["subject_label"]


@pytest.mark.parametrize("subject", ["S2", "NEW"])
def test_session_is_given_to_a_subject(rest: Rest, project: str, session: str, subject: str) -> None:
    """``subject_ID=`` gives a session, with its tasks, to another subject of the project, or to a new one."""
    assert 200 == rest.put(session, {"subject_ID": subject}).status_code
    moved = f"/data/projects/{project}/subjects/{subject}/experiments/MR1"
    assert (subject, ["TASK1"]) == (
        whose(rest, project),
        [row["label"] for row in rest.rows(f"{moved}/assessors")],
    )


@pytest.mark.parametrize(("subject", "owner"), [("S2", "S2"), ("NOBODY", "S1")])
def test_put_below_another_subject(
    rest: Rest, project: str, session: str, *, subject: str, owner: str
) -> None:
    """A PUT finds a session by its label below whatever subject; a subject that exists becomes its own."""
    accession_id = rest.item(session)["ID"]
    answer = rest.put(f"/data/projects/{project}/subjects/{subject}/experiments/MR1", MR)
    assert (200, accession_id, owner) == (answer.status_code, answer.text, whose(rest, project))


def test_get_below_another_subject(rest: Rest, site: Site, project: str, session: str) -> None:
    """The embedded archive finds no session below a subject that it does not belong to."""
    if site.process is None:
        pytest.skip("a real XNAT looks at the project alone")
    assert session
    uri = f"/data/projects/{project}/subjects/S2/experiments/MR1"
    assert [404, 404] == [rest.get(uri).status_code, rest.delete(uri).status_code]


def test_document_below_its_project(rest: Rest, project: str, session: str) -> None:
    """A document names the subject where the address does not."""
    assert session
    subject = rest.item(f"/data/projects/{project}/subjects/S2")["ID"]
    body = f"<xnat:MRSession {XNAT}><xnat:subject_ID>{subject}</xnat:subject_ID></xnat:MRSession>"
    answer = rest.send("PUT", f"/data/projects/{project}/experiments/MR1", data=body, headers=XML)
    assert (200, "S2") == (answer.status_code, whose(rest, project))


@pytest.mark.parametrize("subject", ["S1", "UNKNOWN"])
def test_session_below_its_project(rest: Rest, project: str, session: str, subject: str) -> None:
    """A new session below its project alone belongs to the subject of ``subject_ID=``, made if missing."""
    assert session
    uri = f"/data/projects/{project}/experiments/MR9"
    assert 201 == rest.put(uri, {**MR, "subject_ID": subject}).status_code
    assert subject == whose(rest, project, "MR9")


def test_session_needs_a_subject(rest: Rest, project: str) -> None:
    """A new session of no subject is 422."""
    assert 422 == rest.put(f"/data/projects/{project}/experiments/MR9", MR).status_code


def test_subject_without_a_project_above(rest: Rest, project: str) -> None:
    """``/data/subjects/X`` makes X in the project of ``project=``, under an id of its own."""
    answers = [rest.put("/data/subjects/S5", {"project": project}) for _ in range(2)]
    assert [201, 200] == [answer.status_code for answer in answers]
    (row,) = rest.rows(f"/data/projects/{project}/subjects")
    assert ("S5", answers[0].text) == (row["label"], row["ID"])


def test_session_without_a_project_above(rest: Rest, project: str) -> None:
    """``/data/experiments/X`` makes X in the project of ``project=`` for the subject of ``subject_ID=``."""
    asked = {**MR, "project": project, "subject_ID": "S5"}
    answers = [rest.put("/data/experiments/MR5", asked) for _ in range(2)]
    assert [201, 200] == [answer.status_code for answer in answers]
    assert answers[0].text == rest.item(f"/data/projects/{project}/subjects/S5/experiments/MR5")["ID"]


@pytest.mark.parametrize("uri", ["/data/subjects/S5", "/data/experiments/MR5"])
def test_without_any_project(rest: Rest, uri: str) -> None:
    """What belongs to no project is 422."""
    assert 422 == rest.put(uri, {**MR, "project": "NOSUCHPROJECT"} if "exp" in uri else {}).status_code


# -- documents and labels ------------------------------------------------------------------------


def test_document_with_its_label(rest: Rest, session: str) -> None:
    """The label in a document is no wish to rename: what else it says is stored."""
    body = f'<xnat:MRSession {XNAT} label="MR1"><xnat:note>kept</xnat:note></xnat:MRSession>'
    answer = rest.send("PUT", session, data=body, headers=XML)
    item = rest.item(session)
    assert (200, item["ID"], "kept") == (answer.status_code, answer.text, item["note"])


def test_document_with_another_label(rest: Rest, session: str) -> None:
    """A session's document cannot change its label: 400."""
    body = f'<xnat:MRSession {XNAT} label="OTHER"><xnat:note>lost</xnat:note></xnat:MRSession>'
    assert 400 == rest.send("PUT", session, data=body, headers=XML).status_code
    assert None is rest.item(session).get("note")


def test_label_by_its_path(rest: Rest, session: str) -> None:
    """Neither can the path of the label: only ``label=`` renames."""
    assert 400 == rest.put(session, {"xnat:mrSessionData/label": "OTHER"}).status_code


def test_subject_document_with_another_label(rest: Rest, project: str, session: str) -> None:
    """A subject's document renames it, and changes what else it says."""
    assert session
    uri = f"/data/projects/{project}/subjects"
    body = f'<xnat:Subject {XNAT} label="S9" group="g"/>'
    assert 200 == rest.send("PUT", f"{uri}/S1", data=body, headers=XML).status_code
    assert "g" == rest.item(f"{uri}/S9")["group"]


def test_parameters_win_over_the_document(rest: Rest, session: str) -> None:
    """Parameters that come with a document are laid over it."""
    body = f"<xnat:MRSession {XNAT}><xnat:note>n</xnat:note><xnat:scanner>s</xnat:scanner></xnat:MRSession>"
    rest.send("PUT", session, {"note": "by parameter"}, data=body, headers=XML).raise_for_status()
    item = rest.item(session)
    assert ("by parameter", "s") == (item["note"], item["scanner"])


@pytest.mark.parametrize(
    ("below", "type_", "status"),
    [
        ("/subjects/S1", "xnat:mrSessionData", 422),
        ("/subjects/S1/experiments/NEW", "xnat:subjectData", 422),
        ("/subjects/S1/experiments/NEW", "proc:genProcData", 422),
        ("/subjects/S1/experiments/MR1/assessors/NEW", "xnat:mrSessionData", 422),
        ("/subjects/S1/experiments/MR1/scans/NEW", "xnat:mrSessionData", 400),
    ],
)
def test_type_of_something_else(
    rest: Rest, project: str, session: str, *, below: str, type_: str, status: int
) -> None:
    """A type that does not belong at an address is refused."""
    assert session
    assert status == rest.put(f"/data/projects/{project}{below}", {"xsiType": type_}).status_code


def test_document_of_something_else(rest: Rest, project: str) -> None:
    """A document of a subject makes no project."""
    name = new_project_id()
    body = f'<xnat:Subject {XNAT} project="{project}"/>'
    rest.send("PUT", f"/data/projects/{name}", data=body, headers=XML)
    assert 404 == rest.get(f"/data/projects/{name}").status_code


@pytest.mark.parametrize(
    "below",
    ["/nothing", "/subjects/S1/nothing", "/experiments/MR1/scans/1", "/subjects/S1/experiments/MR1/x"],
)
def test_put_with_stray_path(rest: Rest, project: str, session: str, below: str) -> None:
    """A PUT with a path behind the item that means nothing is refused."""
    assert session
    assert 400 == rest.put(f"/data/projects/{project}{below}", {"note": "n"}).status_code


# -- new members of lists ------------------------------------------------------------------------


def test_post_numbers_scans(rest: Rest, session: str) -> None:
    """Scans that are posted without an id are numbered, and have the type of their session."""
    rest.put(f"{session}/scans/2", {"xsiType": "xnat:mrScanData"})
    for _ in range(2):
        rest.send("POST", f"{session}/scans", {"type": "T1"}).raise_for_status()
    found = {(row["ID"], row["type"], row["xsiType"]) for row in rest.rows(f"{session}/scans")}
    assert {
        ("1", "T1", "xnat:mrScanData"),
        ("2", "", "xnat:mrScanData"),
        ("3", "T1", "xnat:mrScanData"),
    } == found


def test_post_without_a_label(rest: Rest, project: str) -> None:
    """A subject that is posted without a label is made, under an accession id."""
    answer = rest.send("POST", f"/data/projects/{project}/subjects", {"gender": "male"})
    (row,) = rest.rows(f"/data/projects/{project}/subjects")
    assert (200, row["ID"]) == (answer.status_code, answer.text.rpartition("/")[2])
    assert re.fullmatch(r"\w+_S\d{5,}", row["ID"])


def test_post_of_a_label_in_use(rest: Rest, project: str, session: str) -> None:
    """A session that is there already is not posted again, below whatever subject."""
    assert session
    uri = f"/data/projects/{project}/subjects/S2/experiments"
    assert 409 == rest.send("POST", uri, {**MR, "label": "MR1"}).status_code


def test_post_answers_with_the_address(rest: Rest, project: str) -> None:
    """The answer to a POST is the whole address of what was made, in its body and as Location."""
    answer = rest.send("POST", f"/data/projects/{project}/subjects", {"label": "S1"})
    location = answer.headers["Location"]
    assert location == answer.text
    assert 200 == rest.http.get(location, params={"format": "json"}, timeout=60).status_code


def test_post_project(rest: Rest) -> None:
    """A project is posted by a document, or by ``ID=``; without an id it is 417."""
    names = [new_project_id(), new_project_id()]
    body = f'<xnat:Project {XNAT} ID="{names[0]}"/>'
    statuses = [
        rest.send("POST", "/data/projects", data=body, headers=XML).status_code,
        rest.send("POST", "/data/projects", {"ID": names[1]}).status_code,
        rest.send("POST", "/data/projects").status_code,
    ]
    found = [rest.delete(f"/data/projects/{name}").status_code for name in names]
    assert ([200, 200, 417], [200, 200]) == (statuses, found)
