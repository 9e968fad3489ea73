"""In which form and order an answer comes, and what XNAT does with wishes that it cannot fulfil.

XNAT REST reference, sections 2.2, 2.3 and 2.10; XNAT's own source.
"""

from __future__ import annotations

import pytest
from support.fill import Fill
from support.rest import Rest

MR = {"xsiType": "xnat:mrSessionData"}
XML = {"Content-Type": "text/xml"}


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project with a session that has two resources, B and A; its URI."""
    session = fill.session(project, "S1", "MR1", date="2020-01-02")
    fill.assessor(session, "TASK1")
    for label in ("B", "A", "C"):
        fill.files(session, label, {f"{label}.txt": b"abc"})
    return f"/data/projects/{project}"


SESSION = "/subjects/S1/experiments/MR1"


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("*/*", 200, "application/json"),
        ("text/*", 200, "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 200, "text/html"),
        ("text/xml", 200, "text/xml"),
        ("text/csv, */*;q=0.1", 200, "application/json"),
        ("text/csv", 406, ""),
        ("image/png", 406, ""),
    ],
)
def test_accepted_form_of_a_list(rest: Rest, place: str, *, accept: str, status: int, kind: str) -> None:
    """Lists are offered as JSON, HTML and XML; who takes none of these gets 406."""
    answer = rest.send("GET", f"{place}/subjects", headers={"Accept": accept})
    assert status == answer.status_code
    assert answer.headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    ("uri", "form"), [("{p}/subjects", "csv"), ("{p}/subjects/S1", "json"), ("{p}" + SESSION, "json")]
)
def test_format_does_not_help(rest: Rest, place: str, uri: str, form: str) -> None:
    """The form is chosen before ``format=`` is read, which does not help who takes none of those offered."""
    accept = {"csv": "text/csv", "json": "application/json"}[form]
    statuses = [
        rest.send("GET", uri.format(p=place), {"format": form}, headers={"Accept": taken}).status_code
        for taken in (accept, f"{accept}, */*;q=0.1")
    ]
    assert [406, 200] == statuses


@pytest.mark.parametrize(
    ("form", "kind"), [("txt", "text/html"), ("xar", "text/html"), ("excel", "text/csv")]
)
def test_other_forms_of_a_list(rest: Rest, place: str, form: str, kind: str) -> None:
    """A form that lists do not have is answered with HTML."""
    answer = rest.get(
        f"{place}/subjects", {"format": form if form != "excel" else "application/vnd.ms-excel"}
    )
    assert (200, kind) == (answer.status_code, answer.headers["Content-Type"].partition(";")[0])


@pytest.mark.parametrize(("order", "labels"), [("ASC", ["A", "B", "C"]), ("DESC", ["C", "B", "A"])])
def test_resources_are_sorted(rest: Rest, place: str, order: str, labels: list[str]) -> None:
    """Every table is sorted by ``sortBy``, that of resources too."""
    asked = {"sortBy": "label", "sortOrder": order}
    assert labels == [row["label"] for row in rest.rows(f"{place}{SESSION}/resources", asked)]


def test_sorted_by_several(rest: Rest, place: str) -> None:
    """``sortBy`` takes several columns, and passes over those that the table has not."""
    rows = rest.rows(f"{place}{SESSION}/resources", {"sortBy": "nothing,file_count,label"})
    assert ["A", "B", "C"] == [row["label"] for row in rows]


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("{p}/experiments", 200),
        ("{p}" + SESSION + "/assessors", 200),
        ("/data/experiments", 500),
        ("{p}/subjects", 500),
        ("{p}" + SESSION + "/scans", 500),
    ],
)
@pytest.mark.parametrize("type_", ["none:such", "xnat:projectData"])
def test_list_of_a_type_of_something_else(
    rest: Rest, place: str, *, uri: str, status: int, type_: str
) -> None:
    """A type that does not exist, or of something else, makes a list fail: 500, or 200 without any body."""
    answer = rest.get(uri.format(p=place), {"xsiType": type_, "format": "csv"})
    assert status == answer.status_code
    assert status == 500 or answer.text == ""


@pytest.mark.parametrize(
    "list_", ["/data/experiments", "{p}/subjects", "/data/projects", "{p}" + SESSION + "/scans"]
)
def test_every_short_name_is_a_column(rest: Rest, place: str, list_: str) -> None:
    """Each of the short names that a list tells can be asked for."""
    uri = list_.format(p=place)
    names = [row["key"] for row in rest.rows(uri, {"fields": "true"})]
    refused = [name for name in names if rest.get(uri, {"columns": f"ID,{name}"}).status_code != 200]
    assert (True, []) == ("ID" in names, refused)


@pytest.mark.parametrize("asked", ["ID,time", "time"])
def test_time_of_day(rest: Rest, place: str, asked: str) -> None:
    """Times of day have milliseconds in JSON, and none in CSV; where there is none it is empty."""
    rest.put(f"{place}{SESSION}", {"time": "03:04:05"}).raise_for_status()
    rest.put(f"{place}/subjects/S1/experiments/MR2", MR).raise_for_status()
    columns = {"columns": asked, "sortBy": "time"}
    found = [
        [row["time"] for row in rest.rows(f"{place}/experiments", columns)],
        [row["time"] for row in rest.csv(f"{place}/experiments", columns)[1]],
    ]
    assert [["", "03:04:05.000"], ["", "03:04:05"]] == found


def test_note_of_a_project(rest: Rest, place: str, project: str) -> None:
    """A project's ``note`` is a custom field of that name."""
    rest.put(place, {"note": "n"}).raise_for_status()
    (row,) = rest.rows("/data/projects", {"columns": "ID,note", "ID": project})
    assert "n" == row["note"]


