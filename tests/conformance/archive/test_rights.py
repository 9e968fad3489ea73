"""Who may see and change what, and how a refusal looks (XNAT REST reference, section 1.5).

Only on the embedded archive: accounts that a test makes on a real XNAT could not be removed again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.archive import RunningArchive
from support.fill import Fill
from support.rest import Rest
from support.site import new_project_id

PASSWORD = "a password for tests"


@pytest.fixture
def admin(embedded: RunningArchive) -> Iterator[Rest]:
    with Rest(embedded.url, embedded.auth) as client:
        yield client


@pytest.fixture
def place(embedded: RunningArchive) -> str:
    """A private project with a session, a task and a resource; its id."""
    project = new_project_id()
    with Fill(embedded.url, embedded.auth) as fill:
        session = fill.session(project, "S1", "MR1")
        fill.assessor(session, "T1")
        fill.files(session, "R", {"a.txt": b"a"})
    return project


@pytest.fixture
def bob(embedded: RunningArchive, admin: Rest, place: str) -> Iterator[Rest]:
    """A client of a user without any role."""
    login = f"bob{place.lower()}"
    account = {"username": login, "password": PASSWORD, "email": "bob@example.org", "enabled": True}
    answer = admin.http.post(f"{embedded.url}/xapi/users", json=account, timeout=60)
    assert 201 == answer.status_code, answer.text
    with Rest(embedded.url, (login, PASSWORD)) as client:
        yield client


def give_role(admin: Rest, project: str, role: str, client: Rest) -> None:
    """Give the client's user a role in the project."""
    assert isinstance(client.http.auth, tuple)
    admin.put(f"/data/projects/{project}/users/{role}/{client.http.auth[0]}").raise_for_status()


SESSION = "/data/projects/{p}/subjects/S1/experiments/MR1"
PRIVATE = [
    "/data/projects/{p}",
    "/data/projects/{p}/subjects/S1",
    SESSION,
    f"{SESSION}/assessors/T1",
    f"{SESSION}/resources/R/files/a.txt",
]


@pytest.mark.parametrize("uri", PRIVATE)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_private_looks_missing(bob: Rest, place: str, method: str, uri: str) -> None:
    """What a user may not read is 404, to be deleted as well; a project is then 400, like an unknown one."""
    expected = 400 if (method, uri) == ("DELETE", PRIVATE[0]) else 404
    assert expected == bob.send(method, uri.format(p=place)).status_code


def test_private_is_not_listed(bob: Rest, place: str) -> None:
    """Lists leave out what the user may not read."""
    assert place not in {row["ID"] for row in bob.rows("/data/projects")}
    assert [] == bob.rows("/data/experiments", {"project": place})
    assert [] == bob.rows("/data/subjects", {"project": place})


@pytest.mark.parametrize(("project", "status"), [("{p}", 403), ("NOSUCHPROJECT", 404)])
def test_sessions_of_a_private_project(bob: Rest, place: str, project: str, status: int) -> None:
    """The sessions of a project that may not be read are 403, of an unknown one 404."""
    assert status == bob.get(f"/data/projects/{project.format(p=place)}/experiments").status_code


@pytest.mark.parametrize(
    ("role", "read", "write", "delete"),
    [("Collaborators", 200, 403, 403), ("Members", 200, 200, 403), ("Owners", 200, 200, 200)],
)
def test_roles(admin: Rest, bob: Rest, place: str, *, role: str, read: int, write: int, delete: int) -> None:
    """Collaborators read, members also write, owners also delete; a refusal is 403 and says why."""
    give_role(admin, place, role, bob)
    uri = SESSION.format(p=place)
    statuses = (
        bob.get(uri, {"format": "json"}).status_code,
        bob.put(uri, {"xsiType": "xnat:mrSessionData", "note": "n"}).status_code,
        (deleted := bob.delete(uri)).status_code,
    )
    assert (read, write, delete) == statuses
    assert delete != 403 or "privileges" in deleted.text


@pytest.mark.parametrize(("role", "own"), [("Collaborators", 403), ("Members", 403), ("Owners", 200)])
def test_project_is_its_owners(admin: Rest, bob: Rest, place: str, *, role: str, own: int) -> None:
    """A project's own fields, its resources and the list of its users are for its owners."""
    give_role(admin, place, role, bob)
    uri = f"/data/projects/{place}"
    statuses = [
        bob.put(uri, {"description": "d"}).status_code,
        bob.put(f"{uri}/resources/NEW").status_code,
        bob.upload(f"{uri}/resources/R", "a.txt", b"a").status_code,
        bob.get(f"{uri}/users").status_code,
        bob.put(f"{uri}/accessibility/public").status_code,
    ]
    assert [own] * 5 == statuses


