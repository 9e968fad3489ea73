"""Logins, sessions, tokens, passwords."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from cci.archive.auth import GUEST, IDLE_S, Authenticator, Login
from cci.archive.call import Call
from cci.archive.errors import NoRight, Unauthorized
from cci.archive.routes.site import Site, SiteHandler, count_sessions, issue_token
from cci.archive.routes.users import list_users, user_names
from cci.archive.setup import ensure_administrator
from cci.archive.store.accounts import hash_password, password_matches, set_password
from cci.archive.store.store import Store


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(store: Store, clock: Clock) -> Authenticator:
    ensure_administrator(store, password="secret")
    return Authenticator(store.database, clock=clock)


def basic(login: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


def test_basic(auth: Authenticator) -> None:
    """Good credentials are served, with a session."""
    found = auth.identify(basic("admin", "secret"), "")
    assert ("admin", True) == (found.user.login, found.new)


@pytest.mark.parametrize(
    "header",
    [basic("admin", "wrong"), basic("nobody", "secret"), basic("admin", ""), "Basic %%%", "Bearer x", ""],
)
def test_refused(auth: Authenticator, header: str) -> None:
    """Wrong, unreadable or no credentials are refused on a closed site."""
    with pytest.raises(Unauthorized):
        auth.identify(header, "")


def test_wrong_after_right(auth: Authenticator) -> None:
    """A verified password does not let another one pass."""
    auth.identify(basic("admin", "secret"), "")
    with pytest.raises(Unauthorized):
        auth.identify(basic("admin", "secret2"), "")


def test_changed_password(auth: Authenticator, store: Store) -> None:
    """After a change the old password is refused at once."""
    auth.identify(basic("admin", "secret"), "")
    ensure_administrator(store, password="other")
    with pytest.raises(Unauthorized):
        auth.identify(basic("admin", "secret"), "")


def test_provider(auth: Authenticator) -> None:
    """A login may name its directory in front."""
    assert "admin" == auth.identify(basic("ldap/admin", "secret"), "").user.login


def test_cookie(auth: Authenticator) -> None:
    """A session's id alone is enough, until it was idle for too long."""
    name = auth.begin("admin")
    assert "admin" == auth.identify("", name).user.login


def test_idle(auth: Authenticator, clock: Clock) -> None:
    """A session that was idle for too long is none."""
    name = auth.begin("admin")
    clock.now += IDLE_S + 1
    with pytest.raises(Unauthorized):
        auth.identify("", name)


def test_logout(auth: Authenticator) -> None:
    """A session that was ended is none."""
    name = auth.begin("admin")
    auth.end(name)
    with pytest.raises(Unauthorized):
        auth.identify("", name)


def test_cookieless_clients_share_a_session(auth: Authenticator) -> None:
    """A client that sends Basic and keeps no cookie does not pile up sessions; a login gets its own."""
    for _ in range(5):
        auth.identify(basic("admin", "secret"), "")
    auth.identify(basic("admin", "secret"), "", fresh=True)
    assert 2 == auth.open_sessions("admin")


def test_token(auth: Authenticator, clock: Clock) -> None:
    """An alias token stands for its user for two days."""
    token, secret = auth.issue_token("admin")
    assert "admin" == auth.identify(basic(token.alias, secret), "").user.login
    clock.now += 2 * 24 * 3600 + 1
    with pytest.raises(Unauthorized):
        auth.identify(basic(token.alias, secret), "")


def test_invalidated_token(auth: Authenticator) -> None:
    """A token that was taken back is refused."""
    token, secret = auth.issue_token("admin")
    auth.invalidate_token(token.alias)
    with pytest.raises(Unauthorized):
        auth.identify(basic(token.alias, secret), "")


def test_token_outlives_the_server(auth: Authenticator, store: Store, clock: Clock) -> None:
    """A job that carries a token goes on after a restart; what is stored does not show the secret."""
    token, secret = auth.issue_token("admin")
    restarted = Authenticator(store.database, clock=clock)
    assert "admin" == restarted.identify(basic(token.alias, secret), "").user.login
    store.close()
    assert secret.encode() not in (store.root / "archive.db").read_bytes()


def fail(auth: Authenticator, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unauthorized):
            auth.verify("admin", "wrong")


def test_locked_after_twenty_failures(auth: Authenticator, clock: Clock) -> None:
    """After twenty wrong passwords the right one is refused too, for an hour."""
    fail(auth, 20)
    with pytest.raises(Unauthorized, match="locked"):
        auth.verify("admin", "secret")
    clock.now += 3601
    assert "admin" == auth.verify("admin", "secret").login


def test_success_forgets_failures(auth: Authenticator) -> None:
    """Failures count only since the last success."""
    fail(auth, 19)
    auth.verify("admin", "secret")
    fail(auth, 19)
    assert "admin" == auth.verify("admin", "secret").login


def test_too_many_sessions(auth: Authenticator, clock: Clock) -> None:
    """The thousandth session of a user is the last one, until others have expired."""
    for _ in range(1000):
        auth.begin("admin")
    with pytest.raises(Unauthorized, match="open sessions"):
        auth.begin("admin")
    clock.now += IDLE_S + 1
    assert auth.begin("admin")


def test_guests_share_a_session(store: Store, clock: Clock) -> None:
    """Requests of strangers do not pile up sessions."""
    auth = Authenticator(store.database, open_site=True, clock=clock)
    assert auth.identify("", "").session_id == auth.identify("", "").session_id


def test_open_site(store: Store) -> None:
    """On an open site a client without credentials is the guest."""
    auth = Authenticator(store.database, open_site=True)
    assert GUEST == auth.identify("", "").user


def ask_as_guest(store: Store, handler: SiteHandler, **names: str) -> None:
    world = Site(store=store, auth=Authenticator(store.database, open_site=True))
    handler(world, Call(store=store, login=Login(user=GUEST), method="GET", path="", names=names))


def test_guest_gets_no_token(store: Store) -> None:
    """A guest of an open site may not have a token."""
    with pytest.raises(NoRight):
        ask_as_guest(store, issue_token)


@pytest.mark.parametrize("handler", [list_users, user_names, count_sessions])
def test_guest_learns_no_names(store: Store, handler: SiteHandler) -> None:
    """A guest of an open site learns neither who has an account there nor who is logged in."""
    with pytest.raises(NoRight):
        ask_as_guest(store, handler, login="admin")


def test_hashes() -> None:
    """A password is stored salted and hashed."""
    first, second = hash_password("pässword"), hash_password("pässword")
    assert first != second
    assert (True, False) == (password_matches("pässword", first), password_matches("other", first))


def test_password_file(store: Store) -> None:
    """A new archive makes a password up and leaves it readable by its owner alone."""
    ensure_administrator(store)
    path = store.root / "admin.password"
    assert 0o600 == path.stat().st_mode & 0o777
    assert len(path.read_text(encoding="utf-8").strip()) >= 20


def test_password_stays(world: Any) -> None:
    """A later start leaves the password alone."""
    before = world.user.password_hash
    assert before == ensure_administrator(world.store).password_hash


def test_known(auth: Authenticator) -> None:
    """A header is known once it was right, and is tried again all the same."""
    right, wrong = basic("admin", "secret"), basic("admin", "wrong")
    before = auth.is_known(right)
    auth.identify(right, "")
    with pytest.raises(Unauthorized):
        auth.identify(wrong, "")
    assert [False, True, False, False] == [before, *map(auth.is_known, (right, wrong, ""))]
    with auth.database.write() as connection:
        set_password(connection, "admin", "changed", admin=True)
    with pytest.raises(Unauthorized):
        auth.identify(right, "")
