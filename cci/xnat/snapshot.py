"""The snapshot of a project, from a number of bulk requests that does not depend on its size.

The requests are in `cci.xnat.listings`, the joining of their rows in `cci.xnat.assemble`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType

from cci.errors import Forbidden, Malformed, NotFound, Refused
from cci.model import Assessor, Project
from cci.xnat import assemble, listings, uris
from cci.xnat.answers import Answer, Kind, read_json
from cci.xnat.connection import Connection
from cci.xnat.files import list_files, measured
from cci.xnat.known import Known, young
from cci.xnat.tables import Row, Table

SESSION_ASSESSORS = ("proc:genProcData",)
SUBJECT_ASSESSORS = ("proc:subjGenProcData",)
#: Resources of a project whose label begins so hold the file of a project-level task.
TASK_RESOURCE_PREFIX = "CCI_"
TASK_FILE = "task.json"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a look at a project takes in besides its sessions with their assessors.

    Attributes
    ----------
    subject_assessors
        Types of assessors on subjects; those that the archive does not know are in `Project.missing_types`.
    project_tasks
        Whether to read the project's own resources and task files.
    """

    subject_assessors: tuple[str, ...] = SUBJECT_ASSESSORS
    project_tasks: bool = False


#: What most looks take in.
USUAL = Scope()


def look(connection: Connection, project_id: str, *, scope: Scope = USUAL, now: datetime) -> Known:
    """Read all that a sweep needs of a project, and that the next look needs; see `cci.xnat.refresh`.

    Costs four requests, one for each assessor type and one for each session type in the project (one more
    if it is empty); with project-level tasks one more, and one for each of them. The stamps of sessions are
    read before their content: what changes in between is found the next time.

    Parameters
    ----------
    connection
        The archive.
    project_id
        The project.
    scope
        What is read.
    now
        The time that the snapshot is of.

    Raises
    ------
    NotFound
        If the archive has no such project, or does not show it to this account.
    Forbidden
        If the account may not read the project's data.
    Unreachable, Malformed, LoginRefused
        If any of the listings is not whole; there are no half snapshots.
    """
    ask = partial(listings.fetch, connection)
    experiments = _experiments(connection, project_id)
    subjects = ask(listings.subjects(project_id), assemble.by_id)
    if not any(row["project"] == project_id for row in (*experiments.values(), *subjects.values())):
        _check_existence(connection, project_id)
    stamps = Stamps.read(connection, project_id, likely_types(experiments.values()))
    images = ask(listings.scans(project_id), assemble.gather_scans)
    resources = ask(listings.session_resources(project_id), assemble.gather_session_resources)
    missing: set[str] = set()
    of_sessions = _all_assessors(connection, project_id, SESSION_ASSESSORS, experiments, missing)
    of_subjects = subject_assessors(connection, project_id, scope.subject_assessors, missing)
    types = frozenset(assemble.session_types(experiments, images))
    late = Stamps.read(connection, project_id, sorted(types - stamps.types))
    parts = assemble.Parts(
        experiments=experiments,
        subjects=subjects,
        images=images,
        resources=resources,
        last_modified=stamps.times | late.times,
        assessors=assemble.grouped(of_sessions),
        subject_assessors=assemble.grouped(of_subjects),
    )
    project = assemble.assemble(project_id, parts, now=now, missing_types=missing)
    return Known(
        project=with_tasks(connection, project) if scope.project_tasks else project,
        parts=parts,
        # what was made or deleted while this was read is new or gone the next time
        listed={
            key: row for key, row in (stamps.rows | late.rows).items() if key in images and key in experiments
        },
        types=types,
        others=frozenset({row["xsitype"] for row in experiments.values()} - types),
        young=stamps.young() | late.rows.keys(),
        read=frozenset(images),
    )


def likely_types(experiments: Iterable[Row]) -> list[str]:
    """Return the types that are image sessions by their name; which ones are is known by their scans only."""
    types = {row["xsitype"] for row in experiments}
    return sorted(each for each in types if each.lower().endswith("sessiondata"))


