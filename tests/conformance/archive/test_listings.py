"""Lists: columns, header names, formats, filters, paging (XNAT REST reference, sections 2.3 to 2.10)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from support.fill import Fill
from support.rest import Rest

MR = "xnat:mrSessionData"
ASSESSOR_COLUMNS = (
    "xnat:imageassessordata/id ID project label date xsiType insert_date session_ID session_label URI"
)
RESOURCE_COLUMNS = (
    "xnat_abstractresource_id label element_name category cat_id cat_desc "
    "file_count file_size tags content format"
)


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project with two subjects, three sessions (one PET), scans and an assessor; its URI."""
    first = fill.session(project, "S1", "MR1", date="2020-01-02", note="a,b")
    fill.session(project, "S1", "MR2", date="2021-01-02")
    fill.session(project, "S2", "PET1", xsi_type="xnat:petSessionData")
    fill.scan(first, "1", type="T1", quality="usable", series_description="line\none")
    fill.scan(first, "2", type="dwi", quality="unusable", frames="33")
    fill.assessor(first, "TASK1", procstatus="COMPLETE", proctype="T_v1")
    fill.files(first, "R", {"a.txt": b"abc"})
    return f"/data/projects/{project}"


# -- columns and headers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("below", "columns"),
    [
        ("/subjects", "ID project label insert_date insert_user URI"),
        ("/experiments", "xnat:subjectassessordata/id ID project date xsiType label insert_date URI"),
        (
            "/subjects/S1/experiments",
            "xnat:subjectassessordata/id ID project date xsiType label insert_date URI",
        ),
        (
            "/subjects/S1/experiments/MR1/scans",
            "xnat_imagescandata_id ID type quality xsiType note series_description URI",
        ),
        (
            "/subjects/S1/experiments/MR1/assessors",
            ASSESSOR_COLUMNS,
        ),
        (
            "/subjects/S1/experiments/MR1/resources",
            RESOURCE_COLUMNS,
        ),
        (
            "/subjects/S1/experiments/MR1/resources/R/files",
            "Name Size URI collection file_tags file_format file_content cat_ID digest",
        ),
    ],
)
def test_default_columns(rest: Rest, place: str, below: str, columns: str) -> None:
    """Without ``columns=`` each list has its own columns."""
    header, rows = rest.csv(place + below)
    assert set(columns.split()) == set(header)
    assert set(header) == set(rest.rows(place + below)[0])
    assert rows


def test_default_columns_of_all_experiments(rest: Rest, place: str, project: str) -> None:
    """The list of all experiments includes assessors."""
    assert place
    rows = rest.rows("/data/experiments", {"project": project})
    assert {"MR1", "MR2", "PET1", "TASK1"} == {row["label"] for row in rows}
    assert {"ID", "project", "date", "xsiType", "label", "insert_date", "URI"} <= set(rows[0])


def test_project_experiments_lack_assessors(rest: Rest, place: str) -> None:
    """The list of a project's experiments has no assessors unless their type is asked for."""
    assert {"MR1", "MR2", "PET1"} == {row["label"] for row in rest.rows(f"{place}/experiments")}
    rows = rest.rows(f"{place}/experiments", {"xsiType": "proc:genProcData", "columns": "ID,label"})
    assert ["TASK1"] == [row["label"] for row in rows]


@pytest.mark.parametrize(
    ("asked", "header"),
    [
        ("label", "label"),
        ("xnat:mrSessionData/fieldStrength", "xnat:mrsessiondata/fieldstrength"),
        ("XNAT:MRsessionData/fieldStrength", "xnat:mrsessiondata/fieldstrength"),
        ("xnat:imageSessionData/ID", "session_ID"),
        ("xnat:subjectAssessorData/subject_ID", "subject_ID"),
        ("xnat:mrSessionData/acquisition_site", "xnat:mrsessiondata/acquisition_site"),
        ("subject_label", "subject_label"),
        ("xnat:mrSessionData/meta/last_modified", "xnat:mrsessiondata/meta/last_modified"),
    ],
)
def test_header_names(rest: Rest, place: str, asked: str, header: str) -> None:
    """An alias keeps its name; a path is lower-cased, or gets the alias that stands for it."""
    found, rows = rest.csv(f"{place}/experiments", {"xsiType": MR, "columns": f"ID,{asked}"})
    assert header in found
    assert 2 == len(rows)


