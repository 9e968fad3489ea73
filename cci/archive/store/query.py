"""Turns a `Listing` into one SQL statement and runs it. What a listing means is decided in ``listing``.

The root row comes from a project's places (owned and shared), from a session, or from the whole archive;
everything else is joined to it by integer keys. Rows come in the order of the root's key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    Select,
    and_,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
)

from cci.archive.listing import Column, Compare, Condition, Listing, Node, Relation, Source
from cci.archive.store import schema
from cci.archive.store.expressions import Sql, comparison, of_types, value_of
from cci.archive.store.items import PLACES, Item
from cci.archive.typedefs import REGISTRY
from cci.archive.types import Family

_TABLES = {
    Node.PROJECT: schema.project,
    Node.SUBJECT: schema.subject,
    Node.SESSION: schema.experiment,
    Node.ASSESSOR: schema.experiment,
    Node.EXPERIMENT: schema.experiment,
    Node.SCAN: schema.scan,
    Node.RECONSTRUCTION: schema.reconstruction,
}
_EXPERIMENT_NODES = frozenset({Node.SESSION, Node.ASSESSOR, Node.EXPERIMENT})
_KINDS = {
    Node.SESSION: ("session",),
    Node.ASSESSOR: ("image",),
    Node.EXPERIMENT: ("session", "subject"),
}
#: Parents before children: a join may need the one before it.
_JOIN_ORDER = (
    Node.SESSION,
    Node.SUBJECT,
    Node.PROJECT,
    Node.EXPERIMENT,
    Node.ASSESSOR,
    Node.SCAN,
    Node.RECONSTRUCTION,
)
#: Types that are all there is of their kind: no need to look at each row's own type.
_WHOLE_KINDS = frozenset(
    {
        "xnat:experimentData",
        "xnat:subjectAssessorData",
        "xnat:imageSessionData",
        "xnat:derivedData",
        "xnat:imageAssessorData",
        "xnat:imageScanData",
    }
)
_RESOURCE_COLUMNS = {"xnat_abstractresource_id": "pk"}
_CHUNK = 2000


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which rows a listing may see.

    Attributes
    ----------
    project
        Only what this project owns or shares, under the names that it has there.
    parent
        Only what belongs to this subject or session; all parts of a session that may be read may be read.
    readable
        Keys of the projects that the user may read; None for all.
    """

    project: Item | None = None
    parent: Item | None = None
    readable: frozenset[int] | None = None


def run(connection: Connection, listing: Listing, scope: Scope) -> Iterator[tuple[Any, ...]]:
    """Run a listing; rows are tuples in the order of `headers`, with None for empty."""
    statement = _Builder(listing, scope).statement()
    result = connection.execution_options(yield_per=_CHUNK).execute(statement)
    for chunk in result.partitions():
        yield from chunk


def count(connection: Connection, listing: Listing, scope: Scope) -> int:
    """Count the rows that the listing has."""
    rows = _Builder(listing, scope).statement().order_by(None).subquery()
    return int(connection.execute(select(func.count()).select_from(rows)).scalar_one())


def headers(listing: Listing) -> list[str]:
    """Names of the columns that `run` gives."""
    return [column.header for column in listing.columns] + (["URI"] if listing.uri_prefix else [])


def unnamed_headers(listing: Listing) -> list[str]:
    """Return the names that columns have before they are renamed: XNAT sends these with an empty list."""
    names = [
        "_".join(filter(None, ("xnat", column.source.node, column.source.relation, column.path)))
        for column in listing.columns
    ]
    return [name.replace("/", "_").lower() for name in names] + (["uri"] if listing.uri_prefix else [])


