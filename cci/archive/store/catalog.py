"""Resources and their files: what is known of them. Contents are in `blobs`; nothing here touches a disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from cci.archive.errors import Collision
from cci.archive.store import schema
from cci.archive.store.blobs import Blob
from cci.archive.store.items import Item, part_item, table_of
from cci.archive.store.prepared import Prepared
from cci.archive.store.writing import Stamp, touch
from cci.archive.types import Family

#: A resource's number; longer ones are no keys of a database.
_NUMBER = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Free words that people put on a resource or a file."""

    format: str = ""
    content: str = ""
    description: str = ""
    tags: str = ""


@dataclass(frozen=True, kw_only=True)
class ResourceRow:
    """One resource with the item that it belongs to. Sizes are in bytes."""

    pk: int
    owner: Item
    grouping: str
    label: str
    file_count: int
    file_size: int
    labels: Labels = field(default_factory=Labels)


@dataclass(frozen=True, kw_only=True)
class FileRow:
    """One file of a resource. *md5* is lower-case hex, *blob* the name of its content."""

    path: str
    size: int
    md5: str
    blob: str
    created_by: str
    created_at: str
    labels: Labels = field(default_factory=Labels)


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A content that is on disk and shall become the file *path* of a resource."""

    path: str
    blob: Blob
    labels: Labels = field(default_factory=Labels)


def resources_of(connection: Connection, owner: Item, grouping: str | None = None) -> list[ResourceRow]:
    """Return the resources of an item, oldest first; *grouping* None means in and out alike."""
    table = schema.resource
    query = select(table).where(table.c[f"{owner.family.value}_pk"] == owner.pk).order_by(table.c.pk)
    if grouping is not None:
        query = query.where(table.c.grouping == grouping)
    return [_resource(row, owner) for row in connection.execute(query).mappings()]


def resources_of_parts(connection: Connection, session: Item, family: Family) -> list[ResourceRow]:
    """Return the resources of all scans, reconstructions or assessors of a session, in one query."""
    part, table = table_of(family), schema.resource
    key = table.c[f"{family.value}_pk"]
    query = (
        select(part, *(column.label(f"r_{column.name}") for column in table.c))
        .join(table, key == part.c.pk)
        .where(part.c.session_pk == session.pk)
        .order_by(part.c.pk, table.c.pk)
    )
    rows = connection.execute(query).mappings()
    return [_joined_resource(row, part_item(family, row, session)) for row in rows]


def find_resource(connection: Connection, owner: Item, grouping: str, name: str) -> ResourceRow | None:
    """Find a resource of an item by label, or by its number."""
    number = int(name) if _NUMBER.fullmatch(name) else None
    query = _resource_query(owner.family)
    row = query.first(connection, owner=owner.pk, grouping=grouping, name=name, number=number)
    return None if row is None else _resource(row, owner)


@cache
def _resource_query(family: Family) -> Prepared:
    table = schema.resource
    named = and_(table.c.label == bindparam("name"), table.c.grouping == bindparam("grouping"))
    mine = table.c[f"{family.value}_pk"] == bindparam("owner")
    query = select(table).where(mine, or_(named, table.c.pk == bindparam("number", type_=BigInteger)))
    return Prepared(query.order_by(case((named, 0), else_=1)))


def resource_exists(connection: Connection, number: str) -> bool:
    """Whether any item of the archive has a resource of this number."""
    table = schema.resource
    return _NUMBER.fullmatch(number) is not None and (
        connection.execute(select(table.c.pk).where(table.c.pk == int(number))).first() is not None
    )


def create_resource(
    connection: Connection, owner: Item, place: tuple[str, str], labels: Labels, stamp: Stamp
) -> ResourceRow:
    """Create an empty resource; *place* is (grouping, label).

    Raises
    ------
    Collision
        The item has one of this label.
    """
    grouping, label = place
    if any(each.label == label for each in resources_of(connection, owner, grouping)):
        raise Collision("Specified resource already exists.")
    values = {
        f"{owner.family.value}_pk": owner.pk,
        "grouping": grouping,
        "label": label,
        "format": labels.format,
        "content": labels.content,
        "description": labels.description,
        "tags": labels.tags,
    }
    key = connection.execute(insert(schema.resource).values(values)).inserted_primary_key
    assert key is not None
    touch(connection, owner, stamp)
    return ResourceRow(
        pk=key[0], owner=owner, grouping=grouping, label=label, file_count=0, file_size=0, labels=labels
    )


def delete_resource(connection: Connection, resource: ResourceRow, stamp: Stamp) -> None:
    """Delete a resource with its files."""
    connection.execute(delete(schema.resource).where(schema.resource.c.pk == resource.pk))
    touch(connection, resource.owner, stamp)


def files_of(connection: Connection, resource: ResourceRow) -> list[FileRow]:
    """Return the files of a resource, by path."""
    query = _files(resource).order_by(schema.file.c.path)
    return [file_row(row) for row in connection.execute(query).mappings()]


def find_file(connection: Connection, resource: ResourceRow, path: str) -> FileRow | None:
    """Find one file of a resource by its path."""
    row = _file_query().first(connection, resource=resource.pk, path=path)
    return None if row is None else file_row(row)


@cache
def _file_query() -> Prepared:
    table = schema.file
    here = (table.c.resource_pk == bindparam("resource"), table.c.path == bindparam("path"))
    return Prepared(select(table).where(*here))


def add_files(
    connection: Connection, resource: ResourceRow, files: Sequence[NewFile], stamp: Stamp, *, overwrite: bool
) -> list[str]:
    """Catalogue contents; return the paths that were there already and stayed as they were."""
    sizes = _sizes(connection, resource, files)
    duplicates, count, size = [], 0, 0
    for new in files:
        old = sizes.get(new.path)
        if old is not None and not overwrite:
            duplicates.append(new.path)
            continue
        _put_file(connection, resource, new, stamp, replace_it=old is not None)
        count, size = count + (old is None), size + new.blob.size - (old or 0)
        sizes[new.path] = new.blob.size
    # added, not counted anew: else a file would cost the more, the more there are
    _growing().run(connection, key=resource.pk, more=count, larger=size)
    touch(connection, resource.owner, stamp)
    return duplicates


def _sizes(connection: Connection, resource: ResourceRow, files: Sequence[NewFile]) -> dict[str, int]:
    """Return the size of each file that is there already, of those that matter."""
    if len(files) > 1:
        return {row.path: row.size for row in files_of(connection, resource)}
    known = (find_file(connection, resource, new.path) for new in files)
    return {row.path: row.size for row in known if row is not None}


@cache
def _growing() -> Prepared:
    table = schema.resource
    growing = update(table).where(table.c.pk == bindparam("key"))
    return Prepared(
        growing.values(
            file_count=table.c.file_count + bindparam("more", type_=BigInteger),
            file_size=table.c.file_size + bindparam("larger", type_=BigInteger),
        )
    )


def _put_file(
    connection: Connection, resource: ResourceRow, new: NewFile, stamp: Stamp, *, replace_it: bool
) -> None:
    values = {
        "size": new.blob.size,
        "md5": new.blob.md5,
        "blob": new.blob.name,
        "format": new.labels.format,
        "content": new.labels.content,
        "tags": new.labels.tags,
        "created_by": stamp.user,
        "created_at": stamp.now,
    }
    if replace_it:
        _replacing(tuple(values)).run(connection, in_resource=resource.pk, at=new.path, **values)
    else:
        values |= {"resource_pk": resource.pk, "path": new.path}
        _adding(tuple(values)).run(connection, **values)


@cache
def _adding(columns: tuple[str, ...]) -> Prepared:
    return Prepared(insert(schema.file), columns)


@cache
def _replacing(columns: tuple[str, ...]) -> Prepared:
    table = schema.file
    here = (table.c.resource_pk == bindparam("in_resource"), table.c.path == bindparam("at"))
    return Prepared(update(table).where(*here), columns)


def delete_files(connection: Connection, resource: ResourceRow, paths: Iterable[str], stamp: Stamp) -> None:
    """Take files out of a resource."""
    table = schema.file
    for path in paths:
        connection.execute(delete(table).where(table.c.resource_pk == resource.pk, table.c.path == path))
    _count(connection, resource, stamp)


def _count(connection: Connection, resource: ResourceRow, stamp: Stamp) -> None:
    file, table = schema.file, schema.resource
    counted = select(func.count(), func.coalesce(func.sum(file.c.size), 0))
    count, size = connection.execute(counted.where(file.c.resource_pk == resource.pk)).one()
    values = {"file_count": count, "file_size": size}
    connection.execute(update(table).where(table.c.pk == resource.pk).values(values))
    touch(connection, resource.owner, stamp)


def _files(resource: ResourceRow) -> Select[Any]:
    return select(schema.file).where(schema.file.c.resource_pk == resource.pk)


def _resource(row: Mapping[Any, Any], owner: Item) -> ResourceRow:
    words = {name: row[name] for name in ("format", "content", "description", "tags")}
    counts = {name: row[name] for name in ("pk", "grouping", "label", "file_count", "file_size")}
    return ResourceRow(owner=owner, labels=Labels(**words), **counts)


def _joined_resource(row: Mapping[Any, Any], owner: Item) -> ResourceRow:
    prefixed = {name.removeprefix("r_"): value for name, value in row.items() if name.startswith("r_")}
    return _resource(prefixed, owner)


def file_row(row: Mapping[Any, Any]) -> FileRow:
    """Turn a row of the table of files into a value."""
    names = ("path", "size", "md5", "blob", "created_by", "created_at")
    words = Labels(**{name: row[name] for name in ("format", "content", "tags")})
    return FileRow(labels=words, **{name: row[name] for name in names})
