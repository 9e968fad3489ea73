"""What narrows a list, what pages it, what its stamps follow (XNAT REST reference, sections 2.3, 2.10, 3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.fill import Fill
from support.rest import Rest

COLUMNS = {"columns": "ID,label"}


@pytest.fixture
def place(project: str, fill: Fill) -> str:
    """A project with an MR session of three scans, a PET session and a task of subject S2; its URI."""
    session = fill.session(project, "S1", "MR1")
    for scan, frames, type_ in (("1", "10", "T1"), ("2", "33", "dwi"), ("3", "200", "T2")):
        fill.scan(session, scan, frames=frames, type=type_)
    fill.session(project, "S1", "PET1", xsi_type="xnat:petSessionData")
    fill.assessor(session, "TASK1")
    subject = fill.subject(project, "S2", yob="1970")
    fill.put(f"{subject}/experiments/SUBJ", {"xsiType": "proc:subjGenProcData"})
    return f"/data/projects/{project}"


SESSION = "/subjects/S1/experiments/MR1"


@pytest.mark.parametrize(
    ("filter_", "scans"),
    [
        ({"frames": "33"}, ["2"]),
        ({"frames": "5-50"}, ["1", "2"]),
        ({"frames": "10,200"}, ["1", "3"]),
        ({"frames": "5-20,100-300"}, ["1", "3"]),
        ({"type": "T*"}, ["1", "3"]),
        ({"type": "T%", "frames": "5-50"}, ["1"]),
        ({"xnat:imageScanData/type": "dwi"}, ["2"]),
        ({"type": "NULL"}, []),
        ({"Type": "dwi"}, ["1", "2", "3"]),
    ],
)
def test_filters_of_scans(rest: Rest, place: str, filter_: dict[str, str], scans: list[str]) -> None:
    """Numbers are filtered by ranges, too; the names of filters are taken as they are spelt."""
    rows = rest.rows(f"{place}{SESSION}/scans", {"columns": "ID", **filter_})
    assert scans == sorted(row["ID"] for row in rows)


@pytest.mark.parametrize(("years", "labels"), [("1960-1980", ["S2"]), ("1970", ["S2"]), ("1971-1980", [])])
def test_filters_of_subjects(rest: Rest, place: str, years: str, labels: list[str]) -> None:
    """Subjects are filtered by their demographics."""
    rows = rest.rows(f"{place}/subjects", {**COLUMNS, "yob": years})
    assert labels == [row["label"] for row in rows]


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        ("date", {"MR1", "PET1", "SUBJ"}),
        ("modality", {"MR1", "PET1"}),
        ("session_ID", {"MR1", "PET1"}),
        ("coil", {"MR1"}),
        ("tracer_name", {"PET1"}),
        ("proc:subjGenProcData/procstatus", {"SUBJ"}),
        ("xnat:imageScanData/type", {"MR1", "PET1", "SUBJ"}),
    ],
)
def test_columns_narrow_the_list(rest: Rest, place: str, column: str, labels: set[str]) -> None:
    """A column of a special kind of experiment leaves the others out; one of scans does not."""
    rows = rest.rows(f"{place}/experiments", {"columns": f"ID,label,{column}"})
    assert labels == {row["label"] for row in rows}


def test_subject_tasks_from_subjects(rest: Rest, place: str) -> None:
    """A list of subjects joins what its subjects have, and keeps those that have none."""
    columns = {"columns": "ID,label,proc:subjGenProcData/label"}
    rows = rest.rows(f"{place}/subjects", columns)
    assert {("S1", ""), ("S2", "SUBJ")} == {(row["label"], row["proc:subjgenprocdata/label"]) for row in rows}


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"limit": "2"}, 2),
        ({"limit": "*"}, 3),
        ({"offset": "1"}, 2),
        ({"limit": "1", "offset": "9"}, 0),
    ],
)
def test_pages_of_experiments(rest: Rest, place: str, asked: dict[str, str], count: int) -> None:
    """A page has at most ``limit`` rows from ``offset`` on."""
    assert count == len(rest.rows(f"{place}/experiments", {**COLUMNS, **asked}))


@pytest.mark.parametrize(
    ("list_", "count"), [(f"{SESSION}/scans", 3), (f"{SESSION}/assessors", 1), (f"{SESSION}/resources", 0)]
)
def test_no_pages_of_parts(rest: Rest, place: str, list_: str, count: int) -> None:
    """Lists of what is in a session have no pages: all rows come, and their total."""
    table = rest.get(place + list_, {"format": "json", "limit": "1", "offset": "5"}).json()["ResultSet"]
    assert (count, str(count)) == (len(table["Result"]), table["totalRecords"])


def test_columns_of_resources(rest: Rest, place: str) -> None:
    """A list of resources has its own columns, whatever is asked for."""
    header, _ = rest.csv(f"{place}{SESSION}/resources", {"columns": "label"})
    assert {"xnat_abstractresource_id", "label", "file_count", "file_size"} <= set(header)


# -- stamps --------------------------------------------------------------------------------------

SUBJECT_STAMP, SESSION_STAMP = "last_modified", "xnat:mrSessionData/meta/last_modified"


def stamps(rest: Rest, place: str) -> tuple[str, str, str]:
    """Return the stamps of S1, of MR1 with what is in it, and of MR1 alone."""
    (subject,) = rest.rows(f"{place}/subjects", {"columns": f"ID,{SUBJECT_STAMP}", "label": "S1"})
    asked = {"xsiType": "xnat:mrSessionData", "columns": f"ID,{SUBJECT_STAMP},{SESSION_STAMP}"}
    (session,) = rest.rows(f"{place}/experiments", asked)
    return subject[SUBJECT_STAMP], session[SESSION_STAMP.lower()], session[SUBJECT_STAMP]


@pytest.mark.parametrize(
    ("change", "bumped"),
    [
        ("task", (True, True, False)),
        ("scan", (True, True, False)),
        ("session", (True, True, True)),
        ("subject", (True, False, False)),
    ],
)
def test_what_a_change_bumps(
    rest: Rest, fill: Fill, place: str, project: str, *, change: str, bumped: tuple[bool, ...]
) -> None:
    """A change goes upwards: into the stamp of its session's type and of its subject; never downwards."""
    session = place + SESSION
    before = stamps(rest, place)
    changes: dict[str, Callable[[], object]] = {
        "task": lambda: fill.assessor(session, "TASK1", procstatus="COMPLETE"),
        "scan": lambda: fill.scan(session, "1", quality="usable"),
        "session": lambda: fill.put(session, {"note": "n"}),
        "subject": lambda: fill.subject(project, "S1", gender="male"),
    }
    changes[change]()
    assert bumped == tuple(old != new for old, new in zip(before, stamps(rest, place), strict=True))
