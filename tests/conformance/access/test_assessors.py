"""Assessors as we write them and as they come back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.fill import Fill

from cci.errors import NotFound, Refused
from cci.model import Assessor
from cci.xnat import Archive, uris

TYPE = "proc:genProcData"


@pytest.fixture
def session(fill: Fill) -> str:
    fill.session("ASSESS", "S1", "MR1")
    return uris.session_in("ASSESS", "S1", "MR1")


def stored(archive: Archive, label: str) -> Assessor:
    project = archive.snapshot("ASSESS", now=datetime.now(UTC))
    return next(one for _, session in project.sessions() for one in session.assessors if one.label == label)


def test_create_and_update(archive: Archive, session: str, awkward: bool) -> None:
    """One PUT creates or updates, returns the same id, and touches only the fields it names."""
    label = f"A-{awkward}"
    uri = uris.assessor(session, label)
    first = archive.put_assessor(
        uri, TYPE, {"procstatus": "PRE_RUNNING", "proctype": "QA_v1", "note": "waits"}
    )
    second = archive.put_assessor(uri, TYPE, {"procstatus": "PRE_COMPLETE", "validation/status": "Good"})
    found = stored(archive, label)
    assert first == second == found.id
    assert (found.procstatus, found.proctype, found.qc_status) == ("PRE_COMPLETE", "QA_v1", "Good")
    assert found.note == "waits"


def test_by_accession_id(archive: Archive, session: str) -> None:
    """An assessor is updated by its accession id as by its label."""
    accession_id = archive.put_assessor(uris.assessor(session, "BYID"), TYPE, {})
    again = archive.put_assessor(uris.assessor(session, accession_id), TYPE, {"jobid": "7"})
    assert (accession_id, "7") == (again, stored(archive, "BYID").jobid)


def test_cleared_field(archive: Archive, session: str) -> None:
    """An empty value clears a field."""
    uri = uris.assessor(session, "CLEAR")
    archive.put_assessor(uri, TYPE, {"jobid": "42", "note": "n"})
    archive.put_assessor(uri, TYPE, {"jobid": "", "note": ""})
    found = stored(archive, "CLEAR")
    assert (found.jobid, found.note) == ("", "")


@pytest.mark.parametrize(
    "text",
    [
        'it\'s "a" & <b>',
        "&amp; &lt;",
        "ä–ö 東京",
        "a;b|c$(d)`e`",
        "1+1=2 100%",
        '{"t1": "/data/x"}',
        "tab\there",
    ],
)
def test_texts(text: str, archive: Archive, session: str) -> None:
    """Texts come back as they were written, though the archive escapes them."""
    archive.put_assessor(uris.assessor(session, "TEXTS"), TYPE, {"note": text, "inputs": text})
    found = stored(archive, "TEXTS")
    assert (found.note, found.inputs) == (text, text)


def test_long_inputs(archive: Archive, session: str) -> None:
    """Long values travel too, with all the other fields."""
    inputs = '{"files": "' + "x" * 8000 + '"}'
    archive.put_assessor(uris.assessor(session, "LONG"), TYPE, {"inputs": inputs, "procstatus": "COMPLETE"})
    found = stored(archive, "LONG")
    assert (found.inputs, found.procstatus) == (inputs, "COMPLETE")


@pytest.mark.usefixtures("session")
def test_subject_assessor(archive: Archive) -> None:
    """A subject-level assessor is made in one PUT as well."""
    uri = uris.subject_assessor("ASSESS", "S1", "SUBJ")
    accession_id = archive.put_assessor(uri, "proc:subjGenProcData", {"procstatus": "PRE_RUNNING"})
    (subject,) = archive.snapshot("ASSESS", now=datetime.now(UTC)).subjects
    assert [(accession_id, "PRE_RUNNING")] == [(one.id, one.procstatus) for one in subject.assessors]


def test_missing_session(archive: Archive) -> None:
    """An assessor of a session that is not there is not made."""
    with pytest.raises(NotFound):
        archive.put_assessor(uris.assessor(uris.session("XNAT_E99999"), "A"), TYPE, {})


def test_refused_value(archive: Archive, session: str) -> None:
    """A value that the type does not take is refused for good."""
    with pytest.raises(Refused):
        archive.put_assessor(uris.assessor(session, "BAD"), TYPE, {"jobstartdate": "not a date"})


def test_deleted_assessor(archive: Archive, session: str) -> None:
    """A deleted assessor is gone from the next snapshot."""
    uri = uris.assessor(session, "GONE")
    archive.put_assessor(uri, TYPE, {})
    archive.delete(uri)
    with pytest.raises(StopIteration):
        stored(archive, "GONE")
