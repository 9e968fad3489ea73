"""What an archive's answer means: typed errors by status code and content type, and bodies that are whole.

The server's sentences are never read to decide anything: they differ between versions and proxies.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from cci.errors import (
    ArchiveError,
    Conflict,
    Forbidden,
    LoginRefused,
    Malformed,
    NotFound,
    Refused,
    Unreachable,
)
from cci.xnat.transport import Exchange

CHUNK_BYTES = 1 << 16


class Kind(StrEnum):
    """What the body of an answer has to be."""

    ANY = "anything"
    CSV = "a CSV table"
    JSON = "JSON"
    ZIP = "a zip archive"


#: Content types that cannot be what was asked for: a login page, an error page, an item's document.
_FOREIGN: dict[Kind, tuple[str, ...]] = {
    Kind.ANY: (),
    Kind.CSV: ("html", "xml", "json"),
    Kind.JSON: ("html", "xml", "csv"),
    Kind.ZIP: ("html", "xml", "json"),
}

_BY_STATUS: dict[int, type[ArchiveError]] = {
    401: LoginRefused,
    403: Forbidden,
    404: NotFound,
    # "slow down" and "too slow" say nothing of the request itself
    408: Unreachable,
    409: Conflict,
    429: Unreachable,
}


def error_for(status: int, what: str) -> ArchiveError | None:
    """Return the error that a status code stands for, or None for a success.

    Parameters
    ----------
    status
        The HTTP status code.
    what
        The request, for the message.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    message = f"the archive answered {_in_words(status)} to {what}"
    if status < HTTPStatus.BAD_REQUEST:
        return Malformed(message, hint="use the address that the archive redirects to in the settings")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unreachable(message)
    return _BY_STATUS.get(status, Refused)(message)


def _in_words(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


@contextmanager
def transport_errors(what: str) -> Iterator[None]:
    """Turn whatever goes wrong on the wire into `Unreachable`.

    Raises
    ------
    Unreachable
        If the connection fails, is cut, or was too slow.
    """
    try:
        yield
    except (requests.RequestException, HTTPError, OSError) as error:
        raise Unreachable(_what_broke(error, what)) from error


def _what_broke(error: BaseException, what: str) -> str:
    """Say what broke; where there was not even a connection, name the address instead of the request."""
    cut, request = _cut_because(), getattr(error, "request", None)
    causes = list(_causes(error))
    for kind, words in _NEVER_CONNECTED:
        if not cut and request is not None and any(isinstance(cause, kind) for cause in causes):
            return f"the archive at {urlsplit(request.url).netloc} cannot be reached: {words}"
    return f"no whole answer to {what}: {cut or _plain(error)}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


#: Why there was no connection at all.
_NEVER_CONNECTED: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "nothing listens there"),
    (socket.gaierror, "its host name is not known"),
    (requests.ConnectTimeout, "it did not accept the connection in time"),
)


def _cut_because() -> str:
    exchange = Exchange.current()
    return exchange.cut_because if exchange else ""


#: What broke, in words, the special before the general; the libraries' own text holds addresses of objects.
_IN_PLAIN_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (requests.ConnectTimeout, "the archive did not accept the connection in time"),
    (requests.Timeout, "the archive was silent for too long"),
    (requests.exceptions.SSLError, "the archive's certificate or encryption is not accepted"),
    (requests.exceptions.ChunkedEncodingError, "the answer was cut"),
    (requests.exceptions.ContentDecodingError, "the answer cannot be decoded"),
    (requests.ConnectionError, "the connection failed"),
)


def _plain(error: BaseException) -> str:
    return next((words for kind, words in _IN_PLAIN_WORDS if isinstance(error, kind)), type(error).__name__)


class Answer:
    """A successful answer whose body is still to be read.

    Parameters
    ----------
    response
        The streamed response.
    what
        The request, for messages.
    """

    def __init__(self, response: requests.Response, what: str) -> None:
        self.status = response.status_code
        self.content_type = response.headers.get("Content-Type", "").lower()
        self.what = what
        self._response = response
        self._stream: Iterator[bytes] | None = None

    @property
    def date(self) -> datetime | None:
        """When it was given, by the archive's clock, in UTC; None if it does not say (RFC 9110, 6.6.1)."""
        try:
            return parsedate_to_datetime(self._response.headers.get("Date", "")).astimezone(UTC)
        except (TypeError, ValueError):
            return None

    def check_kind(self, kind: Kind) -> None:
        """Refuse a body that cannot be what was asked for.

        Raises
        ------
        Malformed
            If the content type says so, as with a login page.
        """
        if any(word in self.content_type for word in _FOREIGN[kind]):
            raise Malformed(f"{kind} was due in answer to {self.what}, and {self.content_type} came")

    def chunks(self) -> Iterator[bytes]:
        """Yield the body, decoded; a body that is cut raises at its end.

        Raises
        ------
        Unreachable
            If the connection breaks, is too slow, or ends early.
        """
        self._stream = self._stream or self._response.iter_content(CHUNK_BYTES)
        while True:
            with transport_errors(self.what):
                chunk = next(self._stream, None)
            if chunk is None:
                break
            yield chunk
        self._check_whole()

    def _check_whole(self) -> None:
        """Believe a body only if its length matched or its last chunk came (RFC 9112, section 8)."""
        if because := _cut_because():
            # a cut head looks like one without a length
            raise Unreachable(f"no whole answer to {self.what}: {because}")
        length = self._response.headers.get("Content-Length", "")
        chunked = "chunked" in self._response.headers.get("Transfer-Encoding", "").lower()
        if chunked or self.status == HTTPStatus.NO_CONTENT:
            return  # a missing last chunk was an error while reading
        if not length.isdigit():
            raise Malformed(f"the answer to {self.what} has no length: nobody can tell whether it is whole")
        came = self._response.raw.tell()
        if came != int(length):
            raise Unreachable(f"the answer to {self.what} was cut after {came} of {length} bytes")

    def body(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.chunks())

    def text(self) -> str:
        """Return the whole body as text.

        Raises
        ------
        Malformed
            If it is not UTF-8.
        """
        try:
            return self.body().decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(f"the answer to {self.what} is not text") from error

    def json(self) -> Any:
        """Return the whole body as a JSON value.

        Raises
        ------
        Malformed
            If it is not JSON, or empty.
        """
        try:
            return json.loads(self.text())
        except ValueError as error:
            raise Malformed(f"the answer to {self.what} is not JSON") from error

    def drain(self) -> None:
        """Read what is left, so that the body is known to be whole."""
        for _ in self.chunks():
            pass


def read_text(answer: Answer) -> str:
    """Return the body as stripped text."""
    return answer.text().strip()


def read_word(answer: Answer) -> str:
    """Return the id or other word that the archive answers a write with, often nothing.

    Raises
    ------
    Malformed
        If a page came instead; an empty body may be called HTML.
    """
    word = read_text(answer)
    if word and "html" in answer.content_type:
        raise Malformed(f"a page came in answer to {answer.what}, as for a login")
    return word


def read_json(answer: Answer) -> Any:
    """Return the body as a JSON value."""
    return answer.json()
