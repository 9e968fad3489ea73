"""Who is asking: Basic credentials, session cookies, alias tokens, the guest. Rights are in `access`.

Sessions live in memory: after a restart clients log in again, as they do when a session expires. Tokens stay.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cci.archive.errors import Unauthorized
from cci.archive.lockout import Lockout
from cci.archive.store import tokens as alias_tokens
from cci.archive.store.accounts import User, find_user, no_password, password_matches
from cci.archive.store.database import Database

#: A session ends after this long without a request.
IDLE_S = 15 * 60
#: More sessions of one user are refused (``sessions.concurrent_max`` of XNAT).
MAX_SESSIONS = 1000
#: So many headers that were right are remembered.
_MOST_SEEN = 10_000
GUEST = User(pk=0, login="guest")
_ALIAS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Session:
    """A logged-in client."""

    id: str
    login: str
    last_used: float


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who is asking; *session_id* is empty for a guest without a session."""

    user: User
    session_id: str = ""
    #: Whether the client has to be told a new cookie.
    new: bool = False


@dataclass
class Authenticator:
    """Knows sessions, tokens and verified passwords.

    Parameters
    ----------
    database
        Where accounts are.
    open_site
        Whether a client without credentials is the guest, who sees public projects.
    clock
        Seconds of the epoch.
    """

    database: Database
    open_site: bool = False
    clock: Callable[[], float] = time.time
    _sessions: dict[str, Session] = field(default_factory=dict)
    _shared: dict[str, str] = field(default_factory=dict)
    _seen: set[bytes] = field(default_factory=set)
    _verified: dict[bytes, str] = field(default_factory=dict)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lockout: Lockout = field(init=False)

    def __post_init__(self) -> None:
        self._lockout = Lockout(self.clock)

    def identify(self, authorization: str, cookie: str, *, fresh: bool = False) -> Login:
        """Say who sends these headers. *fresh*: a login without a cookie gets a session of its own.

        Raises
        ------
        Unauthorized
            The credentials are wrong, or there are none and the site is closed.
        """
        session = self._live(cookie)
        if authorization:
            user = self.verify(*_basic_pair(authorization))
            self._remember(authorization)
            return self._basic(user, session, fresh=fresh)
        if session is not None:
            return Login(user=self._user(session.login), session_id=session.id)
        if self.open_site:
            return Login(user=GUEST, session_id=self._shared_session(GUEST.login), new=True)
        raise Unauthorized

    def is_known(self, authorization: str) -> bool:
        """Whether this header was right lately, so that no password will have to be tried, which is slow.

        A guess for who plans work; it gives no right.
        """
        return bool(authorization) and self._digest(authorization) in self._seen

    def _remember(self, authorization: str) -> None:
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen.add(self._digest(authorization))

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode("utf-8", "replace"), "sha256")

    def _basic(self, user: User, session: Session | None, *, fresh: bool) -> Login:
        if session is not None and session.login == user.login:
            return Login(user=user, session_id=session.id)
        if fresh:
            return Login(user=user, session_id=self.begin(user.login), new=True)
        return Login(user=user, session_id=self._shared_session(user.login), new=True)

    def _shared_session(self, login: str) -> str:
        # a client that never keeps cookies must not pile up sessions
        shared = self._live(self._shared.get(login, ""))
        name = shared.id if shared is not None else self.begin(login)
        self._shared[login] = name
        return name

    def verify(self, login: str, password: str) -> User:
        """Return the account that these credentials are of (a token counts as its owner's).

        Raises
        ------
        Unauthorized
            They are wrong, or the account is locked after too many wrong ones.
        """
        token = self.token(login)
        if token is not None:
            return self._verify_token(token, password)
        # "provider/login" is how XNAT spells accounts of other directories
        user = self._find(login) or self._find(login.rpartition("/")[2])
        if user is None:
            password_matches(password, no_password())
            raise Unauthorized
        return self._verify_password(user, password)

    def _verify_password(self, user: User, password: str) -> User:
        if self._lockout.locked(user.login):
            raise Unauthorized("the account is locked for an hour after too many failed logins")
        if not self._password_is(user, password):
            self._lockout.failed(user.login)
            raise Unauthorized
        self._lockout.succeeded(user.login)
        return user

    def _password_is(self, user: User, password: str) -> bool:
        # scrypt is slow on purpose, and Basic comes with every request
        message = f"{user.login}\0{password}\0{user.password_hash}"
        digest = self._digest(message)
        if digest in self._verified:
            return True
        if not password_matches(password, user.password_hash):
            return False
        self._verified[digest] = user.login
        return True

    def _verify_token(self, token: alias_tokens.Token, secret: str) -> User:
        if not token.has_secret(secret):
            raise Unauthorized
        return self._user(token.login)

    def begin(self, login: str) -> str:
        """Open a session and return its id.

        Raises
        ------
        Unauthorized
            The user has `MAX_SESSIONS` open.
        """
        name = secrets.token_hex(16).upper()
        with self._lock:
            now = self.clock()
            old = [each.id for each in self._sessions.values() if now - each.last_used > IDLE_S]
            for expired in old:
                del self._sessions[expired]
            if sum(each.login == login for each in self._sessions.values()) >= MAX_SESSIONS:
                raise Unauthorized(f"{login} has {MAX_SESSIONS} open sessions; log out of some")
            self._sessions[name] = Session(name, login, now)
        return name

    def end(self, session_id: str) -> None:
        """Close a session."""
        with self._lock:
            self._sessions.pop(session_id, None)

    def end_all(self, login: str) -> list[str]:
        """Close all sessions of a user and return their ids."""
        with self._lock:
            ended = [each.id for each in self._sessions.values() if each.login == login]
            for name in ended:
                del self._sessions[name]
        return ended

    def open_sessions(self, login: str) -> int:
        """Count the live sessions of a user."""
        now = self.clock()
        with self._lock:
            return sum(
                each.login == login and now - each.last_used <= IDLE_S for each in self._sessions.values()
            )

    def _live(self, name: str) -> Session | None:
        session = self._sessions.get(name)
        now = self.clock()
        if session is None or now - session.last_used > IDLE_S:
            return None
        session.last_used = now
        return session

    # -- tokens -----------------------------------------------------------------------------------

    def issue_token(self, login: str) -> tuple[alias_tokens.Token, str]:
        """Make an alias token for a user; return it with its secret."""
        with self.database.write() as connection:
            return alias_tokens.issue(connection, login, self.clock())

    def tokens(self, login: str) -> list[alias_tokens.Token]:
        """Return a user's live tokens."""
        with self.database.read() as connection:
            return alias_tokens.tokens_of(connection, login, self.clock())

    def token(self, alias: str) -> alias_tokens.Token | None:
        """Return the live token of this alias."""
        if not _ALIAS.fullmatch(alias):
            return None
        with self.database.read() as connection:
            return alias_tokens.find(connection, alias, self.clock())

    def invalidate_token(self, alias: str) -> None:
        """Take a token out of use."""
        with self.database.write() as connection:
            alias_tokens.forget(connection, alias)

    # -- accounts ---------------------------------------------------------------------------------

    def _find(self, login: str) -> User | None:
        with self.database.read() as connection:
            return find_user(connection, login)

    def _user(self, login: str) -> User:
        if login == GUEST.login:
            return GUEST
        user = self._find(login)
        if user is None:
            raise Unauthorized
        return user


def _basic_pair(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthorized("the Authorization header cannot be read") from error
    login, colon, password = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise Unauthorized("the Authorization header cannot be read")
    return login, password
