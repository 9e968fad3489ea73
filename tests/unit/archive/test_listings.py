"""Listings: headers, joins, filters."""

from __future__ import annotations

from typing import Any

import pytest

from cci.archive import aliases
from cci.archive.aliases import ListKind
from cci.archive.errors import Broken
from cci.archive.filters import query_filters
from cci.archive.listing import Compare, Group, plan

E = "projects/P/subjects/S/experiments/E"


def headers(kind: ListKind, columns: str, xsi_type: str = "") -> list[str]:
    return [column.header for column in plan(kind, {"columns": columns, "xsiType": xsi_type})[1]]


@pytest.mark.parametrize(
    ("kind", "xsi_type", "columns", "expected"),
    [
        (aliases.SUBJECTS, "", "ID,label", ["ID", "label"]),
        (aliases.SUBJECTS, "", "ID,xsiType", ["ID"]),
        (aliases.EXPERIMENTS, "", "ID,label", ["xnat:subjectassessordata/id", "ID", "label", "xsiType"]),
        (
            aliases.EXPERIMENTS,
            "xnat:imageSessionData",
            "xnat:imagesessiondata/id,XNAT:imageSessionData/Subject_ID,xnat:imageScanData/type",
            ["session_ID", "xnat:imagesessiondata/subject_id", "xnat:imagescandata/type", "xsiType"],
        ),
        (
            aliases.SITE_EXPERIMENTS,
            "xnat:subjectAssessorData",
            "xnat:subjectAssessorData/subject_id",
            ["xnat:subjectassessordata/id", "subject_ID", "xsiType"],
        ),
        (aliases.SITE_EXPERIMENTS, "", "ID,foo:bar/x,nothing", ["ID", "xsiType"]),
        (aliases.SCANS, "", "ID,xnat:imageScanData/type", ["xnat_imagescandata_id", "ID", "type"]),
        (aliases.ASSESSORS, "", "label", ["xnat:imageassessordata/id", "label", "xsiType"]),
    ],
)
def test_headers(kind: ListKind, xsi_type: str, columns: str, expected: list[str]) -> None:
    """The key comes first, aliases keep their names, paths come back in lower case or as their alias."""
    assert expected == headers(kind, columns, xsi_type)


def test_unknown_field_of_a_known_element() -> None:
    """A field that its element does not have breaks the listing."""
    with pytest.raises(Broken):
        headers(aliases.EXPERIMENTS, "xnat:mrSessionData/nonsense")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("ID", "xnat:experimentData"),
        ("ID,modality", "xnat:imageSessionData"),
        ("ID,fieldStrength", "xnat:mrSessionData"),
        ("ID,proc:genProcData/procstatus", "proc:genProcData"),
        ("ID,xnat:imageScanData/type", "xnat:experimentData"),
    ],
)
def test_columns_narrow_the_root(columns: str, expected: str) -> None:
    """Without ``xsiType`` the most special experiment type among the columns is the root."""
    assert expected == plan(aliases.SITE_EXPERIMENTS, {"columns": columns})[0].root.name


def test_root_of_another_family() -> None:
    """A list of subjects cannot be of sessions."""
    with pytest.raises(Broken):
        plan(aliases.SUBJECTS, {"xsiType": "xnat:mrSessionData"})


@pytest.mark.parametrize(
    ("name", "value", "operator", "values"),
    [
        ("label", "MR1", "=", ("MR1",)),
        ("label", "MR*", "LIKE", ("MR%",)),
        ("label", "A-B", "=", ("A-B",)),
        ("date", "2020-01-01-2020-02-03", "BETWEEN", ("2020-01-01", "2020-02-03")),
        ("date", "1/2/2020-12/31/2020", "BETWEEN", ("2020-01-02", "2020-12-31")),
        ("xnat:imageScanData/frames", "10-20", "BETWEEN", ("10", "20")),
        ("note", "NULL", "IS NULL", ()),
    ],
)
def test_filter(name: str, value: str, operator: str, values: tuple[str, ...]) -> None:
    """A filter's value says how it compares."""
    resolver, _ = plan(aliases.SITE_EXPERIMENTS, {"columns": "ID"})
    found = query_filters(resolver, [(name, value)]).members[0]
    assert isinstance(found, Compare)
    assert (operator, values) == (found.operator, found.values)


def test_filters_combine() -> None:
    """A comma means or, several parameters mean and; parameters that name no column are no filters."""
    resolver, _ = plan(aliases.SITE_EXPERIMENTS, {"columns": "ID"})
    found = query_filters(
        resolver, [("label", "a,b"), ("project", "P"), ("nonsense", "x"), ("format", "csv")]
    )
    assert 2 == len(found.members)
    assert isinstance(found.members[0], Group)
    assert "OR" == found.members[0].method


