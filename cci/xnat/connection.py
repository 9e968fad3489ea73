"""A connection to an archive: one login, bounded and typed requests, retries where they are safe.

It knows HTTP and XNAT's login. What a URI means is known by the modules above it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Self, TypeVar, cast

import requests as http
from requests.cookies import RequestsCookieJar
from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
)
from tenacity.wait import wait_exponential, wait_random

from cci.errors import ArchiveError, Forbidden, LoginRefused, Malformed, NotFound, Unreachable
from cci.xnat.answers import Answer, Kind, error_for, read_text, read_word, transport_errors
from cci.xnat.over_pyxnat import Verbs, check_login, make_interface
from cci.xnat.transport import Deadlines, Exchange, WatchedAdapter

T = TypeVar("T")

#: Makes the body anew for each attempt.
BodySource = Callable[[], "IO[bytes] | bytes"]

_LOGIN_URI = "/data/JSESSION"
_IDEMPOTENT = frozenset({"get", "head", "put", "delete"})
_FIRST_LOGIN_PAUSE_S = 30.0
_LONGEST_LOGIN_PAUSE_S = 3600.0


def never() -> bool:
    """Return False: nobody wants to stop."""
    return False


@dataclass(frozen=True, kw_only=True)
class _Request:
    """One request as it is sent at each attempt."""

    verb: str
    uri: str
    total_s: float
    kind: Kind = Kind.ANY
    body: BodySource | None = None
    options: Mapping[str, Any]

    @property
    def what(self) -> str:
        """The request in words; without its parameters, which may hold a person's text."""
        return f"{self.verb.upper()} {self.uri}"


_LOGOUT = _Request(verb="delete", uri=_LOGIN_URI, total_s=5, options={"timeout": (5, 5)})


class _LoginPause:
    """Keeps from asking again at once after a refused login: XNAT locks accounts that are tried too often."""

    def __init__(self) -> None:
        self._pause_s = 0.0
        self._until = 0.0

    def check(self) -> None:
        left_s = self._until - time.monotonic()
        if left_s > 0:
            raise LoginRefused(f"the archive refused the login; it is not tried again for {left_s:.0f} s")

    def refused(self) -> None:
        self._pause_s = min(max(2 * self._pause_s, _FIRST_LOGIN_PAUSE_S), _LONGEST_LOGIN_PAUSE_S)
        self._until = time.monotonic() + self._pause_s

    def accepted(self) -> None:
        self._pause_s = self._until = 0.0


