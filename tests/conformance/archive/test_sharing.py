"""Showing subjects and sessions in other projects (XNAT REST reference, section 2.9)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fill import Fill
from support.rest import Rest
from support.site import new_project_id


@pytest.fixture
def session(project: str, fill: Fill) -> str:
    """URI of a session."""
    return fill.session(project, "S1", "MR1")


@pytest.fixture
def other(rest: Rest, fill: Fill) -> Iterator[str]:
    """The id of a second project."""
    project_id = new_project_id()
    fill.project(project_id)
    yield project_id
    rest.delete(f"/data/projects/{project_id}")


def test_share_session(rest: Rest, session: str, other: str) -> None:
    """A shared session is listed in the other project under its label there, with its own id."""
    subject = session.rpartition("/experiments/")[0]
    assert 200 == rest.put(f"{subject}/projects/{other}", {"label": "SX"}).status_code
    assert 200 == rest.put(f"{session}/projects/{other}", {"label": "MRX"}).status_code
    (row,) = rest.rows(f"/data/projects/{other}/experiments", {"columns": "ID,label,project,subject_label"})
    assert (rest.item(session)["ID"], "MRX", "SX") == (row["ID"], row["label"], row["subject_label"])


def test_share_twice(rest: Rest, session: str, other: str) -> None:
    """Sharing into the same project again is refused with 409."""
    assert [200, 409] == [rest.put(f"{session}/projects/{other}").status_code for _ in range(2)]


def test_shared_label(rest: Rest, session: str, other: str) -> None:
    """Sharing again under another label changes the label there."""
    subject = session.rpartition("/experiments/")[0]
    for label in ("SX", "SY"):
        rest.put(f"{subject}/projects/{other}", {"label": label}).raise_for_status()
    assert ["SY"] == [row["label"] for row in rest.rows(f"/data/projects/{other}/subjects")]


def test_document_of_a_shared_session(rest: Rest, project: str, session: str, other: str) -> None:
    """The document of a session is its owner's, through the other project too, and can be put back there."""
    rest.put(f"{session}/projects/{other}", {"label": "MRX"}).raise_for_status()
    seen = f"/data/projects/{other}/experiments/MRX"
    item = rest.item(seen)
    document = rest.get(seen, {"format": "xml"}).content
    assert ("MR1", project) == (item["label"], item["project"])
    assert 200 == rest.send("PUT", seen, data=document, headers={"Content-Type": "text/xml"}).status_code


def test_label_in_use_there(rest: Rest, fill: Fill, session: str, other: str) -> None:
    """A label that the other project has already is refused with 409, which names it."""
    fill.session(other, "S1", "TAKEN")
    answer = rest.put(f"{session}/projects/{other}", {"label": "TAKEN"})
    assert (409, True) == (answer.status_code, "Label already in use:TAKEN" in answer.text)


def test_move(rest: Rest, session: str, other: str) -> None:
    """``primary=true`` gives a session to another project."""
    assert 200 == rest.put(f"{session}/projects/{other}", {"primary": "true"}).status_code
    assert other == rest.item(f"/data/projects/{other}/experiments/MR1")["project"]


def test_share_into_nothing(rest: Rest, session: str) -> None:
    """Sharing into an unknown project is 404."""
    assert 404 == rest.put(f"{session}/projects/NOSUCHPROJECT").status_code


def test_projects_of_an_item(rest: Rest, project: str, session: str, other: str) -> None:
    """An item's projects are those that it is visible in."""
    rest.put(f"{session}/projects/{other}", {"label": "MRX"})
    assert {project, other} == {row["ID"] for row in rest.rows(f"{session}/projects")}


@pytest.mark.parametrize("how", ["{session}/projects/{other}", "/data/projects/{other}/experiments/MRX"])
def test_unshare(rest: Rest, session: str, other: str, how: str) -> None:
    """Deleting through the sharing project only un-shares."""
    rest.put(f"{session}/projects/{other}", {"label": "MRX"})
    assert 200 == rest.delete(how.format(session=session, other=other)).status_code
    assert [] == rest.rows(f"/data/projects/{other}/experiments")
    assert 200 == rest.get(session, {"format": "json"}).status_code