class _Builder:
    def __init__(self, listing: Listing, scope: Scope) -> None:
        self._listing = listing
        self._scope = scope
        self._root = _TABLES[listing.root_node].alias("root")
        self._nodes: dict[Node, Any] = {listing.root_node: self._root}
        self._related: dict[Source, Any] = {}
        self._place: Any = None
        self._subject_place: Any = None
        self._from: FromClause = self._root

    def statement(self) -> Select[Any]:
        """Build the statement."""
        listing = self._listing
        where = self._start()
        self._join_nodes(_sources(listing))
        columns = [self._expression(column).label(column.header) for column in listing.columns]
        if listing.uri_prefix:
            columns.append((literal(listing.uri_prefix) + self._root.c.id).label("URI"))
        query = select(*columns).select_from(self._from).where(*where, self._condition(listing.where))
        ordering = [self._order(columns, name, descending=down) for name, down in listing.order]
        query = query.order_by(*(each for each in ordering if each is not None), self._key)
        # a negative limit is none
        limit = None if listing.limit is None or listing.limit < 0 else listing.limit
        return query.limit(limit).offset(listing.offset or None)

    # -- the root ---------------------------------------------------------------------------------

    @property
    def _key(self) -> Sql:
        key: Sql = self._root.c.pk if self._place is None else self._place.c[self._place_key]
        return key

    @property
    def _place_key(self) -> str:
        return PLACES[self._family][1].key

    @property
    def _family(self) -> Family:
        return Family.SUBJECT if self._listing.root_node is Node.SUBJECT else Family.EXPERIMENT

    def _start(self) -> list[Sql]:
        where = [self._root_types()]
        if self._scope.project is not None:
            where += self._through_place(self._scope.project)
        elif self._scope.parent is None or self._scope.parent.family is not Family.EXPERIMENT:
            where.append(self._may_read())
        if self._scope.parent is not None:
            parent = self._scope.parent
            key = "subject_pk" if parent.family is Family.SUBJECT else "session_pk"
            where.append(self._root.c[key] == parent.pk)
        return where

    def _root_types(self) -> Sql:
        node, listing = self._listing.root_node, self._listing
        if node not in _EXPERIMENT_NODES | {Node.SCAN}:
            return true()
        conditions: list[Sql] = []
        if listing.root.name not in _WHOLE_KINDS:
            conditions.append(self._root.c.xsi_type.in_(REGISTRY.concrete(listing.root)))
        if node in _EXPERIMENT_NODES and listing.root.name != "xnat:experimentData":
            conditions.append(self._kind(node))
        return and_(true(), *conditions)

    def _kind(self, node: Node) -> Sql:
        kinds: Sql = self._root.c.kind.in_(_KINDS[node])
        return self._root.c.kind == _KINDS[node][0] if len(_KINDS[node]) == 1 else kinds

    def _through_place(self, project: Item) -> list[Sql]:
        place, key = PLACES[self._family]
        self._place = place.alias("place")
        mine = self._place.c[key.key] == self._root.c.pk
        self._from = self._place.join(self._root, mine)
        where: list[Sql] = [self._place.c.project_pk == project.pk]
        node = self._listing.root_node
        if node in _EXPERIMENT_NODES and self._listing.root.name != "xnat:experimentData":
            where.append(self._place.c.kind.in_(_KINDS[node]))
        return where

    def _may_read(self) -> Sql:
        node, readable = self._listing.root_node, self._scope.readable
        if node is Node.PROJECT:
            return true() if readable is None else self._root.c.pk.in_(readable)
        part = node in {Node.SCAN, Node.RECONSTRUCTION}
        return self._seen(self._family, self._root.c["session_pk" if part else "pk"])

    def _seen(self, family: Family, key: Sql) -> Sql:
        """Return the condition that a subject or experiment is in a project that may be read."""
        if self._scope.readable is None:
            return true()
        place, its_key = PLACES[family]
        return key.in_(select(its_key).where(place.c.project_pk.in_(self._scope.readable)))

    # -- joins ------------------------------------------------------------------------------------

    def _join_nodes(self, sources: set[Source]) -> None:
        wanted = {source.node for source in sources} - {self._listing.root_node}
        if self._listing.root_node in {Node.SCAN, Node.RECONSTRUCTION} and wanted:
            wanted.add(Node.SESSION)
        if self._listing.root_node is Node.PROJECT and wanted & {Node.SCAN, Node.RECONSTRUCTION}:
            wanted.add(Node.SESSION)
        if self._listing.root_node is Node.SUBJECT and wanted & {Node.SCAN, Node.RECONSTRUCTION}:
            wanted.add(Node.SESSION)
        for node in _JOIN_ORDER:
            if node in wanted:
                self._join_node(node)
        # sorted: the same listing is the same text, and so the same prepared statement
        for source in sorted(sources, key=lambda each: (each.node, each.relation)):
            if source.relation is not Relation.NONE:
                self._join_related(source)

    def _join_node(self, node: Node) -> None:
        table = _TABLES[node].alias(node.value)
        on = and_(self._link(node, table), self._narrow(node, table))
        inner = node is Node.PROJECT and self._listing.root_node is not Node.PROJECT
        self._from = self._from.join(table, on, isouter=not inner)
        self._nodes[node] = table
        if node is Node.SUBJECT and self._scope.project is not None:
            self._join_subject_place(self._scope.project, table)

    def _join_subject_place(self, project: Item, subject: Any) -> None:
        place = schema.subject_place.alias("subject_seen")
        on = and_(place.c.subject_pk == subject.c.pk, place.c.project_pk == project.pk)
        self._from = self._from.outerjoin(place, on)
        self._subject_place = place

    def _narrow(self, node: Node, table: Any) -> Sql:
        if node not in _EXPERIMENT_NODES | {Node.SCAN}:
            return true()
        parts = [of_types(table, self._listing.types.get(node))]
        if node in _EXPERIMENT_NODES and not self._is_parent(node):
            parts.append(table.c.kind.in_(_KINDS[node]))
        return and_(*parts)

    def _is_parent(self, node: Node) -> bool:
        above = {Node.ASSESSOR, Node.SCAN, Node.RECONSTRUCTION}
        return node is Node.SESSION and self._listing.root_node in above

    def _link(self, node: Node, table: Any) -> Sql:
        session, subject, project = self._anchor("session"), self._anchor("subject"), self._anchor("project")
        link: Sql
        if node is Node.PROJECT:
            link = table.c.pk == project
        elif node is Node.SUBJECT:
            link = table.c.pk == subject if subject is not None else table.c.project_pk == project
        elif node is Node.SESSION:
            link = table.c.pk == session if session is not None else self._below(table, subject, project)
        elif node is Node.EXPERIMENT or session is None:
            link = self._below(table, subject, project)
        else:
            link = table.c.session_pk == session
        return link

    def _below(self, table: Any, subject: Sql | None, project: Sql | None) -> Sql:
        below: Sql = table.c.subject_pk == subject if subject is not None else table.c.project_pk == project
        # a subject that may be read has sessions in projects that may not
        return and_(below, self._seen(Family.EXPERIMENT, table.c.pk))

    def _anchor(self, name: str) -> Sql | None:
        """Return the key of the session, subject or project that the rows joined so far belong to."""
        anchor: Sql | None
        root_node, root = self._listing.root_node, self._root
        if root_node.value == name or (name == "session" and root_node is Node.EXPERIMENT):
            anchor = root.c.pk
        elif f"{name}_pk" in root.c:
            anchor = root.c[f"{name}_pk"]
        else:
            session = self._nodes.get(Node.SESSION)
            anchor = None if session is None else session.c["pk" if name == "session" else f"{name}_pk"]
        return anchor

    def _join_related(self, source: Source) -> None:
        owner = self._nodes[source.node]
        family = Family.EXPERIMENT if source.node in _EXPERIMENT_NODES else Family(source.node.value)
        if source.relation is Relation.SHARE:
            self._join_share(source, owner, family)
            return
        table = schema.resource.alias(f"{source.node}_{source.relation}")
        grouping = "" if source.relation is Relation.RESOURCE else source.relation.value
        on = and_(table.c[f"{family.value}_pk"] == owner.c.pk, table.c.grouping == grouping)
        self._from = self._from.outerjoin(table, on)
        self._related[source] = table

    def _join_share(self, source: Source, owner: Any, family: Family) -> None:
        if family not in PLACES:
            self._related[source] = None
            return
        place, key = PLACES[family]
        shared = (
            select(place.c[key.key].label("item"), place.c.label, schema.project.c.id.label("project"))
            .join(schema.project, schema.project.c.pk == place.c.project_pk)
            .where(place.c.owner == false())
            .subquery(f"{source.node}_share")
        )
        self._from = self._from.outerjoin(shared, shared.c.item == owner.c.pk)
        self._related[source] = shared

    # -- expressions ------------------------------------------------------------------------------

    def _expression(self, column: Column) -> Sql:
        if column.source.relation is not Relation.NONE:
            table = self._related[column.source]
            name = _RESOURCE_COLUMNS.get(column.path, column.path)
            return null() if table is None else table.c[name]
        return self._own(column.source.node, column.path)

    def _own(self, node: Node, path: str) -> Sql:
        table = self._nodes[node]
        own: Sql
        if path == "label" and node is self._listing.root_node and self._renames:
            own = self._place.c.label
        elif path == "label" and node is Node.SUBJECT and self._subject_place is not None and self._renames:
            own = func.coalesce(self._subject_place.c.label, table.c.label)
        elif path == "project":
            own = self._project(node, table)
        else:
            own = value_of(table, path)
        return own

    @property
    def _renames(self) -> bool:
        # XNAT looks for a key column of the name ID; that of imageSessionData is called session_ID
        return self._place is not None and self._listing.root.name != "xnat:imageSessionData"

    def _project(self, node: Node, table: Any) -> Sql:
        if node is self._listing.root_node and self._renames and self._scope.project is not None:
            return literal(self._scope.project.id)
        if "project_pk" not in table.c:
            table = self._nodes.get(Node.SESSION, table)
        if "project_pk" not in table.c:
            return literal("")
        project = schema.project.alias()
        return select(project.c.id).where(project.c.pk == table.c.project_pk).scalar_subquery()

    @staticmethod
    def _order(columns: list[Any], name: str, *, descending: bool) -> Sql | None:
        found = next((column for column in columns if column.name == name), None)
        if found is None:
            return None
        # what is empty comes before everything else, as in SQLite
        ordered: Sql = found.desc().nulls_last() if descending else found.asc().nulls_first()
        return ordered

    def _condition(self, condition: Condition) -> Sql:
        if isinstance(condition, Compare):
            return comparison(self._expression(condition.column), condition)
        members = [self._condition(member) for member in condition.members]
        return or_(false(), *members) if condition.method == "OR" else and_(true(), *members)


def _sources(listing: Listing) -> set[Source]:
    return {column.source for column in listing.columns} | set(_condition_sources(listing.where))


def _condition_sources(condition: Condition) -> Iterator[Source]:
    if isinstance(condition, Compare):
        yield condition.column.source
    else:
        for member in condition.members:
            yield from _condition_sources(member)