class Connection:
    """A login at an archive, for any number of threads.

    Each thread has its own `pyxnat.Interface`; they share sockets, cookies and so one server session.
    Nothing is sent before the first request, and `close` ends the server session if there is one.

    Parameters
    ----------
    url
        Address of the archive, with its context path if it has one.
    user, password
        The login; an alias token and its secret do as well.
    deadlines
        Time limits of each request.
    max_concurrent
        How many requests may run at once.
    attempts
        How often an idempotent request (GET, HEAD, PUT, DELETE) is tried when it fails for a passing reason.
    backoff_s, longest_backoff_s
        The pause before the second attempt and its upper bound; it doubles and has jitter.
    should_stop
        Asked while waiting; True ends pauses and cuts running requests.
    proxy
        Address of a proxy; the environment's if left out.

    Raises
    ------
    SettingsError
        If the address is none, or user or password is missing.
    """

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        *,
        deadlines: Deadlines | None = None,
        max_concurrent: int = 4,
        attempts: int = 4,
        backoff_s: float = 1.0,
        longest_backoff_s: float = 30.0,
        should_stop: Callable[[], bool] = never,
        proxy: str = "",
    ) -> None:
        check_login(url, user, password)
        self.url = url.rstrip("/")
        self.user = user
        self.deadlines = deadlines or Deadlines()
        #: Optional columns that this archive was proved not to have, by listing.
        self.lacks: set[str] = set()
        self._password = password
        self._attempts = attempts
        self._backoff = wait_exponential(backoff_s, longest_backoff_s) + wait_random(0, backoff_s)
        self._should_stop = should_stop
        self._proxy = proxy
        self._adapter = WatchedAdapter(self.deadlines, places=max_concurrent, should_stop=should_stop)
        self._cookies = RequestsCookieJar()
        self._places = threading.BoundedSemaphore(max_concurrent)
        self._local = threading.local()
        self._login_lock = threading.RLock()
        self._logins = 0
        self._logged_in = False
        self._pause = _LoginPause()

    @property
    def requests(self) -> int:
        """How many requests were sent so far, logins included."""
        return self._adapter.requests

    # -- requests ------------------------------------------------------------------------------------

    def request(
        self,
        verb: str,
        uri: str,
        read: Callable[[Answer], T],
        *,
        kind: Kind = Kind.ANY,
        params: Mapping[str, str] | None = None,
        body: BodySource | None = None,
        headers: Mapping[str, str] | None = None,
        size: int = 0,
        patient: bool = False,
    ) -> T:
        """Send a request and read its answer; what fails for a passing reason is tried again.

        Parameters
        ----------
        verb
            ``get``, ``put``, ``post``, ``delete`` or ``head``.
        uri
            From ``/data`` on, quoted.
        read
            Makes a value of the answer. It is called anew for each attempt and sends no request itself.
        kind
            What the body has to be.
        params
            Query parameters.
        body
            Makes the request's body anew for each attempt.
        headers
            Further request headers.
        size
            Bytes known to be moved: the total deadline grows with them.
        patient
            The archive works long before it answers.

        Raises
        ------
        Unreachable, Malformed
            For a passing reason, still there after the last attempt.
        LoginRefused, Forbidden, NotFound, Conflict, Refused
            As the archive says.
        """
        silence_s = self.deadlines.first_byte_s if patient else self.deadlines.read_s
        request = _Request(
            verb=verb,
            uri=uri,
            kind=kind,
            body=body,
            total_s=self.deadlines.total_for(size),
            options={
                "params": params,
                "headers": headers,
                "timeout": (self.deadlines.connect_s, silence_s),
            },
        )
        return self._retrying(request)(lambda: self._with_login(lambda: self._exchange(request, read)))

    def get(self, uri: str, read: Callable[[Answer], T], **options: Any) -> T:
        """Send a GET; see `request`."""
        return self.request("get", uri, read, **options)

    def put(self, uri: str, read: Callable[[Answer], T], **options: Any) -> T:
        """Send a PUT; see `request`."""
        return self.request("put", uri, read, **options)

    def delete(self, uri: str, **options: Any) -> str:
        """Send a DELETE; see `request`."""
        return self.request("delete", uri, read_word, **options)

    def _retrying(self, request: _Request) -> Retrying:
        def again(error: BaseException) -> bool:
            return isinstance(error, ArchiveError) and error.transient and not self._should_stop()

        attempts = self._attempts if request.verb in _IDEMPOTENT else 1
        return Retrying(
            stop=stop_after_attempt(attempts) | stop_after_delay(request.total_s),
            wait=self._backoff,
            retry=retry_if_exception(again),
            sleep=self._sleep,
            reraise=True,
        )

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0 and not self._should_stop():
            time.sleep(min(0.25, left_s))

    def _exchange(
        self,
        request: _Request,
        read: Callable[[Answer], T],
        should_stop: Callable[[], bool] | None = None,
    ) -> T:
        self.interface()  # pyxnat takes seconds to import, which no deadline is meant for
        with (
            self._place(),
            Exchange(request.total_s, should_stop or self._should_stop),
            closing(self._send(request)) as response,
        ):
            answer = Answer(response, request.what)
            error = error_for(response.status_code, request.what)
            if isinstance(error, NotFound):
                answer.drain()  # "not there" is believed of a whole answer only
            if error is not None:
                raise error
            answer.check_kind(request.kind)
            value = read(answer)
            answer.drain()
            return value

    def _send(self, request: _Request) -> http.Response:
        data = request.body() if request.body is not None else None
        send = getattr(self.interface(), request.verb)
        with transport_errors(request.what):
            response = send(request.uri, data=data, stream=True, allow_redirects=False, **request.options)
        return cast("http.Response", response)

    @contextmanager
    def _place(self) -> Iterator[None]:
        while not self._places.acquire(timeout=0.25):
            if self._should_stop():
                raise Unreachable("this program is stopping; the request was not sent")
        try:
            yield
        finally:
            self._places.release()

    def interface(self) -> Verbs:
        """Return this thread's own `pyxnat.Interface`, for its five verbs."""
        if not hasattr(self._local, "interface"):
            self._local.interface = self.make_interface()
        return cast("Verbs", self._local.interface)

    def make_interface(self, kind: type[Any] | None = None) -> Any:
        """Make a further Interface (of class *kind*) over this connection's sockets and server session."""
        return make_interface(
            self.url,
            self.user,
            self._password,
            adapter=self._adapter,
            cookies=self._cookies,
            proxy=self._proxy,
            kind=kind,
        )

    # -- login -----------------------------------------------------------------------------------------

    def login(self) -> None:
        """Open the server session, if that was not done yet.

        Raises
        ------
        LoginRefused
            If the archive refuses user and password; asked again at once, the same without a request.
        Unreachable, Malformed
            If no archive answers at the address.
        """
        with self._login_lock:
            if not self._logged_in:
                self._log_in()

    def _log_in(self) -> None:
        self._pause.check()
        self._cookies.clear()
        try:
            session = self._ask_session()
        except LoginRefused:
            self._logged_in = False
            self._pause.refused()
            raise
        if not session or len(session.split()) > 1:
            raise Malformed(f"the archive at {self.url} gave no server session")
        self._pause.accepted()
        self._logged_in = True
        self._logins += 1

    def _ask_session(self) -> str:
        limits = (self.deadlines.connect_s, self.deadlines.read_s)
        request = _Request(
            verb="get",
            uri=_LOGIN_URI,
            total_s=self.deadlines.total_s,
            options={"timeout": limits},
        )
        try:
            return self._exchange(request, read_word)
        except NotFound as error:
            raise Unreachable(f"there is no archive at {self.url}, or it is starting") from error
        except Forbidden as error:
            hint = "log in with a browser: the password may have expired, or the site is not set up"
            raise LoginRefused(
                f"the archive at {self.url} knows {self.user} and refuses", hint=hint
            ) from error

    def _with_login(self, exchange: Callable[[], T]) -> T:
        self.login()
        logins = self._logins
        try:
            return exchange()
        except LoginRefused:
            self._log_in_again(logins)
            return exchange()
        except NotFound:
            # while an archive starts, every address is a 404: believe it only of one that is up
            self._ask_session()
            raise

    def _log_in_again(self, logins: int) -> None:
        """Log in once more after a 401, unless another thread just did."""
        with self._login_lock:
            if self._logins == logins:
                self._logged_in = False
                self._log_in()

    def close(self) -> None:
        """End the server session, if one was opened, and close the sockets."""
        with self._login_lock, suppress(ArchiveError):
            if self._logged_in:
                self._logged_in = False
                self._exchange(_LOGOUT, read_text, should_stop=never)
        self._adapter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Connection({self.url!r}, {self.user!r})"