def test_join_multiplies_rows(filled: Any) -> None:
    """A column of a scan's resource gives one row for each, and one for a scan without any."""
    columns = "ID,xnat:imageScanData/ID,xnat:imageScanData/file/label,xnat:imageScanData/file/file_count"
    rows = filled.get("projects/P/experiments", xsiType="xnat:imageSessionData", columns=columns).rows
    keys = ("xnat:imagescandata/id", "xnat:imagescandata/file/label", "xnat:imagescandata/file/file_count")
    assert [("1", "DICOM", "1"), ("1", "NIFTI", "1"), ("2", "", "")] == sorted(
        tuple(row[key] for key in keys) for row in rows
    )


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("projects/P/experiments", {"xsiType": "proc:genProcData"}),
        ("experiments", {"xsiType": "proc:genProcData", "project": "P"}),
    ],
)
def test_assessors_with_their_session(filled: Any, path: str, asked: dict[str, str]) -> None:
    """A task's row has its session and subject beside its own fields."""
    filled.upload(f"{E}/assessors/A/resources/PDF/files/r.pdf", b"pdf")
    columns = (
        "ID,label,xnat:imagesessiondata/id,xnat:imagesessiondata/label,xnat:imagesessiondata/subject_id,"
        "proc:genProcData/procstatus,proc:genProcData/out/file/label,proc:genProcData/out/file/file_count"
    )
    row = filled.get(path, columns=columns, **asked).rows[0]
    expected = {
        "ID": "XNAT_E00002",
        "label": "A",
        "session_ID": "XNAT_E00001",
        "session_label": "E",
        "xnat:imagesessiondata/subject_id": "XNAT_S00001",
        "proc:genprocdata/procstatus": "",
        "proc:genprocdata/out/file/label": "PDF",
        "proc:genprocdata/out/file/file_count": "1",
    }
    assert expected == {key: row[key] for key in expected}


def test_empty_list_is_not_renamed(filled: Any) -> None:
    """An empty list of experiments has a header, but not the names that were asked for, as on XNAT."""
    filled.put("projects/EMPTY")
    asked = {"columns": "ID,label,subject_label", "format": "csv"}
    text = filled.get("projects/EMPTY/experiments", **asked).text
    assert not {"ID", "label", "subject_label"} & set(text.strip().split(","))
    assert (1, 6) == (text.count("\n"), len(text.split(",")))


def test_sessions_without_tasks_stay(filled: Any) -> None:
    """A join keeps rows that have nothing to join."""
    filled.ask("DELETE", f"{E}/assessors/A")
    columns = "project,session_label,proc:genprocdata/label,proc:genprocdata/procstatus"
    rows = filled.get("experiments", xsiType="xnat:imagesessiondata", columns=columns, project="P").rows
    assert [("E", "")] == [(row["session_label"], row["proc:genprocdata/label"]) for row in rows]


def test_subject_tasks_of_subjects(filled: Any) -> None:
    """Subjects can be listed with their own tasks."""
    filled.put("projects/P/subjects/S/experiments/T", xsiType="proc:subjGenProcData")
    columns = "project,label,proc:subjgenprocdata/label,last_modified"
    rows = filled.get("subjects", xsiType="xnat:subjectdata", columns=columns, project="P").rows
    assert [("S", "T")] == [(row["label"], row["proc:subjgenprocdata/label"]) for row in rows]


def test_shared_into(filled: Any) -> None:
    """Sessions can be listed by the project they are shared into; ``project`` is the owner only."""
    filled.put("projects/Q")
    filled.put(f"{E}/projects/Q")
    key = "xnat:imagesessiondata/sharing/share/project"
    typed = {"xsiType": "xnat:imageSessionData", "columns": "ID"}
    assert 1 == len(filled.get("experiments", **typed, **{key: "Q"}).rows)
    assert 0 == len(filled.get("experiments", **typed, project="Q").rows)


def test_sessions_with_their_resources(filled: Any) -> None:
    """Session resources come beside the session."""
    filled.upload(f"{E}/resources/NOTES/files/n.txt", b"n")
    column = "xnat:imageSessionData/resources/resource/label"
    rows = filled.get("projects/P/experiments", xsiType="xnat:imageSessionData", columns=f"ID,{column}").rows
    assert ["NOTES"] == [row[column.lower()] for row in rows]


def test_private_projects_look_missing(filled: Any) -> None:
    """Somebody without a role sees nothing of a private project, and it looks as if it were not there."""
    stranger = filled.person("bob")
    assert (404, []) == (stranger.get("projects/P").status, stranger.get("experiments").rows)


@pytest.mark.parametrize(
    ("role", "statuses"),
    [("Owners", (200, 201, 200)), ("Members", (200, 201, 403)), ("Collaborators", (200, 403, 403))],
)
def test_roles(filled: Any, role: str, statuses: tuple[int, int, int]) -> None:
    """Collaborators read, members write, owners delete."""
    bob = filled.person("bob")
    filled.put(f"projects/P/users/{role}/bob")
    new = "projects/P/subjects/BOB"
    found = (bob.get(E).status, bob.put(new).status, bob.ask("DELETE", "projects/P/subjects/S").status)
    assert statuses == found


def test_public_projects_are_read_by_all(filled: Any) -> None:
    """A public project is read by everyone and written by nobody without a role."""
    filled.put("projects/P/accessibility/public")
    stranger = filled.person("bob")
    assert (200, 403) == (stranger.get(E).status, stranger.put(E, note="x").status)
