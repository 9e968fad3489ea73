"""Logging in, sessions and server identity (XNAT REST reference, section 1)."""

from __future__ import annotations

import re

import pytest
import requests
from support.rest import Rest
from support.site import Site

SESSION_ID = re.compile(r"[0-9A-F]{32}")


@pytest.fixture
def nobody(site: Site) -> Rest:
    return Rest(site.url)


def test_basic_gives_a_session(rest: Rest) -> None:
    """GET /data/JSESSION with Basic answers with the session id as text and sets it as cookie."""
    answer = rest.get("/data/JSESSION")
    assert (200, answer.cookies["JSESSIONID"]) == (answer.status_code, answer.text.strip())
    assert SESSION_ID.fullmatch(answer.text.strip())


def test_post_gives_a_session(rest: Rest) -> None:
    """POST /data/JSESSION logs in as GET does."""
    answer = rest.send("POST", "/data/JSESSION")
    assert (200, True) == (answer.status_code, bool(SESSION_ID.fullmatch(answer.text.strip())))


def test_session_alone_is_enough(site: Site, rest: Rest) -> None:
    """A session id as cookie, without Basic, is served."""
    session_id = rest.get("/data/JSESSION").text.strip()
    answer = requests.get(f"{site.url}/data/projects", cookies={"JSESSIONID": session_id}, timeout=60)
    assert 200 == answer.status_code


def test_basic_reuses_the_session(rest: Rest) -> None:
    """Basic together with a cookie goes on with that session and makes no other."""
    first = rest.get("/data/JSESSION").text
    assert first == rest.get("/data/JSESSION").text


def test_logout_ends_the_session(site: Site, rest: Rest) -> None:
    """After DELETE /data/JSESSION the session id is worth nothing."""
    session_id = rest.get("/data/JSESSION").text.strip()
    assert 200 == rest.delete("/data/JSESSION").status_code
    answer = requests.get(f"{site.url}/data/projects", cookies={"JSESSIONID": session_id}, timeout=60)
    assert 401 == answer.status_code


@pytest.mark.parametrize(
    "uri", ["/data/JSESSION", "/data/projects", "/data/experiments/NONE", "/xapi/schemas"]
)
def test_wrong_password(site: Site, uri: str) -> None:
    """Wrong credentials are refused with 401 at every URI."""
    with Rest(site.url, (site.user, "certainly wrong")) as client:
        assert 401 == client.get(uri).status_code


@pytest.mark.parametrize("uri", ["/data/JSESSION", "/data/projects", "/data/auth"])
def test_no_credentials(nobody: Rest, uri: str) -> None:
    """A closed site refuses those who do not log in with 401 and asks for Basic."""
    answer = nobody.get(uri)
    assert 401 == answer.status_code
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_expiry_cookie_on_every_answer(rest: Rest) -> None:
    """Every answer carries SESSION_EXPIRATION_TIME with quoted milliseconds: now, and the longest pause."""
    for uri in ("/data/JSESSION", "/data/projects", "/data/projects/NOSUCHPROJECT"):
        cookie = rest.get(uri).headers["Set-Cookie"]
        assert re.search(r'SESSION_EXPIRATION_TIME="\d+,\d+"', cookie), (uri, cookie)


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_form_login(site: Site, nobody: Rest, method: str) -> None:
    """PUT or POST /data/services/auth with a form answers with a session id that is served."""
    form = {"username": site.user, "password": site.password}
    answer = nobody.send(method, "/data/services/auth", data=form)
    assert (200, True) == (answer.status_code, bool(SESSION_ID.fullmatch(answer.text.strip())))
    assert 200 == nobody.get("/data/projects").status_code


def test_form_login_refused(site: Site, nobody: Rest) -> None:
    """A form with a wrong password is answered with 401."""
    form = {"username": site.user, "password": "certainly wrong"}
    assert 401 == nobody.send("PUT", "/data/services/auth", data=form).status_code


def test_form_login_is_no_page(nobody: Rest) -> None:
    """GET of the address that takes the form is not allowed."""
    assert 405 == nobody.get("/data/services/auth").status_code


def test_logout_of_pages(site: Site) -> None:
    """XNAT's own address for logging out ends the session and leads to the front page."""
    with Rest(site.url, site.auth) as client:
        session_id = client.get("/data/JSESSION").text.strip()
        assert 302 == client.get("/app/action/LogoutUser").status_code
    answer = requests.get(f"{site.url}/data/projects", cookies={"JSESSIONID": session_id}, timeout=60)
    assert 401 == answer.status_code


def test_auth_names_the_user(site: Site, rest: Rest) -> None:
    """GET /data/auth names the user in the sentence that clients search for."""
    answer = rest.get("/data/auth")
    assert (200, f"User '{site.user}' is logged in") == (answer.status_code, answer.text.strip())


def test_no_version(rest: Rest) -> None:
    """GET /data/version is 404, or clients take the archive for XNAT 1.6."""
    assert 404 == rest.get("/data/version").status_code


def test_build_info(rest: Rest) -> None:
    """The build information names a version that clients know."""
    assert rest.get("/xapi/siteConfig/buildInfo").json()["version"].startswith(("1.7", "1.8", "1.9"))


def test_front_page(nobody: Rest, rest: Rest) -> None:
    """The front page answers those who are logged in, and names them in the mark that xnatpy looks for."""
    answer = rest.get("/")
    assert 200 == answer.status_code
    assert '<span id="user_info">Logged in as: ' in answer.text
    assert nobody.get("/").status_code in {200, 302}


def test_alias_token(site: Site, rest: Rest) -> None:
    """An alias token logs in as Basic does until it is made invalid."""
    token = rest.get("/data/services/tokens/issue").json()
    pair = (token["alias"], token["secret"])
    validate = f"/data/services/tokens/validate/{pair[0]}/{pair[1]}"
    assert {"valid": site.user} == rest.get(validate).json()
    with Rest(site.url, pair) as client:
        assert f"User '{site.user}' is logged in" == client.get("/data/auth").text.strip()
    rest.get(f"/data/services/tokens/invalidate/{pair[0]}/{pair[1]}").raise_for_status()
    with Rest(site.url, pair) as client:
        assert 401 == client.get("/data/auth").status_code


def test_open_sessions(site: Site, rest: Rest) -> None:
    """The number of open sessions of a user can be asked for."""
    counts = rest.get(f"/data/user/{site.user}/sessions").json()
    assert [site.user] == list(counts)
    assert int(counts[site.user]) >= 1


@pytest.mark.parametrize("prefix", ["/data", "/data/archive", "/REST", "/REST/archive"])
def test_prefixes(rest: Rest, project: str, prefix: str) -> None:
    """Every archive URI works under its four spellings."""
    assert 200 == rest.get(f"{prefix}/projects/{project}", {"format": "json"}).status_code