@dataclass(frozen=True, kw_only=True)
class Stamps:
    """The sessions of some types: their rows, and when each was last changed."""

    types: frozenset[str]
    rows: dict[str, Row]
    times: dict[str, str]
    dates: dict[str, datetime | None]

    @classmethod
    def read(cls, connection: Connection, project_id: str, types: Sequence[str]) -> Stamps:
        """Read them, by one request for each type."""
        rows: dict[str, Row] = {}
        times: dict[str, str] = {}
        dates: dict[str, datetime | None] = {}
        for xsi_type in types:
            gather = partial(assemble.gather_stamps, xsi_type=xsi_type)
            listing = listings.last_modified(project_id, xsi_type)
            found, date = listings.fetch_dated(connection, listing, gather)
            for key, (row, stamp) in found.items():
                rows[key], times[key], dates[key] = row, stamp, date
        return cls(types=frozenset(types), rows=rows, times=times, dates=dates)

    def young(self) -> frozenset[str]:
        """Return the sessions that have to be read again; see `cci.xnat.known.is_young`."""
        return young(self.times, self.dates)


@contextmanager
def _naming(connection: Connection, project_id: str) -> Iterator[None]:
    """Name the project where the archive only knows an address."""
    where = f"in the archive {connection.url}"
    try:
        yield
    except NotFound as error:
        hint = "check the project's id, and that this account is a member of it"
        raise NotFound(f"there is no project {project_id} {where}", hint=hint) from error
    except Forbidden as error:
        raise Forbidden(f"this account may not read the data of project {project_id} {where}") from error


def _experiments(connection: Connection, project_id: str) -> Mapping[str, Row]:
    with _naming(connection, project_id):
        return listings.fetch(connection, listings.experiments(project_id), assemble.by_id)


def _check_existence(connection: Connection, project_id: str) -> None:
    """Ask for the project itself: some archives answer for a missing one with an empty or foreign listing."""
    with _naming(connection, project_id):
        connection.get(uris.project(project_id), Answer.json, kind=Kind.JSON, params={"format": "json"})


def _all_assessors(
    connection: Connection,
    project_id: str,
    types: Sequence[str],
    experiments: Mapping[str, Row],
    missing: set[str],
    *,
    of_subject: bool = False,
) -> list[Assessor]:
    found: list[Assessor] = []
    for xsi_type in types:

        def gather(table: Table, xsi_type: str = xsi_type) -> list[Assessor]:
            return assemble.gather_assessors(table, xsi_type, experiments, of_subject=of_subject)

        try:
            listing = listings.assessors(project_id, xsi_type, of_subject=of_subject)
            found += listings.fetch(connection, listing, gather)
        except Refused:
            missing.add(xsi_type)
        except Malformed:
            # an XNAT answers with nothing at all: that may be an outage, too
            if listings.knows_type(connection, xsi_type):
                raise
            missing.add(xsi_type)
    return found


def subject_assessors(
    connection: Connection, project_id: str, types: Sequence[str], missing: set[str]
) -> list[Assessor]:
    """Read all assessors of subjects; types that the archive does not know go to *missing*."""
    return _all_assessors(connection, project_id, types, {}, missing, of_subject=True)


def with_tasks(connection: Connection, project: Project) -> Project:
    """Add the project's own resources, and the files of its project-level tasks."""
    uri = uris.project(project.id)
    listing = list_files(connection, uri)
    tasks = {
        label: connection.get(uris.file(uri, label, TASK_FILE), read_json, kind=Kind.JSON)
        for label, files in listing.items()
        if label.startswith(TASK_RESOURCE_PREFIX) and any(file.path == TASK_FILE for file in files)
    }
    return replace(
        project,
        resources=MappingProxyType({label: measured(label, files) for label, files in listing.items()}),
        task_files=MappingProxyType({label: task for label, task in tasks.items() if isinstance(task, dict)}),
    )
