"""Creating, renaming and deleting items (XNAT REST reference, section 2.9)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.fill import Fill
from support.rest import Rest
from support.site import new_project_id

MR = {"xsiType": "xnat:mrSessionData"}
MR_SCAN = {"xsiType": "xnat:mrScanData"}
PROC = {"xsiType": "proc:genProcData"}


@pytest.fixture
def session(project: str, fill: Fill) -> str:
    """URI of a session."""
    return fill.session(project, "S1", "MR1")


def answer_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.text


# -- creating ------------------------------------------------------------------------------------


def test_project(rest: Rest, project: str) -> None:
    """PUT of a project answers 200 without a body, the first time and again."""
    assert (200, "") == answer_of(rest.put(f"/data/projects/{project}", {"description": "d"}))


def test_subject(rest: Rest, project: str) -> None:
    """PUT of a subject answers 201 and its accession id, then 200 and the same id."""
    uri = f"/data/projects/{project}/subjects/S1"
    first, again = rest.put(uri), rest.put(uri)
    assert (201, 200, first.text) == (first.status_code, again.status_code, again.text)
    assert re.fullmatch(r"\w+_S\d{5,}", first.text)


def test_session(rest: Rest, project: str, fill: Fill) -> None:
    """PUT of a session answers 201 and its accession id, then 200 and the same id."""
    uri = fill.subject(project, "S1") + "/experiments/MR1"
    first, again = rest.put(uri, MR), rest.put(uri, MR)
    assert (201, 200, first.text) == (first.status_code, again.status_code, again.text)
    assert re.fullmatch(r"\w+_E\d{5,}", first.text)


def test_session_makes_its_subject(rest: Rest, project: str) -> None:
    """PUT of a session below an unknown subject makes the subject too."""
    assert 201 == rest.put(f"/data/projects/{project}/subjects/NEW/experiments/MR1", MR).status_code
    assert ["NEW"] == [row["label"] for row in rest.rows(f"/data/projects/{project}/subjects")]


def test_session_needs_a_type(rest: Rest, project: str, fill: Fill) -> None:
    """PUT of a new session without xsiType is answered with 417."""
    assert 417 == rest.put(fill.subject(project, "S1") + "/experiments/MR1").status_code


def test_assessor(rest: Rest, session: str) -> None:
    """PUT of an assessor answers 201 and its accession id, then 200 and the same id."""
    uri = f"{session}/assessors/A1"
    first, again = rest.put(uri, PROC), rest.put(uri, PROC)
    assert (201, 200, first.text) == (first.status_code, again.status_code, again.text)


def test_assessor_with_its_own_id(rest: Rest, session: str, project: str) -> None:
    """``ID`` given at creation becomes the accession id, and every spelling finds the assessor."""
    own = f"{project}-1234-guid"
    fields = {"ID": own, "label": "A-x-1", "proc:genprocdata/procstatus": "NEED_INPUTS"}
    answer = rest.put(f"{session}/assessors/{own}", {"xsiType": "proc:genprocdata", **fields})
    assert (201, own) == answer_of(answer)
    for uri in (f"/data/experiments/{own}", f"/data/projects/{project}/experiments/A-x-1"):
        assert "A-x-1" == rest.item(uri)["label"]


def test_subject_assessor(rest: Rest, project: str, fill: Fill) -> None:
    """A subject-level assessor is an experiment of the subject."""
    uri = fill.subject(project, "S1") + "/experiments/TASK"
    answer = rest.put(uri, {"xsiType": "proc:subjGenProcData", "proc:subjGenProcData/procstatus": "COMPLETE"})
    assert (201, "COMPLETE") == (answer.status_code, rest.item(uri)["procstatus"])


def test_scan(rest: Rest, session: str) -> None:
    """PUT of a scan answers 200 without a body, the first time and again."""
    uri = f"{session}/scans/1"
    assert [(200, ""), (200, "")] == [answer_of(rest.put(uri, MR_SCAN)), answer_of(rest.put(uri, MR_SCAN))]


@pytest.mark.parametrize(
    ("parameters", "status"),
    [({"xsiType": "xnat:imageScanData"}, 400), ({}, 417)],
)
def test_scan_needs_a_type(rest: Rest, session: str, parameters: dict[str, str], status: int) -> None:
    """A new scan needs a type that is not the bare one."""
    assert status == rest.put(f"{session}/scans/1", parameters).status_code


def test_scan_keeps_its_type(rest: Rest, session: str) -> None:
    """A scan's type cannot be changed: 409."""
    rest.put(f"{session}/scans/1", MR_SCAN)
    assert 409 == rest.put(f"{session}/scans/1", {"xsiType": "xnat:petScanData"}).status_code


def test_reconstruction(rest: Rest, session: str) -> None:
    """PUT of a reconstruction needs no type and answers 200 without a body."""
    uri = f"{session}/reconstructions/R1"
    assert (200, "") == answer_of(rest.put(uri, {"xnat:reconstructedImageData/type": "T1 mean"}))
    assert ["R1"] == [row["ID"] for row in rest.rows(f"{session}/reconstructions")]


