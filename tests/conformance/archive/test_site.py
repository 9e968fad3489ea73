"""What belongs to the site: tokens, sessions, access. It makes accounts: only on the embedded archive."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from support.archive import RunningArchive
from support.fill import Fill
from support.rest import Rest
from support.site import new_project_id

PASSWORD = "a password for tests"
#: A client that calls itself a browser.
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}


@pytest.fixture
def admin(embedded: RunningArchive) -> Iterator[Rest]:
    with Rest(embedded.url, embedded.auth) as client:
        yield client


@pytest.fixture
def login(admin: Rest) -> str:
    """The name of a new user."""
    name = f"u{uuid.uuid4().hex[:10]}"
    account = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
    admin.http.post(f"{admin.url}/xapi/users", json=account, timeout=60).raise_for_status()
    return name


@pytest.fixture
def user(embedded: RunningArchive, login: str) -> Iterator[Rest]:
    """A client of the new user."""
    with Rest(embedded.url, (login, PASSWORD)) as client:
        yield client


def test_token_of_another_user(admin: Rest, user: Rest, login: str) -> None:
    """Administrators issue tokens for others, nobody else does."""
    token = admin.get(f"/data/services/tokens/issue/user/{login}").json()
    with Rest(admin.url, (token["alias"], token["secret"])) as client:
        assert f"User '{login}' is logged in" == client.get("/data/auth").text
    assert 403 == user.get("/data/services/tokens/issue/user/admin").status_code


def test_tokens_are_shown_until_they_are_invalid(user: Rest) -> None:
    """A user sees tokens of their own, and takes them out of use."""
    alias = user.get("/data/services/tokens/issue").json()["alias"]
    shown = [token["alias"] for token in user.get("/data/services/tokens/show").json()]
    answer = user.get(f"/data/services/tokens/invalidate/{alias}").json()
    assert ([alias], {"result": "OK"}) == (shown, answer)
    assert [] == user.get("/data/services/tokens/show").json()


def test_uptime(user: Rest) -> None:
    """The time since the start is told."""
    assert {"Days", "Hours", "Minutes", "Seconds"} == set(user.get("/xapi/siteConfig/uptime").json())


def test_sessions_are_ended(admin: Rest, user: Rest, login: str) -> None:
    """An administrator ends all sessions of a user, who cannot do so to others."""
    session = user.get("/data/JSESSION").text
    assert 403 == user.delete("/xapi/users/active/admin").status_code
    assert session in admin.delete(f"/xapi/users/active/{login}").json()
    with Rest(admin.url) as nobody:
        answer = nobody.send("GET", "/data/auth", headers={"Cookie": f"JSESSIONID={session}"})
    assert 401 == answer.status_code


def test_own_projects(user: Rest) -> None:
    """The projects of a user come with the role."""
    project = new_project_id()
    user.put(f"/data/projects/{project}").raise_for_status()
    assert [{"ID": project, "role": "Owners"}] == user.get("/xapi/access/projects").json()


def test_browser_is_asked_to_log_in(admin: Rest) -> None:
    """A browser gets a page to log in on, other clients 401."""
    with Rest(admin.url) as nobody:
        page = nobody.send("GET", "/data/projects", headers=BROWSER)
        plain = nobody.get("/data/projects")
    assert (200, 401) == (page.status_code, plain.status_code)
    assert 'type="password"' in page.text


def test_csrf_token_is_given(admin: Rest) -> None:
    """A token against forged requests is given to who asks, and demanded of nobody."""
    assert "; XNAT_CSRF=" in admin.get("/data/JSESSION", {"CSRF": "true"}).text
    project = new_project_id()
    assert 200 == admin.send("PUT", f"/data/projects/{project}", headers=BROWSER).status_code


@pytest.mark.parametrize("prefix", ["/data", "/data/archive"])
def test_scan_types_and_scanners(admin: Rest, user: Rest, prefix: str) -> None:
    """The types of scans and the scanners are told to those who may see the scans."""
    project = new_project_id()
    kind = f"T{project}"
    with Fill(admin.url, (admin.http.auth[0], admin.http.auth[1])) as fill:  # type: ignore[index]  # a pair
        session = fill.session(project, "S", "E", scanner=f"M{project}")
        fill.scan(session, "1", type=kind)
    seen = [
        kind in {row["type"] for row in admin.rows(f"{prefix}/scan_types")},
        f"M{project}" in {row["scanner"] for row in admin.rows(f"{prefix}/scanners")},
    ]
    assert [True, True] == seen
    assert [] == user.rows(f"{prefix}/scan_types") + user.rows(f"{prefix}/scanners")


def test_settings(user: Rest) -> None:
    """Settings of the site that clients ask for; an unknown one is 404, and none is changed."""
    settings = user.get("/xapi/siteConfig").json()
    assert ("XNAT", "15 minutes", True) == (
        settings["siteId"],
        settings["sessionTimeout"],
        user.get("/xapi/siteConfig/checksums").json(),
    )
    assert (404, 405) == (
        user.get("/xapi/siteConfig/nothing").status_code,
        user.send("POST", "/xapi/siteConfig", data="{}").status_code,
    )


def test_no_plugins(user: Rest) -> None:
    """There are no plugins, under the spelling of xnatpy too."""
    answer = user.http.get(f"{user.url}/xapi/plugins/", timeout=60)
    assert (200, {}) == (answer.status_code, answer.json())


@pytest.mark.parametrize("operations", ["", "/append,checksum"])
def test_refresh_by_a_list(user: Rest, operations: str) -> None:
    """Catalogs are refreshed by a list of paths; one that names nothing is 404, no list 400."""
    project = new_project_id()
    user.put(f"/data/projects/{project}").raise_for_status()
    uri = f"/xapi/archive/catalogs/refresh{operations}"
    bodies = [f'["/archive/projects/{project}"]', '["/archive/projects/nothing"]', "{}"]
    assert [200, 404, 400] == [user.put(uri, data=body).status_code for body in bodies]


def test_own_account(admin: Rest, user: Rest, login: str) -> None:
    """Users see and change their own account, and nobody else's; a new password holds at once."""
    assert login == user.get("/xapi/users/username").text
    user.put("/xapi/users/current", data='{"firstName": "Ada", "password": "another one"}').raise_for_status()
    assert 401 == user.get("/xapi/users/current").status_code
    with Rest(user.url, (login, "another one")) as again:
        account = again.get(f"/xapi/users/{login}").json()
        refused = again.get("/xapi/users/admin").status_code
    assert (login, "Ada", f"{login}@example.org") == (
        account["username"],
        account["firstName"],
        account["email"],
    )
    assert (403, 404) == (refused, admin.get("/xapi/users/nobody").status_code)