@pytest.mark.parametrize("unknown", ["nosuchalias", "none:such/field"])
def test_unknown_column_vanishes(rest: Rest, place: str, unknown: str) -> None:
    """An unknown short name and an unknown element are dropped silently."""
    header, rows = rest.csv(f"{place}/experiments", {"columns": f"ID,label,{unknown}"})
    assert (3, False) == (len(rows), unknown in header)


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("{p}/experiments", 200),
        ("{p}/subjects/S1/experiments/MR1/assessors", 200),
        ("/data/experiments", 500),
        ("{p}/subjects", 500),
        ("{p}/subjects/S1/experiments/MR1/scans", 500),
    ],
)
def test_unknown_field_of_a_known_type(rest: Rest, place: str, uri: str, status: int) -> None:
    """A field that a known type does not have makes a list fail: 500, or 200 without any body."""
    answer = rest.get(uri.format(p=place), {"columns": "ID,xnat:mrSessionData/nosuchfield", "format": "csv"})
    assert status == answer.status_code
    if status == 200:
        assert "" == answer.text


def test_xsi_type_is_no_column_of_projects_and_subjects(rest: Rest, place: str) -> None:
    """``xsiType`` is dropped where the list does not know it, as pyxnat asks for it everywhere."""
    header, _ = rest.csv(f"{place}/subjects", {"columns": "ID,xsiType"})
    assert ({"ID"}, False) == (set(header) & {"ID"}, "xsiType" in header)


def test_scans_need_their_id(rest: Rest, place: str) -> None:
    """A list of scans without ``ID`` among its columns fails with 500."""
    uri = f"{place}/subjects/S1/experiments/MR1/scans"
    assert 500 == rest.get(uri, {"columns": "type", "format": "csv"}).status_code


def test_default_among_columns(rest: Rest, place: str) -> None:
    """``DEFAULT`` stands for the default columns."""
    header, _ = rest.csv(f"{place}/subjects", {"columns": "DEFAULT,gender"})
    assert {"ID", "label", "insert_date", "gender"} <= set(header)


def test_fields_are_told(rest: Rest, place: str) -> None:
    """``fields=`` answers with the short names and what they stand for."""
    keys = {row["key"] for row in rest.rows(f"{place}/subjects", {"fields": "true"})}
    assert {"label", "gender", "last_modified"} <= keys


# -- formats -------------------------------------------------------------------------------------


def test_json_table(rest: Rest, place: str) -> None:
    """A JSON table is one object; its values and its total are strings."""
    answer = rest.get(f"{place}/experiments", {"format": "json"})
    table = answer.json()["ResultSet"]
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "3" == table["totalRecords"]
    assert all(isinstance(value, str) for row in table["Result"] for value in row.values())