@pytest.mark.parametrize(("role", "status"), [("Collaborators", 403), ("Members", 201), ("Owners", 201)])
def test_who_adds(admin: Rest, bob: Rest, place: str, *, role: str, status: int) -> None:
    """Members add subjects and sessions, collaborators nothing."""
    give_role(admin, place, role, bob)
    uri = f"/data/projects/{place}/subjects/NEW"
    answers = [bob.put(uri), bob.put(f"{uri}/experiments/NEW", {"xsiType": "xnat:mrSessionData"})]
    assert [status] * 2 == [answer.status_code for answer in answers]


def test_users_are_in_order(admin: Rest, bob: Rest, place: str) -> None:
    """The users of a project are listed with its owners first."""
    give_role(admin, place, "Collaborators", bob)
    rows = admin.rows(f"/data/projects/{place}/users")
    assert ["Owners", "Collaborators"] == [row["displayname"] for row in rows]


def test_id_of_a_private_project(bob: Rest, place: str) -> None:
    """A project that a user may not read has its id nevertheless; to be deleted it is not known."""
    statuses = [
        bob.put(f"/data/projects/{place}").status_code,
        bob.delete(f"/data/projects/{place}").status_code,
    ]
    assert [403, 400] == statuses
    assert 400 == bob.delete("/data/projects/NOSUCHPROJECT").status_code


def test_role_is_taken_away(admin: Rest, bob: Rest, place: str) -> None:
    """Without the role the project is unseen again."""
    give_role(admin, place, "Members", bob)
    assert isinstance(bob.http.auth, tuple)
    assert [bob.http.auth[0]] == [
        row["login"] for row in admin.rows(f"/data/projects/{place}/users") if row["displayname"] == "Members"
    ]
    admin.delete(f"/data/projects/{place}/users/Members/{bob.http.auth[0]}").raise_for_status()
    assert 404 == bob.get(SESSION.format(p=place), {"format": "json"}).status_code


@pytest.mark.parametrize(
    ("accessibility", "project", "session"),
    [("private", 404, 404), ("protected", 200, 404), ("public", 200, 200)],
)
def test_accessibility(
    admin: Rest, bob: Rest, place: str, *, accessibility: str, project: int, session: int
) -> None:
    """A protected project can be seen and its data not; a public one can be read by every user."""
    admin.put(f"/data/projects/{place}/accessibility/{accessibility}").raise_for_status()
    assert accessibility == admin.get(f"/data/projects/{place}/accessibility").text.strip()
    statuses = (
        bob.get(f"/data/projects/{place}", {"format": "json"}).status_code,
        bob.get(SESSION.format(p=place), {"format": "json"}).status_code,
    )
    assert (project, session) == statuses


@pytest.mark.parametrize("what", ["subjects", "experiments", "resources", "files", "resources/R/files/a.txt"])
def test_protected_holds_nothing_for_strangers(admin: Rest, bob: Rest, place: str, what: str) -> None:
    """That a protected project is there says nothing of what it holds, until a role does."""
    uri = f"/data/projects/{place}"
    admin.upload(f"{uri}/resources/R", "a.txt", b"a").raise_for_status()
    admin.put(f"{uri}/accessibility/protected").raise_for_status()
    assert (200, 403) == (bob.get(uri).status_code, bob.get(f"{uri}/{what}").status_code)
    give_role(admin, place, "Collaborators", bob)
    assert 200 == bob.get(f"{uri}/{what}").status_code


def test_stranger_cannot_make_users(embedded: RunningArchive, bob: Rest) -> None:
    """Only the administrator makes users."""
    account = {"username": "eve", "password": PASSWORD, "email": "eve@example.org"}
    assert 403 == bob.http.post(f"{embedded.url}/xapi/users", json=account, timeout=60).status_code


@pytest.mark.parametrize("uri", ["/cci/requests"])
def test_counters_are_for_the_administrator(bob: Rest, uri: str) -> None:
    """The request counters are for the administrator alone."""
    assert bob.get(uri).status_code in {403, 404}