def test_recent_sessions(rest: Rest, place: str, project: str) -> None:
    """``recent=`` lists imaging sessions of the last days in columns of its own, the latest first."""
    rest.put(f"{place}/subjects/S1/experiments/MR2", MR).raise_for_status()
    rows = [row for row in rest.rows("/data/experiments", {"recent": "1"}) if row["project"] == project]
    assert ["MR2", "MR1"] == [row["label"] for row in rows]
    assert ("active", "xnat:mrSessionData", "2020-01-02") == (
        rows[1]["status"],
        rows[1]["element_name"],
        rows[1]["date"],
    )
    assert {"id", "insert_date", "last_modified", "action_date", "workflow_status"} <= set(rows[0])


# -- resources by their list ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_resource_by_the_list(rest: Rest, place: str, method: str) -> None:
    """A resource may be made by its list, with its label among the parameters; 409 if it is there."""
    uri = f"{place}{SESSION}/resources"
    asked = {"xnat:resourceCatalog/label": "NEW", "format": "F", "content": "C"}
    answer = rest.send(method, uri, asked)
    (row,) = [row for row in rest.rows(uri) if row["label"] == "NEW"]
    assert (200, f"{uri}/{row['xnat_abstractresource_id']}") == (
        answer.status_code,
        "/data/" + answer.headers["Location"].partition("/data/")[2],
    )
    assert ("F", "C", 409) == (row["format"], row["content"], rest.send(method, uri, asked).status_code)


def test_resource_by_a_document(rest: Rest, place: str) -> None:
    """So may it by a document; one of something else is 422."""
    uri = f"{place}/resources"
    names = 'xmlns:xnat="http://nrg.wustl.edu/xnat"'
    bodies = [f'<xnat:ResourceCatalog {names} label="NEW" format="F"/>', f"<xnat:Subject {names}/>"]
    statuses = [rest.send("POST", uri, data=body, headers=XML).status_code for body in bodies]
    found = [(row["label"], row["format"]) for row in rest.rows(uri)]
    assert ([200, 422], [("NEW", "F")]) == (statuses, found)


@pytest.mark.parametrize(
    ("below", "method", "status"),
    [
        (f"{SESSION}/resources/A/nothing", "GET", 400),
        (f"{SESSION}/resources", "DELETE", 405),
        ("/subjects", "DELETE", 405),
        ("/accessibility", "POST", 405),
    ],
)
def test_no_such_address_or_method(rest: Rest, place: str, *, below: str, method: str, status: int) -> None:
    """Behind a resource are its files and nothing else: 400; a method that an address has not is 405."""
    assert status == rest.send(method, place + below).status_code


def test_catalog_is_xml_whatever_is_asked(rest: Rest, place: str) -> None:
    """A resource is its catalog, in XML also for ``format=json``."""
    text = rest.get(f"{place}{SESSION}/resources/A", {"format": "json"}).text
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog')
