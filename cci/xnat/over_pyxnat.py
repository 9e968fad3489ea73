"""The one module that imports pyxnat: it makes the connection whose five verbs carry every request.

The import is late: many commands never talk to an archive.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.cookies import RequestsCookieJar

from cci.errors import SettingsError

_MAKING = threading.Lock()


class Verbs(Protocol):
    """What is used of `pyxnat.Interface`: each verb returns the response, whatever its status."""

    def get(self, uri: str, **options: Any) -> requests.Response:
        """Send a GET."""

    def put(self, uri: str, **options: Any) -> requests.Response:
        """Send a PUT."""

    def post(self, uri: str, **options: Any) -> requests.Response:
        """Send a POST."""

    def delete(self, uri: str, **options: Any) -> requests.Response:
        """Send a DELETE."""

    def head(self, uri: str, **options: Any) -> requests.Response:
        """Send a HEAD."""


def check_login(url: str, user: str, password: str) -> None:
    """Refuse what pyxnat would ask for on the terminal.

    Raises
    ------
    SettingsError
        If the address is not an http one, or user or password is missing.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(
            f"'{url}' is not the address of an archive", hint="write https://host or http://host"
        )
    if not user or not password:
        raise SettingsError(f"user and password for the archive {url} are needed")


def load_pyxnat() -> Any:
    """Return pyxnat itself, without what it once drew graphs with.

    For that it loads networkx and matplotlib where they are installed, which costs each command a second
    and writes a font cache into the home directory; without the first it goes on and draws nothing.
    """
    with _hidden("networkx"):
        import pyxnat

    return pyxnat


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Let an import of *module* fail while inside, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    # None makes an import fail (https://docs.python.org/3/reference/import.html#the-module-cache)
    sys.modules[module] = None  # type: ignore[assignment]  # typeshed knows modules only
    try:
        yield
    finally:
        sys.modules.pop(module, None)


@contextmanager
def _without_derivatives(pyxnat: Any) -> Iterator[None]:
    """Let an Interface that is made inside not look for pyxnat's readers of what other pipelines made.

    They load pandas and nibabel, which costs half a second; the verbs have no use for them.
    """
    derivatives = pyxnat.core.derivatives
    places, derivatives.__path__ = derivatives.__path__, []
    try:
        yield
    finally:
        derivatives.__path__ = places


def make_interface(
    url: str,
    user: str,
    password: str,
    *,
    adapter: BaseAdapter,
    cookies: RequestsCookieJar,
    proxy: str = "",
    kind: type[Any] | None = None,
) -> Any:
    """Make an Interface that sends everything through *adapter*; it sends nothing yet.

    Parameters
    ----------
    url, user, password
        The archive and the login; see `check_login`.
    adapter
        Mounted before the first request.
    cookies
        Shared by the interfaces of a connection, so that they share one server session.
    proxy
        Address of a proxy; the environment's if left out.
    kind
        A subclass of `pyxnat.Interface` with all that it offers; left out, nothing but the verbs is of use.
    """
    with _MAKING:
        pyxnat = load_pyxnat()
        with nullcontext() if kind else _without_derivatives(pyxnat):
            interface = (kind or pyxnat.Interface)(server=url.rstrip("/"), user=user, password=password)
    session: requests.Session = interface._http  # noqa: SLF001 -- pyxnat has no other way in
    # pyxnat takes http_proxy itself and forgets no_proxy and https; requests does this right when left alone
    session.proxies = {"http": proxy, "https": proxy} if proxy else {}
    session.cookies = cookies
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return interface
