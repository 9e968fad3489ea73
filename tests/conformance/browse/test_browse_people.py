"""Who gets into the pages, by which way, and who sees what."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from support.archive import RunningArchive
from support.pages import page, role
from support.rest import Rest
from support.site import new_project_id

# -- the way in -------------------------------------------------------------------------------------


def test_front_page_knows_people(admin: Rest) -> None:
    """Who asks for HTML is sent to the pages; clients of XNAT still get what they look for."""
    person = admin.send("GET", "/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (302, "/browse/") == (person.status_code, person.headers["Location"])
    assert "Logged in as" in admin.get("/").text
    assert "/browse/" == admin.get("/browse").headers["Location"]


def test_login_leads_to_the_page(embedded: RunningArchive, session: str) -> None:
    """A page without a login is the form, which leads back to it; the cookie is no script's business."""
    wanted = f"{session}?x=1"
    with Rest(embedded.url) as client:
        asked = client.get(wanted)
        following = f"/browse/login?next={quote(quote(session), safe='/')}%3Fx%3D1"
        assert (303, following) == (asked.status_code, asked.headers["Location"])
        assert f'value="{session}?x=1"' in client.get(asked.headers["Location"]).text
        form = {"username": embedded.user, "password": embedded.password, "next": wanted}
        answer = client.send("POST", "/browse/login", data=form)
        cookie = next(part for part in answer.headers["Set-Cookie"].split(", ") if "JSESSIONID" in part)
        assert (303, wanted) == (answer.status_code, answer.headers["Location"])
        assert ["httponly", "samesite=lax"] == sorted(
            part.strip().lower()
            for part in cookie.split(";")
            if part.strip().lower() in {"httponly", "samesite=lax"}
        )
        assert "MR1" in page(client, session)


def test_wrong_password(embedded: RunningArchive) -> None:
    """A wrong password is told on the form, with the name still there and the password not."""
    with Rest(embedded.url) as client:
        form = {"username": 'nobody"><b>', "password": "secret words"}
        answer = client.send("POST", "/browse/login", data=form)
    assert 403 == answer.status_code
    assert "not a name and password" in answer.text
    assert 'value="nobody&#34;&gt;&lt;b&gt;"' in answer.text
    assert "secret words" not in answer.text
    assert "JSESSIONID" not in answer.headers.get("Set-Cookie", "")


@pytest.mark.parametrize(
    "following", ["https://evil.org/", "//evil.org/browse/", "/data/projects", "/browse//x"]
)
def test_login_leads_nowhere_else(embedded: RunningArchive, following: str) -> None:
    """A login never sends a browser to another host, or out of the pages."""
    form = {"username": embedded.user, "password": embedded.password, "next": following}
    with Rest(embedded.url) as client:
        assert "/browse/" == client.send("POST", "/browse/login", data=form).headers["Location"]


@pytest.mark.parametrize("what", ["login", "logout"])
def test_forms_of_other_sites_are_refused(embedded: RunningArchive, what: str) -> None:
    """Another site neither logs a person in nor out."""
    form = {"username": embedded.user, "password": embedded.password}
    with Rest(embedded.url) as client:
        for sent in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.org"}):
            answer = client.send("POST", f"/browse/{what}", data=form, headers=sent)
            assert 403 == answer.status_code
            assert "JSESSIONID" not in answer.headers.get("Set-Cookie", "")


def test_logout(bob: Rest) -> None:
    """After a logout the session is no more, also for who kept its cookie."""
    kept = bob.http.cookies["JSESSIONID"]
    assert 200 == bob.get("/browse/").status_code
    assert 303 == bob.send("POST", "/browse/logout").status_code
    with Rest(bob.url) as thief:
        again = thief.send("GET", "/browse/", headers={"Cookie": f"JSESSIONID={kept}"})
    assert [303, 303] == [bob.get("/browse/").status_code, again.status_code]


# -- who sees what ----------------------------------------------------------------------------------


def _all_pages(session: str, project: str) -> list[str]:
    task = f"{session}/assessors/T1"
    return [
        *(f"/browse/projects/{project}/subjects/S1", session, f"{session}/scans/2", task),
        *(f"{task}/resources/STATS", f"{task}/resources/STATS/files/stats.csv"),
        f"{session}/scans/2/resources/NIFTI",
    ]


@pytest.mark.parametrize("name", ["Owners", "Members", "Collaborators"])
def test_roles_see_all_pages(admin: Rest, bob: Rest, project: str, session: str, name: str) -> None:
    """Who has a role sees the project and everything below it; who has none sees that nothing is there."""
    pages = [f"/browse/projects/{project}", *_all_pages(session, project)]
    assert {404} == {bob.get(uri).status_code for uri in pages}
    assert project not in bob.get("/browse/").text
    role(admin, project, name, bob)
    assert {200} == {bob.get(uri).status_code for uri in pages}
    assert project in page(bob, "/browse/", q=project)


@pytest.mark.parametrize(
    ("accessibility", "outside", "inside"), [("protected", 200, 404), ("public", 200, 200)]
)
def test_accessibility(
    admin: Rest, bob: Rest, project: str, session: str, *, accessibility: str, outside: int, inside: int
) -> None:
    """A protected project shows that it is there and no more; a public one shows all."""
    admin.upload(f"/data/projects/{project}/resources/R", "a.txt", b"words").raise_for_status()
    admin.put(f"/data/projects/{project}/accessibility/{accessibility}").raise_for_status()
    shown = bob.get(f"/browse/projects/{project}")
    pages = [*_all_pages(session, project), f"/browse/projects/{project}/resources/R"]
    assert (outside, {inside}) == (shown.status_code, {bob.get(uri).status_code for uri in pages})
    assert (inside == 200) is ("MR1" in shown.text)
    assert 404 == bob.get(f"/browse/projects/{project}/resources/NONE").status_code


def test_role_is_taken_away(admin: Rest, bob: Rest, project: str, session: str) -> None:
    """A role that is taken away takes the pages with it, at once."""
    role(admin, project, "Members", bob)
    assert 200 == bob.get(session).status_code
    login = str(bob.http.headers["X-Login"])
    admin.delete(f"/data/projects/{project}/users/Members/{login}").raise_for_status()
    assert 404 == bob.get(session).status_code


def test_shared_session(admin: Rest, bob: Rest, project: str, session: str) -> None:
    """A session that is shared is seen through the other project, with its subject or without."""
    other = new_project_id()
    admin.put(f"/data/projects/{other}").raise_for_status()
    role(admin, other, "Collaborators", bob)
    data = session.replace("/browse/", "/data/")
    admin.put(f"{data}/projects/{other}", {"label": "THERE"}).raise_for_status()
    listed = page(bob, f"/browse/projects/{other}")
    link = re.search(r'href="(/browse/experiments/[^"]+)">THERE', listed)
    assert link is not None
    assert 200 == bob.get(link[1]).status_code
    assert "T1" in bob.get(link[1]).text
    admin.put(f"/data/projects/{project}/subjects/S1/projects/{other}").raise_for_status()
    moved = bob.get(link[1])
    assert (302, f"/browse/projects/{other}/subjects/") == (
        moved.status_code,
        moved.headers["Location"][: len(f"/browse/projects/{other}/subjects/")],
    )
    assert "THERE" in page(bob, moved.headers["Location"])
    assert "Also in" not in page(bob, moved.headers["Location"])
    admin.delete(f"/data/projects/{other}", {"removeFiles": "true"})
