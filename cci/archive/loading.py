"""Loads a folder of images straight into a store, without a server.

The folder is ``subject/session/scan id[-type]/RESOURCE/files…`` or ``subject/session/RESOURCE/files…``:
below a session, a folder that has files of its own is a resource, one that has only folders is a scan.
Loading the same folder again adds what is new and leaves the rest alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cci.archive.address import Address
from cci.archive.changes import Changes
from cci.archive.creation import Creator, Wanted
from cci.archive.errors import BadRequest
from cci.archive.store.accounts import User
from cci.archive.store.blobs import Blob
from cci.archive.store.catalog import Labels, NewFile, add_files, create_resource, find_resource
from cci.archive.store.database import Connection
from cci.archive.store.items import Item
from cci.archive.store.store import Store
from cci.archive.store.writing import Stamp
from cci.archive.tree import find
from cci.archive.typedefs import REGISTRY
from cci.archive.values import check_label, safe_path, timestamp
from cci.errors import UsageError

_COPY = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ResourceFolder:
    """A resource to be loaded; *scan* is empty for one of the session itself."""

    label: str
    folder: Path
    scan: str = ""
    scan_type: str = ""


@dataclass(frozen=True, kw_only=True)
class SessionFolder:
    """A session to be loaded."""

    subject: str
    label: str
    resources: tuple[ResourceFolder, ...]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was loaded. *size* is in bytes; *known* files were there before and stayed."""

    files: int = 0
    size: int = 0
    known: int = 0

    def __add__(self, other: Loaded) -> Loaded:
        return Loaded(
            files=self.files + other.files, size=self.size + other.size, known=self.known + other.known
        )


def read_tree(folder: Path) -> list[SessionFolder]:
    """Find the sessions below a folder, by subject and label.

    Raises
    ------
    BadRequest
        A folder's name cannot be a label, or there is no session at all.
    """
    sessions = [_session(subject, session) for subject in _folders(folder) for session in _folders(subject)]
    if not sessions:
        raise BadRequest(f"{folder} has no subject/session folders")
    return sessions


def _folders(folder: Path) -> list[Path]:
    # a link could lead anywhere, in a circle too
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def _session(subject: Path, session: Path) -> SessionFolder:
    return SessionFolder(
        subject=check_label(subject.name),
        label=check_label(session.name),
        resources=tuple(_resources(session)),
    )


def _resources(session: Path) -> Iterator[ResourceFolder]:
    for folder in _folders(session):
        if any(path.is_file() for path in folder.iterdir()):
            yield ResourceFolder(label=folder.name, folder=folder)
            continue
        scan, _, kind = folder.name.partition("-")
        for inner in _folders(folder):
            yield ResourceFolder(label=inner.name, folder=inner, scan=scan, scan_type=kind)


class Loader:
    """Loads sessions into one project.

    Parameters
    ----------
    user
        In whose name; who may run this owns the folder anyway, so an administrator.
    session_type
        Type of new sessions; their scans get the one that goes with it.

    Raises
    ------
    BadRequest
        There is no such type of sessions.
    """

    def __init__(
        self, store: Store, user: User, project: str, session_type: str = "xnat:mrSessionData"
    ) -> None:
        self._store = store
        self._user = user
        self._project = project
        self._session_type = REGISTRY.get(session_type)
        self._scan_type = REGISTRY.get(session_type.replace("Session", "Scan"))

    def load(self, session: SessionFolder, on_file: Callable[[Path], None] = lambda _path: None) -> Loaded:
        """Load one session: contents first, then everything that is known of it in one transaction."""
        new = {resource: list(self._copy(resource, on_file)) for resource in session.resources}
        stamp = Stamp(user=self._user.login, now=timestamp(datetime.now(UTC)))
        known = 0
        try:
            with self._store.database.write() as connection:
                creator = Creator(connection, self._user, stamp, self._store.site)
                self._refuse_twin(connection, creator, session)
                for resource, files in new.items():
                    owner = self._owner(connection, creator, session, resource)
                    known += _catalogue(connection, owner, resource.label, files, stamp)
        finally:
            self._store.blobs.release([file.blob.name for files in new.values() for file in files])
        blobs = [file.blob for files in new.values() for file in files]
        return Loaded(files=len(blobs) - known, size=sum(blob.size for blob in blobs), known=known)

    def _refuse_twin(self, connection: Connection, creator: Creator, session: SessionFolder) -> None:
        """Refuse a session whose label another subject of the project has: labels are unique in a project."""
        project = Address().member("projects", self._project)
        ensure_item(connection, creator, project, "xnat:projectData")
        twin = find(connection, self._user, project.member("experiments", session.label)).item
        subject = find(connection, self._user, project.member("subjects", session.subject)).item
        if twin is not None and (subject is None or twin.subject_pk != subject.pk):
            folder = f"{session.subject}/{session.label}"
            raise UsageError(
                f"{folder}: another subject of {self._project} has a session {session.label} already, and "
                "labels are unique in a project",
                hint=f"rename the folder, for example to {session.subject}_{session.label}",
            )

    def _copy(self, resource: ResourceFolder, on_file: Callable[[Path], None]) -> Iterator[NewFile]:
        for path in sorted(resource.folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                name = safe_path(path.relative_to(resource.folder).as_posix())
                yield NewFile(path=name, blob=self._store_content(path))
                on_file(path)

    def _store_content(self, path: Path) -> Blob:
        with path.open("rb") as source, self._store.blobs.create() as writer:
            while part := source.read(_COPY):
                writer.write(part)
            return writer.finish()

    def _owner(
        self, connection: Connection, creator: Creator, session: SessionFolder, resource: ResourceFolder
    ) -> Item:
        project = Address().member("projects", self._project)
        subject = project.member("subjects", session.subject)
        address = subject.member("experiments", session.label)
        ensure_item(connection, creator, project, "xnat:projectData")
        ensure_item(connection, creator, subject, "xnat:subjectData")
        item = ensure_item(connection, creator, address, self._session_type.name)
        if not resource.scan:
            return item
        fields = {"type": resource.scan_type} if resource.scan_type else {}
        scan = address.member("scans", resource.scan)
        return ensure_item(connection, creator, scan, self._scan_type.name, fields)


def ensure_item(
    connection: Connection,
    creator: Creator,
    address: Address,
    xsi_type: str,
    fields: Mapping[str, str] | None = None,
) -> Item:
    """Return the item of an address, which is made with these fields if it does not exist."""
    found = find(connection, creator.user, address)
    if found.item is not None:
        return found.item
    changes = Changes(fields=dict(fields or {}))
    wanted = Wanted(address=address, name=address.name, data_type=REGISTRY.get(xsi_type), changes=changes)
    return creator.put(found, wanted).item


def _catalogue(connection: Connection, owner: Item, label: str, files: list[NewFile], stamp: Stamp) -> int:
    resource = find_resource(connection, owner, "", label)
    if resource is None:
        resource = create_resource(connection, owner, ("", label), Labels(), stamp)
    return len(add_files(connection, resource, files, stamp, overwrite=False))
