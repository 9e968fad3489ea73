"""A further look at a known project finds what a look at the whole would find, for a request each change."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.archive import RunningArchive
from support.fill import Fill

from cci.errors import ArchiveError
from cci.xnat import Archive, Known, Scope, Unclear, uris

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NO_SUBJECTS = Scope(subject_assessors=())


@pytest.fixture
def project(fill: Fill) -> str:
    """A project with three sessions, each with a scan, an assessor, and some files."""
    name = f"R{secrets.token_hex(4)}"
    for number in range(3):
        add_session(fill, name, number)
    return name


def add_session(fill: Fill, project: str, number: int, xsi_type: str = "xnat:mrSessionData") -> str:
    """Add a session with some of everything to a subject of its own."""
    session = fill.session(project, f"{project}_S{number}", f"{project}_E{number}", xsi_type=xsi_type)
    scan = fill.scan(session, "1", type="T1 & T2", quality="usable", frames="176", note='a "b"')
    fill.files(scan, "NIFTI", {"t1.nii.gz": b"1234"})
    fill.files(session, "NOTES", {"a": b"123"})
    values = {"procstatus": "COMPLETE", "proctype": "QA_v1", "inputs": '{"t1": "x"}', "jobid": "42"}
    assessor = fill.assessor(session, f"{project}-QA-{number}", **values, **{"validation/status": "Needs QA"})
    fill.files(f"{assessor}/out", "PDF", {"r.pdf": b"12345"})
    return session


def settled(known: Known) -> Known:
    """Return what is known as if all of it had been old when it was read."""
    return replace(known, young=frozenset())


def look(archive: Archive, project: str) -> Known:
    """Look at the whole, and forget that everything is young."""
    known = archive.look(project, now=NOW)
    archive.check(known)
    return settled(known)


def uri_of(known: Known, label: str) -> str:
    """Return the address of a session."""
    return next(uris.session(one.id) for _, one in known.project.sessions() if one.label == label)


def cost(archive: Archive, known: Known) -> tuple[int, Known]:
    """Refresh, and return the requests that it took."""
    before = archive.requests
    found = archive.refresh(known, now=NOW, scope=NO_SUBJECTS)
    return archive.requests - before, found


def test_nothing_changed(archive: Archive, project: str) -> None:
    """Where nothing changed it costs one request, and one for the session type, and finds the same."""
    known = look(archive, project)
    asked, found = cost(archive, known)
    assert (2, frozenset(), known.project) == (asked, found.read, found.project)


def test_changed_sessions(archive: Archive, project: str, fill: Fill) -> None:
    """Each changed session and each new one costs a further request, also where its subject is new."""
    known = look(archive, project)
    fill.scan(uri_of(known, f"{project}_E1"), "2", type="dwi")
    add_session(fill, project, 7)
    asked, found = cost(archive, known)
    assert (1 + 1 + 2, 2) == (asked, len(found.read))
    assert archive.snapshot(project, now=NOW) == found.project


def test_young_sessions_are_read_again(archive: Archive, project: str, fill: Fill) -> None:
    """What changed just now is read once more the next time: the same stamp may be given to more changes."""
    fill.scan(uri_of(look(archive, project), f"{project}_E1"), "2", type="dwi")
    known = archive.look(project, now=NOW)
    young = uri_of(known, f"{project}_E1").rpartition("/")[2]
    assert young in known.young
    found = archive.refresh(known, now=NOW)
    assert young in found.read


CHANGES = {
    "scan": lambda fill, uri: fill.scan(uri, "2", type="dwi"),
    "quality": lambda fill, uri: fill.scan(uri, "1", quality="unusable"),
    "file": lambda fill, uri: fill.files(
        fill.scan(uri, "1", type="T1"), "NIFTI", {secrets.token_hex(2): b"1"}
    ),
    "resource": lambda fill, uri: fill.files(uri, secrets.token_hex(2), {"a": b"1"}),
    "assessor": lambda fill, uri: fill.assessor(uri, secrets.token_hex(4), proctype="X_v1"),
    "scan deleted": lambda fill, uri: fill.http.delete(f"{fill.url}{uri}/scans/1"),
    "renamed": lambda fill, uri: fill.put(uri, {"label": secrets.token_hex(4)}),
    "date": lambda fill, uri: fill.put(uri, {"xnat:mrSessionData/date": "2021-02-03"}),
}


@pytest.mark.parametrize("seed", range(4))
def test_same_as_the_whole(seed: int, kind_archive: Archive, project: str, fill: Fill) -> None:
    """After any changes, in any order, a further look finds what a look at the whole finds."""
    chance = random.Random(seed)
    known = look(kind_archive, project)
    for number in range(6):
        for _ in range(chance.randint(0, 2)):
            session = chance.choice([one for _, one in known.project.sessions()])
            CHANGES[chance.choice(sorted(CHANGES))](fill, uris.session(session.id))
        if chance.random() < 0.3:
            add_session(fill, project, 100 + number)
        if chance.random() < 0.3:
            subject = chance.choice(known.project.subjects)
            fill.put(uris.subject(project, subject.id), {"gender": chance.choice(["male", "female"])})
        known = settled(kind_archive.refresh(known, now=NOW))
        assert kind_archive.snapshot(project, now=NOW) == known.project


def test_assessor_of_a_subject(kind_archive: Archive, project: str, fill: Fill) -> None:
    """Subjects' assessors are read where they are wanted, and else kept as they were."""
    kind = "proc:subjGenProcData"
    uri = f"{uris.subject(project, f'{project}_S0')}/experiments/SA"
    fill.put(uri, {"xsiType": kind, f"{kind}/proctype": "L_v1"})
    known = look(kind_archive, project)
    fill.put(uri, {"xsiType": kind, f"{kind}/procstatus": "COMPLETE"})
    without = kind_archive.refresh(known, now=NOW, scope=NO_SUBJECTS)
    found = kind_archive.refresh(known, now=NOW)
    assert known.project == without.project
    assert kind_archive.snapshot(project, now=NOW) == found.project != known.project


