"""How a request to the archive can end badly; each error is one HTTP status. It knows no HTTP library."""

from __future__ import annotations

from typing import ClassVar

from cci.errors import CciError


class RequestError(CciError):
    """The archive cannot do what the request asks."""

    status: ClassVar[int] = 500


class BadRequest(RequestError):
    """The request says something that cannot be."""

    status = 400


class Unauthorized(RequestError):
    """The request requires user authentication."""

    status = 401


class NoRight(RequestError):
    """The specified user account has insufficient privileges for this."""

    status = 403


class Missing(RequestError):
    """Not Found."""

    status = 404


class NotAllowed(RequestError):
    """The method is not allowed on this resource."""

    status = 405


class NotAcceptable(RequestError):
    """There is no form of this that the client accepts."""

    status = 406


class TooSlow(RequestError):
    """The request did not come in time."""

    status = 408


class Collision(RequestError):
    """Something else has this name already."""

    status = 409


class Gone(RequestError):
    """The result has expired."""

    status = 410


class TooLarge(RequestError):
    """The request is larger than this archive takes."""

    status = 413


class NeedContents(RequestError):
    """Need PUT Contents."""

    status = 417


class Unprocessable(RequestError):
    """The document cannot be understood."""

    status = 422


class NoService(RequestError):
    """What this depends on is not there."""

    status = 424


class NoRoom(RequestError):
    """There is no room left on the archive's disk."""

    status = 507


class Broken(RequestError):
    """The server failed, as a real XNAT fails here."""

    status = 500
