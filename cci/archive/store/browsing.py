"""What the pages for people ask of the store: one screen of it, with its counts. Reading only.

Every statement has a limit or is about one item's own parts, so that no page reads a whole
project into memory. Who may read what is decided before: nothing here knows a user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from cci.archive.store import schema
from cci.archive.store.catalog import FileRow, ResourceRow, file_row
from cci.archive.store.items import Item, table_of
from cci.archive.types import Family

#: Kinds of experiments that are a subject's own, and those that belong to a session.
_OWN, _TASKS = ("session", "subject"), ("image",)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which rows of a longer list are shown; *words* narrow it to labels that have them."""

    words: str = ""
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class ProjectRow:
    """A project in the list of projects, with how much it owns or shares."""

    pk: int
    id: str
    name: str
    description: str
    accessibility: str
    subjects: int = 0
    sessions: int = 0
    tasks: int = 0


@dataclass(frozen=True, kw_only=True)
class SubjectRow:
    """A subject as a project sees it; *here* is False if the project sees only sessions of it."""

    pk: int
    id: str
    label: str
    here: bool = True


@dataclass(frozen=True, kw_only=True)
class ExperimentRow:
    """A session or another experiment of a subject, as a project sees it.

    Attributes
    ----------
    more
        How many there are of the same subject, this one included.
    tasks
        Number of its assessors by procstatus.
    """

    pk: int
    id: str
    label: str
    xsi_type: str
    date: str
    subject_pk: int
    more: int
    scans: int = 0
    tasks: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A file of a resource SNAPSHOTS, and the scan or assessor that it belongs to."""

    owner_pk: int
    grouping: str
    path: str
    content: str


def _has(words: str, *columns: ColumnElement[str]) -> ColumnElement[bool]:
    # both sides are lowered by the database, so that they are lowered alike
    pattern = "%" + words.replace("/", "//").replace("%", "/%").replace("_", "/_") + "%"
    return or_(*(func.lower(column).like(func.lower(pattern), escape="/") for column in columns))


# -- projects ---------------------------------------------------------------------------------------


def count_projects(connection: Connection, readable: frozenset[int] | None, words: str) -> int:
    """Count the readable projects that have these words in id or name."""
    query = _projects(readable, words).subquery()
    return int(connection.execute(select(func.count()).select_from(query)).scalar_one())


def projects(connection: Connection, readable: frozenset[int] | None, window: Window) -> list[ProjectRow]:
    """Return a screen of the readable projects, by id; *readable* None means all."""
    query = _projects(readable, window.words).order_by(schema.project.c.id)
    found = connection.execute(query.limit(window.limit).offset(window.offset)).mappings().all()
    keys = [row["pk"] for row in found]
    subjects = _count_by(connection, schema.subject_place, keys)
    sessions = _count_by(connection, schema.experiment_place, keys, _OWN)
    tasks = _count_by(connection, schema.experiment_place, keys, _TASKS)
    return [
        ProjectRow(
            pk=row["pk"],
            id=row["id"],
            name=row["f_name"] or "",
            description=row["data"].get("description", ""),
            accessibility=row["accessibility"],
            subjects=subjects.get(row["pk"], 0),
            sessions=sessions.get(row["pk"], 0),
            tasks=tasks.get(row["pk"], 0),
        )
        for row in found
    ]


def _projects(readable: frozenset[int] | None, words: str) -> Select[Any]:
    table = schema.project
    query = select(table.c.pk, table.c.id, table.c.f_name, table.c.accessibility, table.c.data)
    if readable is not None:
        query = query.where(table.c.pk.in_(readable))
    return query.where(_has(words, table.c.id, table.c.f_name)) if words else query


def _count_by(
    connection: Connection, place: Table, keys: Sequence[int], kinds: tuple[str, ...] = ()
) -> dict[int, int]:
    query = select(place.c.project_pk, func.count()).where(place.c.project_pk.in_(keys))
    if kinds:
        query = query.where(place.c.kind.in_(kinds))
    return {row[0]: row[1] for row in connection.execute(query.group_by(place.c.project_pk))}


def count_parts(connection: Connection, project: Item) -> tuple[int, int]:
    """Return how many subjects and how many of their experiments a project owns or shares."""
    subjects = _count_by(connection, schema.subject_place, [project.pk])
    sessions = _count_by(connection, schema.experiment_place, [project.pk], _OWN)
    return subjects.get(project.pk, 0), sessions.get(project.pk, 0)


def task_statuses(connection: Connection, project: Item) -> list[tuple[str, int]]:
    """Return the number of assessors that a project owns, by procstatus; those without one come as empty."""
    table = schema.experiment
    status = func.coalesce(table.c.f_procstatus, "")
    query = select(status, func.count()).where(table.c.project_pk == project.pk, table.c.kind == "image")
    return [(row[0], row[1]) for row in connection.execute(query.group_by(status).order_by(status))]


# -- subjects and their experiments -----------------------------------------------------------------


def count_subjects(connection: Connection, project: Item, words: str, status: str) -> int:
    """Count what `subjects` has."""
    query = _subjects(project, words, status).subquery()
    return int(connection.execute(select(func.count()).select_from(query)).scalar_one())


def subjects(connection: Connection, project: Item, window: Window, status: str = "") -> list[SubjectRow]:
    """Return a screen of the subjects of a project, by label.

    Parameters
    ----------
    window
        Its words are looked for in labels and ids of subjects and of their experiments.
    status
        Only subjects of which an experiment has an assessor of this procstatus.
    """
    query = _subjects(project, window.words, status)
    rows = connection.execute(query.order_by("label", "pk").limit(window.limit).offset(window.offset))
    return [SubjectRow(pk=row.pk, id=row.id, label=row.label, here=bool(row.here)) for row in rows]


def _subjects(project: Item, words: str, status: str) -> Select[Any]:
    subject, place = schema.subject, schema.subject_place
    mine = select(subject.c.pk, subject.c.id, place.c.label, literal_column("1").label("here")).join(
        place, and_(place.c.subject_pk == subject.c.pk, place.c.project_pk == project.pk)
    )
    experiment, seen = schema.experiment, schema.experiment_place
    known = select(place.c.subject_pk).where(place.c.project_pk == project.pk)
    through = (
        select(subject.c.pk, subject.c.id, subject.c.label, literal_column("0").label("here"))
        .join(experiment, experiment.c.subject_pk == subject.c.pk)
        .join(seen, and_(seen.c.experiment_pk == experiment.c.pk, seen.c.project_pk == project.pk))
        .where(~seen.c.owner, seen.c.kind.in_(_OWN), subject.c.pk.not_in(known))
        .distinct()
    )
    every = union_all(mine, through).subquery("every")
    query = select(every.c.pk, every.c.id, every.c.label, every.c.here)
    if words:
        found = _subject_keys(project, words, "")
        query = query.where(or_(_has(words, every.c.label, every.c.id), every.c.pk.in_(found)))
    if status:
        query = query.where(every.c.pk.in_(_subject_keys(project, "", status)))
    return query


def _subject_keys(project: Item, words: str, status: str) -> Select[Any]:
    """Select the subjects of experiments that have these words, or an assessor of this procstatus."""
    experiment, place = schema.experiment, schema.experiment_place
    query = (
        select(experiment.c.subject_pk)
        .select_from(place.join(experiment, experiment.c.pk == place.c.experiment_pk))
        .where(place.c.project_pk == project.pk, place.c.kind.in_(_OWN))
    )
    if words:
        query = query.where(_has(words, place.c.label, experiment.c.id))
    if status:
        task = schema.experiment.alias("task")
        having = select(task.c.session_pk).where(
            task.c.project_pk == project.pk, task.c.kind == "image", task.c.f_procstatus == status
        )
        query = query.where(experiment.c.pk.in_(having))
    return query


def experiments(
    connection: Connection,
    project: Item,
    subjects: Iterable[SubjectRow],
    window: Window,
    status: str = "",
) -> list[ExperimentRow]:
    """Return experiments of these subjects that a project sees, by label.

    Parameters
    ----------
    window
        Counted for each subject by itself. Its words narrow the experiments of a subject that has them not
        in its own label.
    """
    chosen = {row.pk: row for row in subjects}
    named = [row.pk for row in chosen.values() if _in(window.words, row.label) or _in(window.words, row.id)]
    experiment, place = schema.experiment, schema.experiment_place
    columns = [experiment.c.pk, experiment.c.id, place.c.label, experiment.c.xsi_type]
    order = (place.c.label, experiment.c.pk)
    ranked = (
        select(
            *columns,
            func.coalesce(experiment.c.f_date, "").label("date"),
            experiment.c.subject_pk,
            func.row_number().over(partition_by=experiment.c.subject_pk, order_by=order).label("rank"),
            func.count().over(partition_by=experiment.c.subject_pk).label("more"),
        )
        .join(place, and_(place.c.experiment_pk == experiment.c.pk, place.c.project_pk == project.pk))
        .where(experiment.c.subject_pk.in_(chosen), place.c.kind.in_(_OWN))
    )
    if window.words:
        ranked = ranked.where(
            or_(experiment.c.subject_pk.in_(named), _has(window.words, place.c.label, experiment.c.id))
        )
    if status:
        task = schema.experiment.alias("task")
        ranked = ranked.where(
            exists().where(task.c.session_pk == experiment.c.pk, task.c.f_procstatus == status)
        )
    each = ranked.subquery("each")
    query = select(each).where(each.c.rank > window.offset, each.c.rank <= window.offset + window.limit)
    rows = connection.execute(query.order_by(each.c.subject_pk, each.c.rank)).all()
    return _with_counts(connection, rows)


def _in(words: str, text: str) -> bool:
    return words.lower() in text.lower()


def _with_counts(connection: Connection, rows: Sequence[Any]) -> list[ExperimentRow]:
    keys = [row.pk for row in rows]
    scan, task = schema.scan, schema.experiment
    counted = select(scan.c.session_pk, func.count()).where(scan.c.session_pk.in_(keys))
    scans = {row[0]: row[1] for row in connection.execute(counted.group_by(scan.c.session_pk))}
    status = func.coalesce(task.c.f_procstatus, "")
    grouped = select(task.c.session_pk, status, func.count()).where(task.c.session_pk.in_(keys))
    tasks: dict[int, list[tuple[str, int]]] = {}
    for key, word, count in connection.execute(grouped.group_by(task.c.session_pk, status).order_by(status)):
        tasks.setdefault(key, []).append((word, count))
    return [
        ExperimentRow(
            pk=row.pk,
            id=row.id,
            label=row.label,
            xsi_type=row.xsi_type,
            date=row.date,
            subject_pk=row.subject_pk,
            more=row.more,
            scans=scans.get(row.pk, 0),
            tasks=tuple(tasks.get(row.pk, ())),
        )
        for row in rows
    ]


# -- files ------------------------------------------------------------------------------------------


def pictures(connection: Connection, session: Item, family: Family) -> list[Picture]:
    """Return the files of the resources SNAPSHOTS of all scans, or all assessors, of a session."""
    part, resource, file = table_of(family), schema.resource, schema.file
    query = (
        select(part.c.pk, resource.c.grouping, file.c.path, file.c.content)
        .join(resource, resource.c[f"{family.value}_pk"] == part.c.pk)
        .join(file, file.c.resource_pk == resource.c.pk)
        .where(part.c.session_pk == session.pk, resource.c.label == "SNAPSHOTS")
        .order_by(part.c.pk, file.c.path)
    )
    return [
        Picture(owner_pk=row[0], grouping=row[1], path=row[2], content=row[3] or "")
        for row in connection.execute(query)
    ]


def files(connection: Connection, resource: ResourceRow, window: Window) -> list[FileRow]:
    """Return a screen of the files of a resource, by path."""
    table = schema.file
    query = select(table).where(table.c.resource_pk == resource.pk)
    if window.words:
        query = query.where(_has(window.words, table.c.path))
    screen = query.order_by(table.c.path).limit(window.limit).offset(window.offset)
    return [file_row(row) for row in connection.execute(screen).mappings()]


def count_files(connection: Connection, resource: ResourceRow, words: str) -> int:
    """Count the files of a resource that have these words in their path."""
    table = schema.file
    query = select(func.count()).where(table.c.resource_pk == resource.pk)
    return int(connection.execute(query.where(_has(words, table.c.path)) if words else query).scalar_one())


def project_keys(connection: Connection, names: Sequence[str]) -> list[tuple[str, int]]:
    """Return (id, key) of these projects, by id."""
    table = schema.project
    query = select(table.c.id, table.c.pk).where(table.c.id.in_(names)).order_by(table.c.id)
    return [(row[0], row[1]) for row in connection.execute(query)]
