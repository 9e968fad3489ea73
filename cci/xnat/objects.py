"""pyxnat's object tree for authors of processors, made safe: an archive that is away is never "nothing".

pyxnat's own ``exists()`` says False and its listings say ``[]`` when the archive is down. The tree made
here sends everything through our `Connection` and raises typed errors. The daemon does not use it.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import quote

from cci.errors import Malformed, NotFound
from cci.xnat.answers import Answer, Kind
from cci.xnat.connection import Connection
from cci.xnat.over_pyxnat import load_pyxnat


def pyxnat_interface(connection: Connection) -> Any:
    """Return a `pyxnat.Interface` whose whole object tree raises the errors of `cci.errors`.

    It shares the connection's sockets and server session and is for one thread. `exists` is False only on
    a 404 or a whole listing that lacks the object; listings of something that is not there raise.

    Raises
    ------
    Unreachable, LoginRefused, Malformed
        If the archive does not answer as an archive now.
    """
    connection.login()
    interface = connection.make_interface(_safe_class())
    interface.use(connection)
    return interface


def _request(connection: Connection, uri: str, method: str, body: Any, headers: Any, **options: Any) -> bytes:
    kind = Kind.CSV if "format=csv" in uri else Kind.ANY
    params = {**(body or {})} if method == "GET" else options.get("params")
    data = None if method == "GET" or body is None else (lambda: body)

    def read(answer: Answer) -> bytes:
        content = answer.body()
        if kind is Kind.CSV and not content.strip():
            raise Malformed(f"the answer to {answer.what} is empty: not even a header row came")
        return content

    return connection.request(
        method.lower(), uri, read, kind=kind, params=params, body=data, headers=headers, patient=True
    )


@cache
def _safe_class() -> type[Any]:
    """Make the class when it is first wanted: pyxnat is slow to import."""
    pyxnat = load_pyxnat()
    base: Any = pyxnat.Interface

    class SafeInterface(base):  # type: ignore[misc]  # pyxnat carries no types
        """Sends what the object tree asks for through a `Connection`."""

        _cci_connection: Connection

        def use(self, connection: Connection) -> None:
            self._cci_connection = connection
            self._entry = "/data"

        def _exec(
            self,
            uri: str,
            method: str = "GET",
            body: Any = None,
            headers: Any = None,
            force_preemptive_auth: bool = False,  # noqa: ARG002 -- the signature is pyxnat's
            **options: Any,
        ) -> bytes:
            return _request(self._cci_connection, uri, method, body, headers, **options)

        def disconnect(self) -> None:
            """Do nothing: the connection ends the server session for all."""

    _mend(pyxnat.core.resources, SafeInterface)
    return SafeInterface


def _mend(resources: Any, safe: type[Any]) -> None:
    """Make the two methods that swallow errors let them through, for our interfaces only.

    pyxnat's classes find each other by name in their own module, so that subclasses would not be used.
    """
    swallowing_exists, swallowing_call = resources.EObject.exists, resources.CObject._call  # noqa: SLF001

    def exists(self: Any, consistent: bool = False) -> bool:
        if not isinstance(self._intf, safe):
            return bool(swallowing_exists(self, consistent))
        try:
            return self.id() is not None
        except NotFound:
            return False

    def call(self: Any, columns: list[str]) -> Any:
        if not isinstance(self._intf, safe):
            return swallowing_call(self, columns)
        uri = quote(resources.translate_uri(self._cbase))
        filters = {
            name: value if isinstance(value, str) else ",".join(value)
            for name, value in self._filters.items()
        }
        wanted = ",".join([*columns, "xsiType"])
        query = "&".join(f"{name}={value}" for name, value in {"columns": wanted, **filters}.items())
        table = self._intf._get_json(f"{uri}?format=json&{query}")  # noqa: SLF001
        self._learn_from_table(uri.split("/")[-1], table, None)
        return table

    resources.EObject.exists = exists
    resources.CObject._call = call  # noqa: SLF001
