"""A further look at a project that is known already: it asks what changed, and reads only that.

Costs one request for the subjects, one for each session type, and one for each changed session. Further ones:
of subject-level assessors where they are wanted, of project-level tasks likewise, and the listing of
experiments where something changed below a subject that nothing else explains.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from cci.errors import Forbidden, NotFound
from cci.model import Assessor
from cci.xnat import assemble, listings, uris
from cci.xnat.answers import Kind, read_json
from cci.xnat.assemble import Parts
from cci.xnat.connection import Connection
from cci.xnat.documents import read_session
from cci.xnat.known import (
    Known,
    Unclear,
    demand_known_types,
    out_of_date,
    unexplained,
    with_content,
    with_names,
)
from cci.xnat.snapshot import SESSION_ASSESSORS, USUAL, Scope, Stamps, subject_assessors, with_tasks
from cci.xnat.tables import Row


def refresh(connection: Connection, known: Known, *, scope: Scope = USUAL, now: datetime) -> Known:
    """Return what is known of a project now; what did not change is taken over.

    Parameters
    ----------
    known
        What an earlier look has found.
    scope
        What the look takes in; without types of assessors on subjects, those that were found are kept.

    Raises
    ------
    Unclear
        If only a look at the whole can tell how things are.
    Unreachable, Malformed, LoginRefused
        If any answer is not whole; what was known stays as it was.
    """
    project_id = known.project.id
    subjects = listings.fetch(connection, listings.subjects(project_id), assemble.by_id)
    stamps = Stamps.read(connection, project_id, sorted(known.types))
    wanted = out_of_date(known, stamps.rows, stamps.times, subjects)
    of_subjects = _of_subjects(connection, known, scope.subject_assessors)
    _explain(connection, known, subjects, _subjects_of(stamps, wanted) | _differing(known, of_subjects))
    parts = replace(
        known.parts,
        experiments=with_names(known, stamps.rows),
        subjects=subjects,
        last_modified=stamps.times,
        subject_assessors=of_subjects,
    )
    content = read_content(connection, project_id, parts, wanted)
    if any(content.images[key].project != project_id for key in wanted - known.listed.keys()):
        raise Unclear("a session that another project owns is new here")
    return _assembled(
        connection,
        replace(known, parts=with_content(parts, content), listed=stamps.rows, read=wanted, whole=False),
        project_tasks=scope.project_tasks,
        # what was not read now was read when its stamp was old enough
        young=stamps.young() & wanted,
        now=now,
    )


def reread(connection: Connection, known: Known, sessions: Collection[str], *, now: datetime) -> Known:
    """Read the content of some sessions again, whatever their stamps say.

    Raises
    ------
    Unclear
        If one of them is gone.
    """
    content = read_content(connection, known.project.id, known.parts, sessions)
    again = replace(known, parts=with_content(known.parts, content), read=known.read | set(sessions))
    return _assembled(connection, again, project_tasks=False, young=known.young, now=now)


def check(connection: Connection, known: Known) -> None:
    """Compare what bulk listings tell of one session with its document, for `refresh` relies on both.

    The session with the most in it is taken; of several such ones that which was changed least lately.

    Raises
    ------
    Unclear
        If they differ: this archive cannot be asked for single sessions, or the session just changed.
    """
    parts = known.parts
    keys = sorted(parts.images, key=lambda key: parts.last_modified.get(key, ""))
    if not keys:
        return
    richest = max(keys, key=lambda key: _richness(parts, key))
    found = read_content(connection, known.project.id, parts, [richest])
    for name in ("images", "resources", "assessors"):
        listed, read = getattr(parts, name).get(richest), getattr(found, name).get(richest)
        if (listed or None) != (read or None):
            raise Unclear(
                f"the {name} of session {richest} are not the same in its document and in the listings"
            )


def _richness(parts: Parts, key: str) -> tuple[bool, bool, bool, bool]:
    image, assessors = parts.images[key], parts.assessors.get(key, ())
    return (
        any(assessor.resources for assessor in assessors),
        any(scan.resources for scan in image.scans),
        bool(parts.resources.get(key)),
        bool(assessors),
    )


def read_content(connection: Connection, project_id: str, parts: Parts, sessions: Collection[str]) -> Parts:
    """Read the documents of sessions: their scans, resources and assessors.

    Raises
    ------
    Unclear
        If the archive does not give one of them.
    """
    read = partial(read_session, assessor_types=SESSION_ASSESSORS, lacks=connection.lacks)
    content = Parts(experiments={}, subjects={}, images={})
    for key in sorted(sessions):
        try:
            document = connection.get(uris.session(key), read_json, kind=Kind.JSON, params={"format": "json"})
        except (NotFound, Forbidden) as error:
            raise Unclear(f"session {key} is listed, and is not there") from error
        content = with_content(content, read(document, project_id, parts.experiments[key]))
    return content


def _of_subjects(
    connection: Connection, known: Known, types: Sequence[str]
) -> dict[str, tuple[Assessor, ...]]:
    """Return the assessors of subjects: read again, or kept."""
    wanted = [each for each in types if each not in known.project.missing_types]
    if not wanted:
        return dict(known.parts.subject_assessors)
    missing: set[str] = set()
    found = assemble.grouped(subject_assessors(connection, known.project.id, wanted, missing))
    if missing:
        raise Unclear(f"the archive no longer knows {', '.join(sorted(missing))}")
    return found


def _subjects_of(stamps: Stamps, sessions: Collection[str]) -> set[str]:
    return {stamps.rows[key]["subject_id"] for key in sessions}


def _differing(known: Known, of_subjects: dict[str, tuple[Assessor, ...]]) -> set[str]:
    before = known.parts.subject_assessors
    return {key for key in before.keys() | of_subjects.keys() if before.get(key) != of_subjects.get(key)}


def _explain(connection: Connection, known: Known, subjects: dict[str, Row], explained: set[str]) -> None:
    """Look whether what changed below subjects is a session of a type that nobody has seen yet."""
    if unexplained(known, subjects, explained):
        listing = listings.experiments(known.project.id)
        demand_known_types(known, listings.fetch(connection, listing, assemble.by_id).values())


def _assembled(
    connection: Connection, known: Known, *, project_tasks: bool, young: frozenset[str], now: datetime
) -> Known:
    before = known.project
    project = assemble.assemble(
        before.id,
        known.parts,
        now=now,
        resources=before.resources,
        task_files=before.task_files,
        missing_types=before.missing_types,
    )
    project = with_tasks(connection, project) if project_tasks else project
    return replace(known, project=project, young=young)
