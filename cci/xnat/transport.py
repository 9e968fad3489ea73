"""Deadlines on the wire: the requests adapter that every request to an archive goes through.

It knows sockets, time limits and counts. It does not know XNAT, logins or retries.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

#: How often a running exchange looks whether it is still wanted.
_LOOK_EVERY_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long one request may take, in seconds.

    Attributes
    ----------
    connect_s
        Until the connection stands.
    read_s
        The longest silence.
    first_byte_s
        The longest silence of requests that make the archive work before it answers (bulk listings,
        uploads that are unpacked, archives that are packed).
    total_s
        From the first byte of the request to the last one of the answer, whatever trickles in between.
    slowest_bytes_s
        Bytes a second that a healthy line carries at least: what is known to be large gets longer.
    """

    connect_s: float = 10
    read_s: float = 60
    first_byte_s: float = 300
    total_s: float = 600
    slowest_bytes_s: float = 1_000_000

    def total_for(self, size: int) -> float:
        """Return the total deadline of an exchange that moves *size* bytes, in seconds."""
        return self.total_s + size / self.slowest_bytes_s


class Exchange:
    """One request, from its first byte to the end of its answer.

    A time limit on a socket begins anew with each byte, so that a dripping answer would never end. A
    watching thread shuts the socket down when the exchange is late or no longer wanted; the blocked
    read then fails at once.

    Parameters
    ----------
    total_s
        The total deadline, in seconds.
    should_stop
        Asked four times a second; True cuts the exchange.
    """

    _active = threading.local()

    def __init__(self, total_s: float, should_stop: Callable[[], bool]) -> None:
        self.total_s = total_s
        #: Why it was cut, in words; empty while it was not.
        self.cut_because = ""
        self._should_stop = should_stop
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    @classmethod
    def current(cls) -> Exchange | None:
        """Return the exchange that this thread is in, if any."""
        return getattr(cls._active, "exchange", None)

    def __enter__(self) -> Self:
        self._active.exchange = self
        threading.Thread(target=self._watch, name="cci-deadline", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:  # never cut a socket that the next exchange may have by now
            self._done.set()
        self._active.exchange = None

    def attach(self, sock: object) -> None:
        """Tell which socket carries the exchange; it is shut down at once if it comes too late."""
        with self._lock:
            self._socket = sock if isinstance(sock, socket.socket) else None
            if self.cut_because:
                self._shut_down()

    def _watch(self) -> None:
        end = time.monotonic() + self.total_s
        while not self._done.wait(max(0.0, min(_LOOK_EVERY_S, end - time.monotonic()))):
            if time.monotonic() >= end:
                return self._cut(f"it took longer than {self.total_s:g} s in all")
            if self._should_stop():
                return self._cut("this program is stopping")
        return None

    def _cut(self, because: str) -> None:
        with self._lock:
            if not self._done.is_set():
                self.cut_because = because
                self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            try:
                # the plain method: SSLSocket's own drops the TLS layer that another thread reads through
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                self._socket = None  # it is closed already


def _attach(sock: object) -> None:
    exchange = Exchange.current()
    if exchange is not None and sock is not None:
        exchange.attach(sock)


class _WatchedHTTP(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _attach(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _attach(self.sock)
        super().request(*args, **kwargs)


class _WatchedHTTPS(_WatchedHTTP, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class WatchedAdapter(HTTPAdapter):
    """Sends requests with time limits and counts them; shared by all threads of a connection.

    Parameters
    ----------
    deadlines
        Time limits of requests that bring none of their own.
    places
        How many sockets are kept open.
    should_stop
        Cuts requests that run outside of an `Exchange` of the caller's.
    """

    def __init__(self, deadlines: Deadlines, *, places: int, should_stop: Callable[[], bool]) -> None:
        self.requests = 0
        self._deadlines = deadlines
        self._should_stop = should_stop
        self._lock = threading.Lock()
        super().__init__(pool_connections=2, pool_maxsize=places)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools whose connections tell the exchange their socket."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Do the same for a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(  # noqa: PLR0917 -- the signature is requests'
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request; without an exchange of the caller's, its whole body is read under a deadline."""
        with self._lock:
            self.requests += 1
        limits = timeout or (self._deadlines.connect_s, self._deadlines.read_s)
        options = {"timeout": limits, "verify": verify, "cert": cert, "proxies": proxies}
        if stream or Exchange.current() is not None:
            return super().send(request, stream=stream, **options)
        with Exchange(self._deadlines.total_s, self._should_stop):
            response = super().send(request, stream=False, **options)
            _ = response.content
            return response