def test_account_is_not_disabled(admin: Rest, login: str) -> None:
    """Who asks for an account to be closed is told that it is not."""
    uri = f"/xapi/users/{login}"
    statuses = [admin.put(uri, data=body).status_code for body in ('{"enabled": false}', '{"enabled": true}')]
    assert ([400, 200], True) == (statuses, admin.get(uri).json()["enabled"])


@pytest.mark.parametrize("place", ["/xapi/events", "/xapi/projects/{project}/events"])
def test_events(admin: Rest, user: Rest, place: str) -> None:
    """The event service says that it is switched off, to administrators and owners; others are refused."""
    project = new_project_id()
    admin.put(f"/data/projects/{project}").raise_for_status()
    base = place.format(project=project)
    types = {event["type"].rpartition(".")[2] for event in admin.get(f"{base}/events").json()}
    assert {"SessionEvent", "ResourceEvent"} <= types
    assert ({"enabled": False}, [], 0) == (
        admin.get(f"{base}/prefs").json(),
        admin.send("POST", f"{base}/delivered", data="{}").json(),
        admin.get(f"{base}/delivered/count").json(),
    )
    assert (424, 405) == (
        admin.send("POST", f"{base}/subscription", data="{}").status_code,
        admin.put(f"{base}/prefs", data='{"enabled": true}').status_code,
    )
    assert user.get(f"{base}/events").status_code in {403, 404}


