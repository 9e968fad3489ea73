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
    fill.subject(project, "S1", gender="male", education="9", handedness="left")
    fill.subject(project, "S2", gender="female", education="12")
    fill.subject(project, "S3", gender="female", education="10")
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
        ("EDUC", "BETWEEN", "9 AND 11", ["S1", "S3"]),
        ("EDUC", "&gt;", "9", ["S2", "S3"]),
        ("HANDEDNESS_TEXT", "IS NULL", "", ["S2", "S3"]),
        ("HANDEDNESS_TEXT", "IS", "NULL", ["S2", "S3"]),
        ("HANDEDNESS_TEXT", "IS NOT", "NULL", ["S1"]),
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
    """A JSON answer describes its columns and its root type; the state of each row is always among them."""
    body = document(["SUBJECT_LABEL", "PROJECT"], criterion(f"{SUBJECTS}/PROJECT", "=", place))
    table = rest.send("POST", "/data/search", {"format": "json"}, data=body).json()["ResultSet"]
    keys = ["subject_label", "project", "quarantine_status"]
    assert (SUBJECTS, set(keys)) == (table["rootElementName"], set(table["Result"][0]))
    described = [column for column in table["Columns"] if column["key"] == "subject_label"]
    assert [("SUBJECT_LABEL", f"{SUBJECTS}.SUBJECT_LABEL", SUBJECTS)] == [
        (column["id"], column["xPATH"], column["element_name"]) for column in described
    ]
    assert set(keys) == {column["key"] for column in table["Columns"]}


def test_column_of_another_type(rest: Rest, place: str) -> None:
    """A column of another type has that type before its name."""
    root = "xnat:mrSessionData"
    field = (
        "<xdat:search_field><xdat:element_name>xnat:subjectData</xdat:element_name>"
        "<xdat:field_ID>SUBJECT_LABEL</xdat:field_ID><xdat:sequence>1</xdat:sequence>"
        "<xdat:type>string</xdat:type><xdat:header>s</xdat:header></xdat:search_field><xdat:search_where"
    )
    body = document(["LABEL"], criterion(f"{root}/PROJECT", "=", place), root)
    body = body.replace("<xdat:search_where", field, 1)
    table = rest.send("POST", "/data/search", {"format": "json"}, data=body).json()["ResultSet"]
    assert [("MR1", "S1")] == [
        (row["label"], row["xnat_subjectdata_subject_label"]) for row in table["Result"]
    ]


def test_nested_criteria(rest: Rest, place: str) -> None:
    """Criteria are nested, each set with a method of its own."""
    either = criterion(f"{SUBJECTS}/SUBJECT_LABEL", "=", "S1") + criterion(
        f"{SUBJECTS}/SUBJECT_LABEL", "=", "S3"
    )
    where = criterion(f"{SUBJECTS}/PROJECT", "=", place)
    where += f'<xdat:child_set method="OR">{either}</xdat:child_set>'
    answer = rest.send("POST", "/data/search", {"format": "json"}, data=document(["SUBJECT_LABEL"], where))
    rows = answer.json()["ResultSet"]["Result"]
    assert ["S1", "S3"] == sorted(row["subject_label"] for row in rows)


@pytest.mark.parametrize("name", ["search", "stored_search"])
def test_other_names_of_a_search(rest: Rest, place: str, name: str) -> None:
    """A search document may have the names that saved searches have."""
    body = document(["SUBJECT_LABEL"], criterion(f"{SUBJECTS}/PROJECT", "=", place)).replace("bundle", name)
    answer = rest.send("POST", "/data/search", {"format": "json"}, data=body)
    assert "3" == answer.json()["ResultSet"]["totalRecords"]


def test_document_as_a_form(rest: Rest, place: str) -> None:
    """The document may be the file of a form."""
    body = document(["SUBJECT_LABEL"], criterion(f"{SUBJECTS}/PROJECT", "=", place)).encode()
    answer = rest.send("POST", "/data/search", {"format": "json"}, files={"search": ("search.xml", body)})
    assert "3" == answer.json()["ResultSet"]["totalRecords"]


def test_everything_of_a_type(rest: Rest, place: str) -> None:
    """Every type has a saved search for all that there is of it."""
    _, rows = rest.csv("/data/search/saved/@xnat:mrSessionData/results")
    assert ["MR1"] == [row["label"] for row in rows if row["project"] == place]


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


def test_cached_order(rest: Rest, place: str) -> None:
    """Pages of a cached result are sorted by several columns, numbers by their size."""
    rest.put(f"/data/projects/{place}/subjects/S4", {"education": "8"}).raise_for_status()
    body = document(["SUBJECT_LABEL", "EDUC", "GENDER_TEXT"], criterion(f"{SUBJECTS}/PROJECT", "=", place))
    asked = {"cache": "true", "format": "json"}
    name = rest.send("POST", "/data/search", asked, data=body).json()["ResultSet"]["ID"]

    def labels(by: str, order: str = "ASC") -> str:
        rows = rest.rows(f"/data/search/{name}", {"sortBy": by, "sortOrder": order})
        return " ".join(row["subject_label"] for row in rows)

    assert ("S4 S1 S3 S2", "S2 S3 S1 S4") == (labels("educ"), labels("educ", "DESC"))
    assert "S4 S3 S2 S1" == labels("gender_text,educ")


def test_never_stale(rest: Rest, place: str) -> None:
    """With ``refresh=true`` a search sees what was written just before, also if it has a name of its own."""
    body = document(["SUBJECT_LABEL"], criterion(f"{SUBJECTS}/PROJECT", "=", place))
    body = body.replace("@search", f"s{place}")
    counts = []
    for label in ("S4", "S5"):
        rest.put(f"/data/projects/{place}/subjects/{label}").raise_for_status()
        asked = {"format": "json", "refresh": "true"}
        table = rest.send("POST", "/data/search", asked, data=body).json()["ResultSet"]
        counts.append(table["totalRecords"])
    assert ["4", "5"] == counts


def test_result_that_is_not_kept(rest: Rest) -> None:
    """A result that is not kept, or not any more, is 410."""
    assert 410 == rest.get("/data/search/search_of_nobody", {"format": "json"}).status_code


def test_types_in_use(rest: Rest, place: str) -> None:
    """With ``used=true`` the types are those that there is something of."""
    assert place
    rows = rest.rows("/data/search/elements", {"used": "true"})
    counts = {row["ELEMENT_NAME"]: row["COUNT"] for row in rows}
    assert ("0" not in counts.values(), True) == ("xnat:mrSessionData" in counts, SUBJECTS in counts)


def test_elements(rest: Rest) -> None:
    """The types are listed, each with its fields; an unknown type is 400."""
    names = {row["ELEMENT_NAME"] for row in rest.rows("/data/search/elements")}
    assert {SUBJECTS, "xnat:mrSessionData", "proc:genProcData"} <= names
    fields = {row["FIELD_ID"] for row in rest.rows("/data/search/elements/proc:genProcData")}
    assert {"PROJECT", "LABEL", "PROCSTATUS", "PROCTYPE"} <= fields
    assert 400 == rest.get("/data/search/elements/none:such", {"format": "json"}).status_code