def test_type_that_was_not_there(kind_archive: Archive, project: str, fill: Fill) -> None:
    """A session of a new type is a reason to look at the whole."""
    known = look(kind_archive, project)
    fill.session(project, f"{project}_S0", "PET", xsi_type="xnat:petSessionData")
    with pytest.raises(Unclear, match="new type: xnat:petSessionData"):
        kind_archive.refresh(known, now=NOW)


def test_deleted_session(kind_archive: Archive, project: str, fill: Fill) -> None:
    """So is a session that is gone."""
    known = look(kind_archive, project)
    fill.http.delete(f"{fill.url}{uri_of(known, f'{project}_E1')}").raise_for_status()
    with pytest.raises(Unclear, match="1 session is no longer listed"):
        kind_archive.refresh(known, now=NOW)


def test_shared_session(kind_archive: Archive, project: str, fill: Fill) -> None:
    """A session that is newly shared into the project is a reason too; one that was shared can change."""
    guest = f"{project}G"
    add_session(fill, guest, 0)
    known = look(kind_archive, guest)
    subject = f"{uris.subject(project, f'{project}_S0')}"
    fill.put(f"{subject}/projects/{guest}", {"label": "shared_subject"})
    fill.put(f"{subject}/experiments/{project}_E0/projects/{guest}", {"label": "shared_session"})
    with pytest.raises(Unclear, match="another project owns"):
        kind_archive.refresh(known, now=NOW)
    known = look(kind_archive, guest)
    fill.scan(uri_of(known, "shared_session"), "2", type="dwi")
    found = kind_archive.refresh(known, now=NOW)
    assert kind_archive.snapshot(guest, now=NOW) == found.project
    assert 1 == len(found.read)


def test_read_again(kind_archive: Archive, project: str, fill: Fill) -> None:
    """A session can be read again whatever its stamp says; the others stay as they were."""
    known = look(kind_archive, project)
    fill.scan(uri_of(known, f"{project}_E0"), "2", type="dwi")
    fill.scan(uri_of(known, f"{project}_E1"), "2", type="dwi")
    first = uri_of(known, f"{project}_E0").rpartition("/")[2]
    found = kind_archive.reread(known, [first], now=NOW)
    assert {f"{project}_E0": 2, f"{project}_E1": 1, f"{project}_E2": 1} == {
        session.label: len(session.scans) for _, session in found.project.sessions()
    }


def test_documents_that_tell_something_else(kind_archive: Archive, project: str) -> None:
    """An archive whose documents differ from its listings is not asked for single sessions."""
    known = look(kind_archive, project)
    images = {key: replace(image, scans=()) for key, image in known.parts.images.items()}
    with pytest.raises(Unclear, match="the images of session"):
        kind_archive.check(replace(known, parts=replace(known.parts, images=images)))


PLACES = {
    "subjects": "GET /data/projects/{project}/subjects",
    "stamps": "GET /data/projects/{project}/experiments.*mrsessiondata",
    "documents": "GET /data/experiments/",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", ["503", "login-page", "reset", "truncate", "half-listing", "empty"])
def test_outage_is_no_answer(
    place: str, fault: str, server: RunningArchive, connect: Callable[..., Archive], project: str
) -> None:
    """Whatever is wrong with an answer ends the look, and is never taken for a change."""
    archive = connect()
    known = look(archive, project)
    known = replace(known, young=known.read)
    server.fault(match=PLACES[place].format(project=project), fault=fault)
    with pytest.raises(ArchiveError):
        archive.refresh(known, now=NOW)