def test_csv_table(rest: Rest, place: str) -> None:
    """A CSV table ends its lines with a line feed, quotes only where needed and has no newlines in values."""
    uri = f"{place}/subjects/S1/experiments/MR1/scans"
    answer = rest.get(uri, {"columns": "ID,series_description", "format": "csv"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "\r" not in answer.text
    assert "line one" in answer.text
    assert 3 == answer.text.count("\n")


def test_csv_quotes(rest: Rest, place: str) -> None:
    """A value with a comma is quoted."""
    answer = rest.get(f"{place}/experiments", {"columns": "ID,note", "format": "csv"})
    assert '"a,b"' in answer.text


def test_xml_table(rest: Rest, place: str) -> None:
    """An XML table names its columns and has a row with a cell for each."""
    root = ET.fromstring(rest.get(f"{place}/experiments", {"columns": "ID,label", "format": "xml"}).text)
    columns = [column.text for column in root.iterfind("results/columns/column")]
    rows = [[cell.text for cell in row] for row in root.iterfind("results/rows/row")]
    assert ("ResultSet", "3") == (root.tag, root.get("totalRecords"))
    assert {"MR1", "MR2", "PET1"} == {dict(zip(columns, row, strict=True))["label"] for row in rows}


@pytest.mark.parametrize("form", ["html", "xList"])
def test_html_table(rest: Rest, place: str, form: str) -> None:
    """An HTML table has a row for each session, and is no page of its own."""
    answer = rest.get(f"{place}/experiments", {"columns": "ID,label", "format": form})
    assert "text/html" == answer.headers["content-type"].partition(";")[0]
    assert answer.text.lower().lstrip().startswith("<table")
    assert all(label in answer.text for label in ("MR1", "MR2", "PET1"))


def test_list_without_format_is_json(rest: Rest, place: str) -> None:
    """A list answers JSON when nothing is asked for."""
    assert 3 == len(rest.get(f"{place}/experiments").json()["ResultSet"]["Result"])


def test_timestamps(rest: Rest, place: str) -> None:
    """Timestamps have a space and decimals; dates are ISO."""
    row = rest.rows(f"{place}/experiments", {"columns": "ID,date,insert_date", "label": "MR1"})[0]
    assert "2020-01-02" == row["date"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,6}", row["insert_date"])


def test_uris(rest: Rest, place: str) -> None:
    """The URI of a row is the short one, by accession id."""
    rows = rest.rows(f"{place}/experiments")
    assert all(f"/data/experiments/{row['ID']}" == row["URI"] for row in rows)


def test_item_json(rest: Rest, place: str) -> None:
    """An item's JSON has its fields, its type and its children; empty fields are absent."""
    item = rest.get(f"{place}/subjects/S1/experiments/MR1", {"format": "json"}).json()["items"][0]
    children = {child["field"]: len(child["items"]) for child in item["children"]}
    assert MR == item["meta"]["xsi:type"]
    assert ("MR1", "2020-01-02") == (item["data_fields"]["label"], item["data_fields"]["date"])
    assert "acquisition_site" not in item["data_fields"]
    assert (2, 1) == (children["scans/scan"], children["assessors/assessor"])


def test_item_json_has_numbers(rest: Rest, place: str) -> None:
    """Numbers are numbers in an item's JSON."""
    assert 33 == rest.item(f"{place}/subjects/S1/experiments/MR1/scans/2")["frames"]


def test_item_xml(rest: Rest, place: str) -> None:
    """An item's XML has the type's proper name as root and children with their types."""
    answer = rest.get(f"{place}/subjects/S1/experiments/MR1", {"format": "xml"})
    xnat, xsi = "{http://nrg.wustl.edu/xnat}", "{http://www.w3.org/2001/XMLSchema-instance}"
    root = ET.fromstring(answer.text)
    scans = {scan.get("ID"): scan.get(f"{xsi}type") for scan in root.iterfind(f"{xnat}scans/{xnat}scan")}
    assert (f"{xnat}MRSession", "MR1") == (root.tag, root.get("label"))
    assert {"1": "xnat:mrScanData", "2": "xnat:mrScanData"} == scans
    assert "COMPLETE" == root.findtext(".//{http://nrg.wustl.edu/proc}procstatus")


# -- filters, order, pages -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter_", "labels"),
    [
        ({"label": "MR1"}, {"MR1"}),
        ({"label": "MR1,PET1"}, {"MR1", "PET1"}),
        ({"label": "MR*"}, {"MR1", "MR2"}),
        ({"label": "%1"}, {"MR1", "PET1", "TASK1"}),
        ({"label": "MR*", "subject_label": "S1"}, {"MR1", "MR2"}),
        ({"label": "mr1"}, set()),
        ({"date": "2020-06-01-2021-06-01"}, {"MR2"}),
        ({"date": "06/01/2020-06/01/2021"}, {"MR2"}),
        ({"date": "01/02/2020"}, {"MR1"}),
        ({"xnat:mrSessionData/date": "2020-01-02"}, {"MR1"}),
        ({"xsiType": "xnat:petSessionData"}, {"PET1"}),
        ({"xsiType": "XNAT:MRSESSIONDATA"}, {"MR1", "MR2"}),
        ({"xsiType": "xnat:imageSessionData"}, {"MR1", "MR2", "PET1"}),
        ({"xsiType": "proc:genProcData", "proc:genProcData/procstatus": "COMPLETE"}, {"TASK1"}),
    ],
)
def test_filters(rest: Rest, place: str, project: str, filter_: dict[str, str], labels: set[str]) -> None:
    """Parameters filter: a comma means or, a star any text, two parameters and."""
    assert place
    rows = rest.rows("/data/experiments", {"project": project, "columns": "ID,label", **filter_})
    assert labels == {row["label"] for row in rows}


@pytest.mark.parametrize(("order", "first"), [("ASC", "MR1"), ("DESC", "PET1")])
def test_order(rest: Rest, place: str, order: str, first: str) -> None:
    """``sortBy`` and ``sortOrder`` order the rows."""
    asked = {"columns": "ID,label", "sortBy": "label", "sortOrder": order}
    assert first == rest.rows(f"{place}/experiments", asked)[0]["label"]


def test_pages(rest: Rest, place: str) -> None:
    """``limit`` and ``offset`` cut a page out, and the total is left out."""
    pages = [
        rest.get(f"{place}/experiments", {"format": "json", "limit": "2", "offset": offset}).json()[
            "ResultSet"
        ]
        for offset in ("0", "2")
    ]
    assert [2, 1] == [len(page["Result"]) for page in pages]
    assert 3 == len({row["ID"] for page in pages for row in page["Result"]})
    assert not any("totalRecords" in page for page in pages)


def test_experiment_has_no_scans_below_its_project(rest: Rest, place: str) -> None:
    """``/projects/P/experiments/E/scans`` is no route: it is not a table of scans."""
    answer = rest.get(f"{place}/experiments/MR1/scans", {"format": "json"})
    assert "ResultSet" not in answer.text


def test_project_list(rest: Rest, place: str, project: str) -> None:
    """The list of projects has each project once, with its URI."""
    assert place
    rows = [row for row in rest.rows("/data/projects") if row["ID"] == project]
    assert [f"/data/projects/{project}"] == [row["URI"] for row in rows]


@pytest.mark.parametrize(
    "uri",
    [
        "/data/projects/NOSUCHPROJECT/subjects",
        "/data/projects/NOSUCHPROJECT/experiments",
        "/data/projects/NOSUCHPROJECT/resources",
        "/data/projects/NOSUCHPROJECT/subjects/S1/experiments",
        "{p}/subjects/NO/experiments",
        "{p}/subjects/S1/experiments/NO/scans",
        "{p}/subjects/S1/experiments/NO/assessors",
        "{p}/subjects/S1/experiments/NO/resources",
        "/data/experiments/NOSUCHID/scans",
        "/data/experiments/NOSUCHID/assessors",
        "/data/experiments/NOSUCHID/reconstructions",
    ],
)
@pytest.mark.parametrize("format_", ["csv", "json"])
def test_list_below_nothing(rest: Rest, place: str, uri: str, format_: str) -> None:
    """A list below an item that does not exist is 404: never an empty list, never one of the whole site."""
    assert 404 == rest.get(uri.format(p=place), {"format": format_}).status_code


def test_users(rest: Rest) -> None:
    """The list of users has their logins."""
    assert {"login", "firstname", "lastname", "email"} <= set(rest.rows("/data/users")[0])


def test_prearchive_is_there(rest: Rest) -> None:
    """The prearchive can be listed."""
    assert 200 == rest.get("/data/prearchive/projects", {"format": "csv"}).status_code


def test_favorites(rest: Rest, project: str) -> None:
    """Favourite projects are listed by a filter, until they are favourites no more."""
    uri = f"/data/users/favorites/Project/{project}"
    rest.put(uri).raise_for_status()
    favorites = {row["ID"] for row in rest.rows("/data/projects", {"favorite": "true"})}
    rest.delete(uri).raise_for_status()
    after = {row["ID"] for row in rest.rows("/data/projects", {"favorite": "true"})}
    assert (True, False) == (project in favorites, project in after)


def test_prearchive_code(rest: Rest, project: str) -> None:
    """Projects are listed by their prearchive code."""
    rest.put(f"/data/projects/{project}/prearchive_code/5").raise_for_status()
    found = [
        project in {row["ID"] for row in rest.rows("/data/projects", {"prearc_code": code})}
        for code in ("5", "4", "4,5")
    ]
    assert [True, False, True] == found