def test_lists_of_a_project(admin: Rest) -> None:
    """A project tells the types of its scans, its scanners, its protocols and its saved searches."""
    project, other = new_project_id(), new_project_id()
    with Fill(admin.url, (admin.http.auth[0], admin.http.auth[1])) as fill:  # type: ignore[index]  # a pair
        for each in (project, other):
            session = fill.session(each, "S", "E", scanner=f"M{each}")
            fill.scan(session, "1", type=f"T{each}")
    uri = f"/data/projects/{project}"
    document = (
        f'<xnat:Project xmlns:xnat="http://nrg.wustl.edu/xnat" ID="{project}">'
        '<xnat:studyProtocol data-type="xnat:subjectData"/></xnat:Project>'
    )
    admin.send("PUT", uri, data=document, headers={"Content-Type": "text/xml"}).raise_for_status()
    assert [f"T{project}"] == [row["type"] for row in admin.rows(f"{uri}/scan_types")]
    assert [f"M{project}"] == [row["scanner"] for row in admin.rows(f"{uri}/scanners")]
    assert ["Subjects"] == [row["name"] for row in admin.rows(f"{uri}/protocols")]
    assert [] == admin.rows(f"{uri}/searches")
    assert 404 == admin.get(f"{uri}X/scan_types").status_code


@pytest.fixture
def others(embedded: RunningArchive, admin: Rest) -> Iterator[Rest]:
    """A client of another new user."""
    name = f"o{uuid.uuid4().hex[:10]}"
    account = {"username": name, "password": PASSWORD}
    admin.http.post(f"{admin.url}/xapi/users", json=account, timeout=60).raise_for_status()
    with Rest(embedded.url, (name, PASSWORD)) as client:
        yield client


def test_cached_result_is_its_owners(user: Rest, others: Rest) -> None:
    """Only who had a result kept reads its pages."""
    asked = {"cache": "true", "format": "json"}
    name = user.send("POST", "/data/search", asked, data=_search()).json()["ResultSet"]["ID"]
    assert (200, 403) == tuple(client.get(f"/data/search/{name}").status_code for client in (user, others))


@pytest.mark.parametrize("sharing", ["private", "named", "public"])
def test_saved_search_is_shared(user: Rest, others: Rest, login: str, *, sharing: str) -> None:
    """A search is saved for oneself, for those whom it names, or for all; only its owner deletes it."""
    name, other = f"s{uuid.uuid4().hex}", str(others.get("/xapi/users/username").text)
    body = _search({"private": login, "named": other, "public": ""}[sharing], name)
    uri = f"/data/search/saved/{name}"
    user.put(uri, data=body).raise_for_status()
    seen = [(name, "what it finds")] if sharing != "private" else []
    assert seen == [
        (row["brief_description"], row["description"])
        for row in others.rows("/data/search/saved")
        if row["id"] == name
    ]
    status = 200 if seen else 404
    assert (status, status) == (others.get(uri).status_code, others.get(f"{uri}/results").status_code)
    assert (403 if seen else 404, 403) == (
        others.delete(uri).status_code,
        others.put(uri, data=body).status_code,
    )
    assert 200 == user.delete(uri).status_code


def _search(allowed: str = "", name: str = "") -> str:
    users = f"<xdat:allowed_user><xdat:login>{allowed}</xdat:login></xdat:allowed_user>" if allowed else ""
    return (
        f'<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" brief-description="{name}" '
        'description="what it finds" secure="false">'
        f"<xdat:root_element_name>xnat:subjectData</xdat:root_element_name>{users}</xdat:bundle>"
    )


@pytest.mark.parametrize(
    "address",
    [
        *("/data/auth/", "/data/users/", "/data/search/elements/", "/data/search/elements/proc:genProcData/"),
        *("/data/prearchive/projects/", "/data/projects/", "/REST/projects/", "/xapi/users/"),
        *("/xapi/siteConfig/buildInfo/", "/xapi/schemas/", "/xapi/schemas/xnat/"),
    ],
)
def test_slash_behind(user: Rest, address: str) -> None:
    """A slash behind an address changes nothing."""
    plain = user.get(address.rstrip("/"))
    answer = user.get(address)
    assert (200, plain.content) == (answer.status_code, answer.content)