def test_resource(rest: Rest, session: str) -> None:
    """PUT of a resource answers 200 without a body, and 409 when it is there."""
    uri = f"{session}/resources/R"
    assert (200, "") == answer_of(rest.put(uri))
    again = rest.put(uri)
    assert 409 == again.status_code
    assert "Specified resource already exists." in again.text


@pytest.mark.parametrize("name", ["a b", "a/../b%2F", "ä", "a.b"])
def test_project_id_has_plain_characters(rest: Rest, name: str) -> None:
    """A project id with other characters than letters, digits, ``_`` and ``-`` is refused."""
    assert rest.put(f"/data/projects/{name}").status_code in {400, 404, 417}


@pytest.mark.parametrize("taken", ["ID", "secondary_ID", "name", "alias"])
@pytest.mark.parametrize("wanted", ["ID", "secondary_ID", "name", "alias"])
def test_project_names_do_not_collide(rest: Rest, project: str, taken: str, wanted: str) -> None:
    """A project cannot take another one's id, secondary id, name or alias as any of these: 409."""
    named = {name: f"{project}{name}" for name in ("secondary_ID", "name", "alias")}
    rest.put(f"/data/projects/{project}", named).raise_for_status()
    value = {"ID": project, **named}[taken]
    if wanted == "ID":
        # of an alias the address is the project's own
        expected = 200 if taken in {"ID", "alias"} else 409
        assert expected == rest.put(f"/data/projects/{value}").status_code
        return
    other = new_project_id()
    assert 409 == rest.put(f"/data/projects/{other}", {wanted: value}).status_code
    assert 404 == rest.get(f"/data/projects/{other}").status_code


def test_project_keeps_its_id(rest: Rest, project: str) -> None:
    """Another id in the request than in the address is 417."""
    assert 417 == rest.put(f"/data/projects/{project}", {"ID": new_project_id()}).status_code


def test_post_creates(rest: Rest, project: str, fill: Fill) -> None:
    """POST of a document to a list creates the item; the answer names its URI."""
    uri = fill.subject(project, "S1") + "/experiments"
    document = (
        '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" label="MR9" '
        f'project="{project}"><xnat:note>n</xnat:note></xnat:MRSession>'
    )
    answer = rest.send("POST", uri, data=document, headers={"Content-Type": "text/xml"})
    assert answer.status_code in {200, 201}
    new = answer.headers["Location"].partition("/data/")[2]
    assert "MR9" == rest.item(f"/data/{new}")["label"]


def test_put_document(rest: Rest, session: str) -> None:
    """An XML document as body creates an assessor with its fields, unescaped once."""
    document = (
        '<proc:Processing xmlns:proc="http://nrg.wustl.edu/proc" xmlns:xnat="http://nrg.wustl.edu/xnat" '
        'label="A1"><xnat:validation status="Needs QA"/><proc:procstatus>COMPLETE</proc:procstatus>'
        "<proc:inputs>{&quot;a&quot;: 1}</proc:inputs></proc:Processing>"
    )
    uri = f"{session}/assessors/A1"
    answer = rest.send("PUT", uri, data=document, headers={"Content-Type": "text/xml"})
    assert 201 == answer.status_code
    fields = rest.item(uri)
    assert ("COMPLETE", '{"a": 1}', "Needs QA") == (
        fields["procstatus"],
        fields["inputs"],
        fields["validation/status"],
    )


def test_put_form(rest: Rest, session: str) -> None:
    """Fields may come in a form body with ``req_format=form``, for values too long for a URL."""
    uri = f"{session}/assessors/A1"
    form = {**PROC, "proc:genProcData/inputs": "x" * 9000}
    assert 201 == rest.send("PUT", uri, {"req_format": "form"}, data=form).status_code
    assert "x" * 9000 == rest.item(uri)["inputs"]


# -- missing things ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "/data/projects/{p}_NO",
        "/data/projects/{p}/subjects/NO",
        "/data/subjects/NO",
        "/data/subjects/S1",
        "/data/experiments/NO",
        "/data/experiments/MR1",
        "/data/projects/{p}/experiments/NO",
        "/data/projects/{p}/subjects/S1/experiments/NO",
        "/data/projects/{p}/subjects/S1/experiments/MR1/scans/NO",
        "/data/projects/{p}/subjects/S1/experiments/MR1/assessors/NO",
    ],
)
def test_missing(rest: Rest, project: str, session: str, uri: str) -> None:
    """What is not there is 404 for GET; labels are not known without their project."""
    assert session
    assert 404 == rest.get(uri.format(p=project), {"format": "json"}).status_code


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("/data/projects/{p}_NO", 400),
        ("/data/projects/{p}/subjects/NO", 404),
        ("/data/projects/{p}/subjects/S1/experiments/NO", 404),
        ("/data/projects/{p}/subjects/S1/experiments/MR1/scans/NO", 404),
        ("/data/projects/{p}/subjects/S1/experiments/MR1/assessors/NO", 404),
        ("/data/projects/{p}/subjects/S1/experiments/MR1/resources/NO", 200),
    ],
)
def test_delete_missing(rest: Rest, project: str, session: str, uri: str, status: int) -> None:
    """DELETE of what is not there is 404; of a project 400; of an unknown resource label 200."""
    assert session
    assert status == rest.delete(uri.format(p=project)).status_code


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_missing_parent(rest: Rest, method: str) -> None:
    """Below an unknown project nothing can be listed or made."""
    assert 404 == rest.send(method, "/data/projects/NOSUCHPROJECT/subjects/S1").status_code


