"""Unmodified pyxnat against every archive: bulk listings and searches."""

from __future__ import annotations

from typing import Any

import pytest
from support.fill import Fill

MR = "xnat:mrSessionData"
TASK = "proc:genProcData"


@pytest.fixture
def session(interface: Any, place: str) -> Any:
    return interface.select.project(place).subject("S1").experiment("MR1")


# -- bulk and search -----------------------------------------------------------------------------


def test_array_experiments(interface: Any, place: str, session: Any) -> None:
    """``array.experiments`` has the sessions of a project."""
    assert [session.id()] == interface.array.experiments(project_id=place).get("ID", always_list=True)


def test_array_sessions(interface: Any, place: str) -> None:
    """``array.mrsessions`` has the columns that are asked for."""
    table = interface.array.mrsessions(project_id=place, columns=["label", "subject_label"])
    assert [("MR1", "S1")] == [(row["label"], row["subject_label"]) for row in table]


def test_array_search(interface: Any, place: str, session: Any) -> None:
    """``array.search_experiments`` finds sessions by a search."""
    table = interface.array.search_experiments(
        project_id=place,
        experiment_type=MR,
        columns=[f"{MR}/SESSION_ID", f"{MR}/PROJECT"],
    )
    assert [session.id()] == table.get("session_id", always_list=True)


def test_search_all(interface: Any, place: str) -> None:
    """``select(type).all()`` has every field of every item."""
    table = interface.select("xnat:projectData").all()
    assert place in table.get("id", always_list=True)


@pytest.mark.parametrize("call", ["scans", "mrscans"])
def test_array_scans(interface: Any, place: str, call: str) -> None:
    """``array.scans`` and ``array.mrscans`` have a row for each scan."""
    assert 2 == len(getattr(interface.array, call)(project_id=place))


def test_array_scan_columns(interface: Any, place: str) -> None:
    """``array.mrscans`` has fields of scans as columns."""
    table = interface.array.mrscans(project_id=place, columns=["xnat:mrScanData/type"])
    assert ["T1", "dwi"] == sorted(table.get("xnat:mrscandata/type"))


def test_search(interface: Any, place: str) -> None:
    """``select(type, columns).where`` finds by criteria."""
    columns = ["xnat:subjectData/PROJECT", "xnat:subjectData/SUBJECT_LABEL"]
    criteria = [("xnat:subjectData/PROJECT", "=", place), "AND"]
    (row,) = interface.select("xnat:subjectData", columns).where(criteria)
    assert (place, "S1") == (row["project"], row["subject_label"])


def test_search_or(interface: Any, place: str, fill: Fill) -> None:
    """Criteria are joined by OR and nested."""
    for subject in ("S2", "S3"):
        fill.subject(place, subject)
    labels = [
        ("xnat:subjectData/SUBJECT_LABEL", "=", "S1"),
        ("xnat:subjectData/SUBJECT_LABEL", "LIKE", "%2"),
        "OR",
    ]
    table = interface.select("xnat:subjectData", ["xnat:subjectData/SUBJECT_LABEL"]).where(
        [("xnat:subjectData/PROJECT", "=", place), labels, "AND"]
    )
    assert ["S1", "S2"] == sorted(table.get("subject_label"))


def test_where_on_a_collection(interface: Any, place: str, fill: Fill) -> None:
    """``collection.where`` filters by a search; two are found, since pyxnat spells a single id out."""
    fill.subject(place, "S2")
    subjects = interface.select(f"/project/{place}/subjects")
    criteria = [("xnat:subjectData/PROJECT", "=", place), "AND"]
    assert 2 == len(subjects.where(criteria).get())


def test_inspect(interface: Any) -> None:
    """The types and their fields can be looked at."""
    types = interface.inspect.datatypes()
    assert {"xnat:subjectData", MR, TASK} <= set(types)
    assert "xnat:mrSessionData/PROJECT" in interface.inspect.datatypes(MR)


def test_saved_search(interface: Any, place: str) -> None:
    """A search is saved, listed, run and deleted."""
    name = f"search_{place}"
    columns = ["xnat:subjectData/SUBJECT_LABEL"]
    criteria = [("xnat:subjectData/PROJECT", "=", place), "AND"]
    interface.manage.search.save(name, "xnat:subjectData", columns, criteria)
    assert name in interface.manage.search.saved()
    assert ["S1"] == [row["subject_label"] for row in interface.manage.search.get(name)]
    interface.manage.search.delete(name)
    assert name not in interface.manage.search.saved()


def test_prearchive(interface: Any) -> None:
    """The prearchive is listed."""
    assert isinstance(interface.manage.prearchive.get(), list)
