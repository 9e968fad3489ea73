"""An archive as the rest of cci sees it: snapshots, assessors, files, and small JSON records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from cci.errors import Refused
from cci.model import File, Project, Resource
from cci.xnat import doctor, download, files, items, refresh, upload, uris
from cci.xnat.connection import Connection
from cci.xnat.known import Known
from cci.xnat.snapshot import USUAL, Scope, look


class Archive:
    """An XNAT archive.

    Every method may raise the children of `cci.errors.ArchiveError`; none returns "nothing" for an archive
    that did not answer.

    Parameters
    ----------
    connection
        Belongs to the archive from now on and is closed with it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def url(self) -> str:
        """Address of the archive, without a final slash."""
        return self.connection.url

    @property
    def user(self) -> str:
        """Who is logged in."""
        return self.connection.user

    @property
    def requests(self) -> int:
        """How many requests were sent so far, logins included."""
        return self.connection.requests

    def close(self) -> None:
        """End the server session, if there is one."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Archive({self.url!r})"

    # -- knowing ---------------------------------------------------------------------------------

    def snapshot(self, project_id: str, *, now: datetime, scope: Scope = USUAL) -> Project:
        """Read a project; see `cci.xnat.snapshot.look`."""
        return self.look(project_id, scope=scope, now=now).project

    def look(self, project_id: str, *, now: datetime, scope: Scope = USUAL) -> Known:
        """Read a project with what `refresh` needs; see `cci.xnat.snapshot.look`."""
        return look(self.connection, project_id, scope=scope, now=now)

    def refresh(self, known: Known, *, now: datetime, scope: Scope = USUAL) -> Known:
        """Read what changed in a project since the last look; see `cci.xnat.refresh.refresh`."""
        return refresh.refresh(self.connection, known, scope=scope, now=now)

    def reread(self, known: Known, sessions: Collection[str], *, now: datetime) -> Known:
        """Read some sessions again; see `cci.xnat.refresh.reread`."""
        return refresh.reread(self.connection, known, sessions, now=now)

    def check(self, known: Known) -> None:
        """Make sure that this archive can be asked for single sessions; see `cci.xnat.refresh.check`."""
        refresh.check(self.connection, known)

    def ping(self, project_ids: Iterable[str] = ()) -> list[doctor.Check]:
        """Look whether login, data types, rights and bulk listings are as needed; see `cci.xnat.doctor`."""
        return doctor.ping(self.connection, project_ids)

    # -- items -----------------------------------------------------------------------------------

    def put_assessor(self, uri: str, xsi_type: str, fields: Mapping[str, str]) -> str:
        """Create or update an assessor; return its accession id; see `cci.xnat.items.put_assessor`."""
        return items.put_assessor(self.connection, uri, xsi_type, fields)

    def put_item(self, uri: str, xsi_type: str = "", fields: Mapping[str, str] | None = None) -> str:
        """Create or update any item; return what the archive answers; see `cci.xnat.items.put_item`."""
        return items.put_item(self.connection, uri, xsi_type, fields or {})

    def delete(self, uri: str) -> None:
        """Delete an item, resource or file with its files; it is no error if it is not there."""
        items.delete(self.connection, uri)

    def delete_resource(self, uri: str) -> None:
        """Delete a resource with its files; it is no error if it is not there."""
        items.delete(self.connection, uri)

    def delete_file(self, parent_uri: str, label: str, path: str) -> None:
        """Delete one file of a resource; it is no error if it is not there.

        Raises
        ------
        Refused
            If the archive could read the name as a pattern or a list, and delete other files.
        """
        if not uris.is_literal(path):
            hint = "delete it on the archive's own pages"
            raise Refused(f"file {path!r} of resource {label} has a name like a pattern", hint=hint)
        items.delete(self.connection, uris.file(parent_uri, label, path))

    # -- files -----------------------------------------------------------------------------------

    def list_resources(self, parent_uri: str) -> dict[str, Resource]:
        """List resources by label; see `cci.xnat.files.list_resources`."""
        return files.list_resources(self.connection, parent_uri)

    def list_files(self, parent_uri: str, labels: Iterable[str] | None = None) -> files.Files:
        """List the files of several resources in one request; see `cci.xnat.files.list_files`."""
        return files.list_files(self.connection, parent_uri, labels)

    def download(
        self,
        parent_uri: str,
        labels: Iterable[str],
        destination: Path,
        expected: Mapping[str, Sequence[File]] | None = None,
    ) -> list[Path]:
        """Download resources and check every file; see `cci.xnat.download.download`."""
        return download.download(self.connection, parent_uri, labels, destination, expected)

    def upload(self, parent_uri: str, label: str, directory: Path, *, overwrite: bool = False) -> None:
        """Upload a folder into a resource in one request; see `cci.xnat.upload.upload`."""
        upload.upload(self.connection, parent_uri, label, directory, overwrite=overwrite)

    def upload_files(
        self, parent_uri: str, label: str, paths: Mapping[str, Path], *, overwrite: bool = False
    ) -> None:
        """Upload files into a resource in one request; see `cci.xnat.upload.upload_files`."""
        upload.upload_files(self.connection, parent_uri, label, paths, overwrite=overwrite)

    def put_bytes(self, parent_uri: str, resource: str, name: str, content: bytes) -> None:
        """Write one small file, in place of an earlier one; see `cci.xnat.upload.put_bytes`."""
        upload.put_bytes(self.connection, parent_uri, resource, name, content)

    def verify(self, parent_uri: str, expected: Mapping[str, Iterable[File]]) -> list[str]:
        """Compare resources with what they should hold; see `cci.xnat.files.verify`."""
        return files.verify(self.connection, parent_uri, expected)

    # -- records ---------------------------------------------------------------------------------

    def read_json(self, parent_uri: str, resource: str, name: str) -> dict[str, Any] | None:
        """Read a JSON object that is kept as a file; None only if the archive says it is not there."""
        return files.read_value(self.connection, parent_uri, resource, name)

    def write_json(
        self, parent_uri: str, resource: str, name: str, value: Mapping[str, Any], *, overwrite: bool = True
    ) -> None:
        """Write a JSON object as a file; see `cci.xnat.upload.put_bytes`."""
        content = upload.as_json(dict(value))
        upload.put_bytes(self.connection, parent_uri, resource, name, content, overwrite=overwrite)
