"""Import of whole sessions: a zip, a tar or a single DICOM file comes in, and lies in the archive at once.

There is no prearchive: what XNAT would leave there for a person to look at, goes into the archive, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import Response

from cci.archive import audit
from cci.archive.access import check_edit
from cci.archive.address import Address, parse_address
from cci.archive.archives import unpack
from cci.archive.call import Call, text_response
from cci.archive.creation import Creator
from cci.archive.dicom import Instance, Scan, Study, plain_label, plan_studies, read_instance
from cci.archive.errors import BadRequest, Collision, NotAllowed, Unprocessable
from cci.archive.loading import ensure_item
from cci.archive.routes.site import Site
from cci.archive.store.blobs import Blob
from cci.archive.store.catalog import Labels, NewFile, add_files, create_resource, find_resource
from cci.archive.store.database import Connection
from cci.archive.store.items import find_project
from cci.archive.tree import find

_COPY = 1 << 20
_HANDLERS = frozenset({"", "dicom-zip", "si", "gradual-dicom"})
_POLICIES = frozenset({"none", "append", "delete"})
_DICOM = Labels(format="DICOM", content="RAW")


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Where a request wants its session; empty names come from the headers."""

    project: str = ""
    subject: str = ""
    session: str = ""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """DICOM files that have arrived, with their headers, position by position."""

    blobs: tuple[Blob, ...]
    instances: tuple[Instance, ...]


def import_session(_site: Site, call: Call) -> Response:
    """Put the DICOM files of a request into sessions, and answer the address of each.

    Raises
    ------
    NotAllowed
        The import handler is none for DICOM.
    Unprocessable
        There is no DICOM file among them, or one that is none and ``Ignore-Unparsable`` is not said.
    Collision
        A session is there already, and ``overwrite`` is neither append nor delete.
    """
    handler = call.get("import-handler")
    if handler.lower() not in _HANDLERS:
        raise NotAllowed(f"this archive imports DICOM only, not by {handler[:80]}")
    policy = call.get("overwrite", "none").lower()
    if policy not in _POLICIES:
        raise BadRequest("overwrite= is none, append or delete")
    made = [each.blob.name for each in call.uploads]
    try:
        arrival = _arrived(call, made)
        uris = _store(call, arrival, _goal(call), policy)
    finally:
        call.store.blobs.release(made)
    return text_response("".join(f"{uri}\r\n" for uri in uris))


def _goal(call: Call) -> Goal:
    """Read the goal: parameters of their own go before ``dest``."""
    below = re.sub(r"^/*(data/)?(archive|prearchive)/*", "", call.get("dest"))
    address = parse_address(below)
    return Goal(
        project=call.get("project") or address.project,
        subject=call.get("subject") or call.get("subject_ID") or address.subject,
        session=call.get("session") or call.get("expt_label") or address.experiment,
    )


# -- what came ----------------------------------------------------------------------------------------


def _arrived(call: Call, made: list[str]) -> Arrival:
    """Unpack and read; the names of all contents that were made are noted in *made*."""
    pairs: list[tuple[Blob, Instance]] = []
    for upload in call.uploads:
        for blob in _contents(call, upload.blob):
            made.append(blob.name)
            instance = read_instance(call.store.blobs.path(blob.name))
            if instance is not None:
                pairs.append((blob, instance))
            elif not call.flag("Ignore-Unparsable"):
                raise Unprocessable("there is a file in it that is no DICOM image")
    if not pairs:
        raise Unprocessable("the request has no DICOM images in it")
    return Arrival(blobs=tuple(blob for blob, _ in pairs), instances=tuple(each for _, each in pairs))


def _contents(call: Call, blob: Blob) -> Iterator[Blob]:
    kind = _kind(call, blob)
    if not kind:
        yield blob
        return
    for member, stream in unpack(call.store.blobs.path(blob.name), f"import{kind}", call.store.limits):
        if member.rpartition("/")[2].upper() == "DICOMDIR" or "__MACOSX/" in member:
            continue
        with call.store.blobs.create() as writer:
            while part := stream.read(_COPY):
                writer.write(part)
            # one by one: what was made before it turns out to be a bomb is known, and removed
            yield writer.finish()


def _kind(call: Call, blob: Blob) -> str:
    """Return the ending that tells how to unpack a content, empty for a single file: by its first bytes."""
    with call.store.blobs.path(blob.name).open("rb") as stream:
        beginning = stream.read(264)
    if beginning.startswith(b"PK"):
        return ".zip"
    return ".tar.gz" if beginning.startswith(b"\x1f\x8b") or beginning[257:262] == b"ustar" else ""


# -- where it goes --------------------------------------------------------------------------------------


def _store(call: Call, arrival: Arrival, goal: Goal, policy: str) -> list[str]:
    studies = plan_studies(list(arrival.instances))
    if len(studies) > 1 and goal.session:
        raise Unprocessable(f"these are {len(studies)} studies, which cannot all become {goal.session[:80]}")
    with call.store.database.write() as connection:
        keeper = _Keeper(connection, call, arrival, policy)
        return [keeper.store(study, goal) for study in studies]


class _Keeper:
    """Stores studies in one transaction."""

    def __init__(self, connection: Connection, call: Call, arrival: Arrival, policy: str) -> None:
        self._connection = connection
        self._creator = Creator(connection, call.user, call.stamp(), call.store.site)
        self._stamp = call.stamp()
        self._arrival = arrival
        self._policy = policy

    def store(self, study: Study, goal: Goal) -> str:
        """Store one study and return the address of its session."""
        subject = self._subject(study, goal)
        address = subject.member("experiments", self._name("session", goal.session, study.session))
        self._check(address)
        ensure_item(self._connection, self._creator, subject, "xnat:subjectData")
        kind = study.data_type.name
        audit.wrote(ensure_item(self._connection, self._creator, address, kind, study.fields).id)
        for scan in study.scans:
            self._store_scan(address.member("scans", scan.id), scan)
        below = f"subjects/{address.subject}/experiments/{address.experiment}"
        return f"/data/archive/projects/{address.project}/{below}"

    def _subject(self, study: Study, goal: Goal) -> Address:
        project = find_project(self._connection, goal.project or study.project)
        if project is None:
            raise Unprocessable(
                f"there is no project {(goal.project or study.project)[:80]!r}; say project= or dest="
            )
        name = self._name("subject", goal.subject, study.subject)
        return Address().member("projects", project.id).member("subjects", name)

    @staticmethod
    def _name(what: str, given: str, proposed: str) -> str:
        name = given or plain_label(proposed)
        if not name:
            raise Unprocessable(f"the headers propose no {what}; say {what}=")
        return name

    def _check(self, address: Address) -> None:
        known = find(self._connection, self._creator.user, address).item
        if known is None:
            return
        check_edit(self._connection, self._creator.user, known)
        if self._policy == "none":
            raise Collision(f"the session {known.label} exists; say overwrite=append or overwrite=delete")

    def _store_scan(self, address: Address, scan: Scan) -> None:
        item = ensure_item(self._connection, self._creator, address, scan.data_type.name, scan.fields)
        resource = find_resource(self._connection, item, "", "DICOM")
        if resource is None:
            resource = create_resource(self._connection, item, ("", "DICOM"), _DICOM, self._stamp)
        files = {each.path: each for each in map(self._file, scan.instances)}
        overwrite = self._policy == "delete"
        add_files(self._connection, resource, list(files.values()), self._stamp, overwrite=overwrite)

    def _file(self, position: int) -> NewFile:
        path = self._arrival.instances[position].file_name
        return NewFile(path=path, blob=self._arrival.blobs[position], labels=_DICOM)
