"""An archive with one session to look at, and people who look. Only the embedded archive has these pages."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from support.archive import RunningArchive
from support.fill import Fill
from support.pages import PASSWORD, PNG
from support.rest import Rest
from support.site import Site


@pytest.fixture(scope="session")
def site(embedded: RunningArchive) -> Site:
    return Site(url=embedded.url, user=embedded.user, password=embedded.password, process=embedded)


@pytest.fixture
def admin(rest: Rest) -> Rest:
    return rest


@pytest.fixture
def session(fill: Fill, project: str) -> str:
    """The page of a session with a scan, a task with results, and a resource of each."""
    session = fill.session(project, "S1", "MR1", date="2020-01-02")
    scan = fill.scan(session, "2", type="DTI", quality="usable", frames="33")
    fill.files(scan, "NIFTI", {"dwi.nii.gz": b"n" * 5000})
    task = fill.assessor(session, "T1", procstatus="COMPLETE", proctype="DtiQa_v1")
    fill.files(f"{task}/out", "STATS", {"stats.csv": b"name,value\nfa,0.5\n"})
    fill.files(f"{task}/out", "PDF", {"report.pdf": b"%PDF-1.4\n"})
    fill.files(f"{task}/out", "SNAPSHOTS", {"thumbnail.png": PNG, "large.png": PNG})
    return session.replace("/data/", "/browse/")


@pytest.fixture
def bob(embedded: RunningArchive, admin: Rest) -> Iterator[Rest]:
    """A user without any role, logged in with the form."""
    login = f"u{uuid.uuid4().hex[:10]}"
    account = {"username": login, "password": PASSWORD, "email": "bob@example.org"}
    admin.http.post(f"{admin.url}/xapi/users", json=account, timeout=60).raise_for_status()
    with Rest(embedded.url) as client:
        form = {"username": login, "password": PASSWORD}
        assert 303 == client.send("POST", "/browse/login", data=form).status_code
        # kept for `role`, not sent
        client.http.headers["X-Login"] = login
        yield client
