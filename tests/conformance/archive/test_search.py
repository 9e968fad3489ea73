"""The search engine: documents, cached results with pages, types and their fields (REST reference, 3.5)."""

from __future__ import annotations

import pytest
from support.fill import Fill
from support.rest import Rest

SUBJECTS = "xnat:subjectData"


def document(fields: list[str], where: str, root: str = SUBJECTS) -> str:
    """Return a search document; *where* is XML."""
    columns = "".join(
        f"<xdat:search_field><xdat:element_name>{root}</xdat:element_name><xdat:field_ID>{field}</xdat:field_ID>"
        f"<xdat:sequence>{number}</xdat:sequence><xdat:type>string</xdat:type>"
        f"<xdat:header>{field}</xdat:header></xdat:search_field>"
        for number, field in enumerate(fields)
    )
    return (
        '<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" ID="@search" brief-description="" '
        'description="" allow-diff-columns="0" secure="false">'
        f"<xdat:root_element_name>{root}</xdat:root_element_name>{columns}"
        f'<xdat:search_where method="AND">{where}</xdat:search_where></xdat:bundle>'
    )


def criterion(field: str, comparison: str, value: str) -> str:
    return (
        f'<xdat:criteria override_value_formatting="0"><xdat:schema_field>{field}</xdat:schema_field>'
        f"<xdat:comparison_type>{comparison}</xdat:comparison_type><xdat:value>{value}</xdat:value></xdat:criteria>"
    )


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project of three subjects, one of them with a session; its id."""
    for subject, gender in (("S1", "male"), ("S2", "female"), ("S3", "female")):
        fill.subject(project, subject, gender=gender)
    fill.session(project, "S1", "MR1", date="2020-01-02")
    return project


@pytest.mark.parametrize(
    ("field", "comparison", "value", "found"),
    [
        ("SUBJECT_LABEL", "=", "S1", ["S1"]),
        ("SUBJECT_LABEL", "!=", "S1", ["S2", "S3"]),
        ("SUBJECT_LABEL", "LIKE", "S%", ["S1", "S2", "S3"]),
        ("SUBJECT_LABEL", "IN", "S1,S3", ["S1", "S3"]),
        ("label", "=", "S2", ["S2"]),
    ],
)
def test_criteria(
    rest: Rest, place: str, *, field: str, comparison: str, value: str, found: list[str]
) -> None:
    """A criterion names a display field or a path, a comparison and a value."""
    where = criterion(f"{SUBJECTS}/PROJECT", "=", place) + criterion(f"{SUBJECTS}/{field}", comparison, value)
    answer = rest.send("POST", "/data/search", {"format": "json"}, data=document(["SUBJECT_LABEL"], where))
    table = answer.json()["ResultSet"]
    assert found == sorted(row["subject_label"] for row in table["Result"])
    assert str(len(found)) == table["totalRecords"]


def test_columns_are_described(rest: Rest, place: str) -> None:
    """A JSON answer describes its columns and its root type."""
    body = document(["SUBJECT_LABEL", "PROJECT"], criterion(f"{SUBJECTS}/PROJECT", "=", place))
    table = rest.send("POST", "/data/search", {"format": "json"}, data=body).json()["ResultSet"]
    assert SUBJECTS == table["rootElementName"]
    assert {"subject_label", "project"} <= {column["key"] for column in table["Columns"]}


def test_path_as_field(rest: Rest, place: str) -> None:
    """An xpath is served as a field."""
    root = "xnat:mrSessionData"
    body = document([f"{root}/label"], criterion(f"{root}/project", "=", place), root)
    answer = rest.send("POST", "/data/search", {"format": "csv"}, data=body)
    assert (200, True) == (answer.status_code, "MR1" in answer.text)


@pytest.mark.parametrize("body", ["no document", "<other/>", ""])
def test_bad_document(rest: Rest, body: str) -> None:
    """What is no search document is refused with 422."""
    assert 422 == rest.send("POST", "/data/search", {"format": "json"}, data=body.encode()).status_code


def test_cached_pages(rest: Rest, place: str) -> None:
    """A cached result is read in pages that do not move when the archive changes."""
    body = document(["SUBJECT_LABEL"], criterion(f"{SUBJECTS}/PROJECT", "=", place))
    asked = {"cache": "true", "format": "json", "limit": "2"}
    table = rest.send("POST", "/data/search", asked, data=body).json()["ResultSet"]
    assert "3" == table["totalRecords"]
    rest.put(f"/data/projects/{place}/subjects/S0")
    pages = [
        rest.rows(f"/data/search/{table['ID']}", {"offset": offset, "limit": "2", "sortBy": "subject_label"})
        for offset in ("0", "2")
    ]
    assert ["S1", "S2", "S3"] == [row["subject_label"] for page in pages for row in page]


def test_elements(rest: Rest) -> None:
    """The types are listed, each with its fields; an unknown type is 400."""
    names = {row["ELEMENT_NAME"] for row in rest.rows("/data/search/elements")}
    assert {SUBJECTS, "xnat:mrSessionData", "proc:genProcData"} <= names
    fields = {row["FIELD_ID"] for row in rest.rows("/data/search/elements/proc:genProcData")}
    assert {"PROJECT", "LABEL", "PROCSTATUS", "PROCTYPE"} <= fields
    assert 400 == rest.get("/data/search/elements/none:such", {"format": "json"}).status_code
