"""An archive that the conformance suites run on: the embedded one, or a real XNAT."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from support.archive import RunningArchive


@dataclass(frozen=True, kw_only=True)
class Site:
    """An archive under test. *process* is None for a real XNAT."""

    url: str
    user: str
    password: str
    process: RunningArchive | None = None

    @property
    def auth(self) -> tuple[str, str]:
        """User and password, as `requests` wants them."""
        return self.user, self.password


def site_named(address: str) -> Site:
    """Return the site of an address with user and password in it: ``https://user:password@host/path``.

    Raises
    ------
    ValueError
        It lacks one of them.
    """
    parts = urlsplit(address)
    if not (parts.scheme in {"http", "https"} and parts.hostname and parts.username and parts.password):
        raise ValueError("the address of a real XNAT is https://user:password@host")
    url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return Site(url=url, user=unquote(parts.username), password=unquote(parts.password))


def new_project_id() -> str:
    """Return a project id that nobody uses."""
    return f"CCI{uuid.uuid4().hex[:10]}"