# -- deleting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "below", ["", "/experiments/MR1", "/experiments/MR1/scans/1", "/experiments/MR1/assessors/A"]
)
def test_delete(rest: Rest, project: str, fill: Fill, session: str, below: str) -> None:
    """DELETE answers 200 without a body, and the item is gone."""
    fill.scan(session, "1")
    fill.assessor(session, "A")
    uri = f"/data/projects/{project}/subjects/S1{below}"
    assert (200, "") == answer_of(rest.delete(uri, {"removeFiles": "true"}))
    assert 404 == rest.get(uri, {"format": "json"}).status_code


def test_ids_are_not_reused(rest: Rest, session: str) -> None:
    """A new session under the label of a deleted one has another accession id."""
    before = rest.item(session)["ID"]
    rest.delete(session)
    assert before != rest.put(session, MR).text


def test_delete_with_stray_path(rest: Rest, session: str) -> None:
    """DELETE of an item with a path behind it that means nothing is refused and deletes nothing."""
    assert 400 == rest.delete(f"{session}/nothing").status_code
    assert 200 == rest.get(session, {"format": "json"}).status_code


# -- labels --------------------------------------------------------------------------------------


def test_labels_are_unique_in_a_project(rest: Rest, project: str, session: str) -> None:
    """Sessions and assessors share one space of labels; a label in use is refused."""
    rest.put(f"{session}/assessors/A1", PROC).raise_for_status()
    assert 409 == rest.put(f"{session}/assessors/NEW", {**PROC, "label": "MR1"}).status_code
    assert 409 == rest.put(f"/data/projects/{project}/subjects/S2/experiments/A1", MR).status_code


def test_label_is_a_rename_and_nothing_else(rest: Rest, project: str, session: str) -> None:
    """``label=`` on an existing session renames it, answers 200 without a body and ignores other fields."""
    assert (200, "") == answer_of(rest.put(session, {**MR, "label": "MR2", "note": "lost"}))
    renamed = rest.item(f"/data/projects/{project}/subjects/S1/experiments/MR2")
    assert ("MR2", None) == (renamed["label"], renamed.get("note"))


def test_same_label_drops_fields(rest: Rest, session: str) -> None:
    """Also the present label as ``label=`` makes the archive ignore all other fields."""
    assert (200, "") == answer_of(rest.put(session, {**MR, "label": "MR1", "note": "lost"}))
    assert None is rest.item(session).get("note")


@pytest.mark.parametrize(("label", "status", "note"), [("A1", 200, "kept"), ("A2", 400, None)])
def test_label_of_an_assessor(rest: Rest, session: str, label: str, status: int, note: str | None) -> None:
    """On an assessor the same label is harmless, another one is refused."""
    uri = f"{session}/assessors/A1"
    rest.put(uri, PROC)
    assert status == rest.put(uri, {**PROC, "label": label, "note": "kept"}).status_code
    assert note == rest.item(uri).get("note")


def test_rename_to_a_label_in_use(rest: Rest, project: str, session: str) -> None:
    """A session cannot be renamed to a label in use: 409."""
    rest.put(f"/data/projects/{project}/subjects/S1/experiments/MR2", MR)
    assert 409 == rest.put(session, {"label": "MR2"}).status_code


def test_case_matters(rest: Rest, project: str) -> None:
    """Labels that differ in case are two subjects."""
    ids = {rest.put(f"/data/projects/{project}/subjects/{label}").text for label in ("s1", "S1")}
    assert 2 == len(ids)


def test_names_of_a_project(rest: Rest) -> None:
    """A project that nobody named is called as its id; given names stay."""
    plain, named = new_project_id(), new_project_id()
    rest.put(f"/data/projects/{plain}").raise_for_status()
    rest.put(f"/data/projects/{named}", {"name": f"N{named}"}).raise_for_status()
    items = [rest.item(f"/data/projects/{project}") for project in (plain, named)]
    for project in (plain, named):
        rest.delete(f"/data/projects/{project}")
    expected = [(plain, plain), (f"N{named}", named)]
    assert expected == [(item["name"], item["secondary_ID"]) for item in items]
