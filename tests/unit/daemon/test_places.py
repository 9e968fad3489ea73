"""Where tasks, results and inputs lie in an archive, and which fields an assessor is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from support.entries import an_entry

from cci.daemon.ledger import TaskEntry
from cci.daemon.order import StagedSource
from cci.daemon.places import Place, birth_fields, place_of, scan_of, source_uri

SESSION, SUBJECT = "proc:genProcData", "proc:subjGenProcData"
LABEL = "P-x-S-x-E-x-Dti_v1"
E1, S1 = "/data/experiments/E1", "/data/projects/P/subjects/S1"
PLACES: dict[str, tuple[TaskEntry, Place]] = {
    "a session task, before it is made": (
        an_entry(),
        Place(uri=f"{E1}/assessors/{LABEL}", xsi_type=SESSION, results=f"{E1}/assessors/{LABEL}/out"),
    ),
    "a scan task, once its id is known": (
        an_entry(level="scan", scan_id="3", assessor_id="A1"),
        Place(uri=f"{E1}/assessors/A1", xsi_type=SESSION, results=f"{E1}/assessors/A1/out"),
    ),
    "a subject task": (
        an_entry(level="subject", accession_id="S1", assessor_id="A1"),
        Place(uri=f"{S1}/experiments/A1", xsi_type=SUBJECT, results=f"{S1}/experiments/A1"),
    ),
    "a project task": (
        an_entry(level="project", accession_id="P", assessor_id="CCI_Dti_v1"),
        Place(
            uri="/data/projects/P/resources/CCI_Dti_v1",
            xsi_type="",
            results="/data/projects/P",
            prefix="CCI_Dti_v1_",
        ),
    ),
}


@pytest.mark.parametrize("row", PLACES)
def test_where_a_task_lives(row: str) -> None:
    """By label until the archive has given an id, then by the id; results hang right below."""
    entry, place = PLACES[row]
    assert place == place_of(entry)


def test_the_scan_of_a_scan_task() -> None:
    """A scan is addressed through its session's accession id; odd numbers are quoted."""
    assert f"{E1}/scans/3%20b%3F" == scan_of(an_entry(scan_id="3 b?"))


def source(kind: str, **values: Any) -> StagedSource:
    """Return a source of an order."""
    plain = {"input": "x", "kind": kind, "session_id": "E1", "scan_id": "3", "assessor_id": "A1"}
    rest = {"subject_level": False, "resources": (), "attributes": {}, "description": ""}
    return StagedSource(**{**plain, **rest, **values})


SOURCES = {
    "a scan": (source("scan"), f"{E1}/scans/3"),
    "an assessor": (source("assessor"), f"{E1}/assessors/A1/out"),
    "a subject's assessor": (source("assessor", subject_level=True), f"{S1}/experiments/A1"),
    "the session": (source("session"), E1),
}


@pytest.mark.parametrize("row", SOURCES)
def test_where_an_input_lies(row: str) -> None:
    """Each kind of source has its address, below which its resources are."""
    staged, uri = SOURCES[row]
    assert uri == source_uri(staged, an_entry())


def test_a_new_assessor() -> None:
    """Type, version, mark and the day in UTC; nobody has looked at it."""
    late = datetime(2024, 5, 6, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    expected = {
        "proctype": "Dti_v1",
        "procversion": "1.0",
        "inputs": "{}",
        "date": "2024-05-07",
        "validation/status": "Job Pending",
    }
    assert expected == birth_fields(proctype="Dti_v1", version="1.0", inputs="{}", at=late)
    assert expected["date"] == late.astimezone(UTC).date().isoformat()
