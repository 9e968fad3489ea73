"""What a listing asks for, worked out without a database: root type, columns, joins, filters, header names.

A column of another type than the root's means a LEFT JOIN; two child types in one listing multiply, as they
do on XNAT. How the joins become SQL is in ``store.query``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cci.archive.aliases import ListKind
from cci.archive.errors import Broken
from cci.archive.typedefs import REGISTRY
from cci.archive.types import DataType, Family, Kind, resolve_field


class Node(StrEnum):
    """A row that a listing can draw columns from. Which one is the root depends on the listing."""

    PROJECT = "project"
    SUBJECT = "subject"
    SESSION = "session"
    #: An assessor of a session.
    ASSESSOR = "assessor"
    #: An experiment of a subject that is not a session, or any experiment where the root says no more.
    EXPERIMENT = "experiment"
    SCAN = "scan"
    RECONSTRUCTION = "reconstruction"


class Relation(StrEnum):
    """Rows that belong to a node's row and have no type of their own in a listing."""

    NONE = ""
    SHARE = "share"
    RESOURCE = "resource"
    OUT = "out"
    IN = "in"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a column's rows come from: a node, and possibly something that hangs on it."""

    node: Node
    relation: Relation = Relation.NONE


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: where from, which field (canonical spelling), under which header."""

    source: Source
    path: str
    header: str
    kind: Kind = Kind.STRING


@dataclass(frozen=True, kw_only=True)
class Compare:
    """One condition; *operator* is ``= != < > <= >= LIKE BETWEEN IN``, ``IS NULL`` or ``IS NOT NULL``."""

    column: Column
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """Conditions that must all hold (AND), or one of them (OR)."""

    method: str = "AND"
    members: tuple[Condition, ...] = ()


Condition = Compare | Group


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A listing, ready to be run.

    Attributes
    ----------
    root
        The type that gives one row each.
    types
        Types that each joined node is narrowed to; a node that is not here takes every type.
    uri_prefix
        What stands before the root's id in the last column, ``URI``; empty for no such column.
    order
        (header, descending) to sort by.
    limit
        None for all rows.
    """

    root: DataType
    root_node: Node
    columns: tuple[Column, ...]
    where: Group = field(default_factory=Group)
    types: Mapping[Node, tuple[str, ...]] = field(default_factory=dict)
    uri_prefix: str = ""
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    offset: int = 0


_FAMILY_NODES = {
    Family.PROJECT: Node.PROJECT,
    Family.SUBJECT: Node.SUBJECT,
    Family.SCAN: Node.SCAN,
    Family.RECONSTRUCTION: Node.RECONSTRUCTION,
}
#: Beginnings of paths that lead to rows which hang on an item.
_RELATIONS = {
    "sharing/share/": Relation.SHARE,
    "resources/resource/": Relation.RESOURCE,
    "file/": Relation.RESOURCE,
    "out/file/": Relation.OUT,
    "in/file/": Relation.IN,
}
#: Beginnings of paths that lead to children, and the type that these are of at least.
_CHILDREN = {
    "scans/scan/": "xnat:imageScanData",
    "assessors/assessor/": "xnat:imageAssessorData",
    "reconstructions/reconstructedimage/": "xnat:reconstructedImageData",
    "experiments/experiment/": "xnat:subjectAssessorData",
}
_META_PATHS = {
    name.lower(): name
    for name in (
        "meta/insert_date",
        "meta/insert_user",
        "meta/last_modified",
        "meta/element_name",
        "meta/status",
        "meta/accessibility",
        "meta/owners",
        "meta/mr_count",
        "meta/ct_count",
        "meta/pet_count",
        "meta/ut_count",
    )
}
#: Fields that are the accession id of another item, and the type of that item.
_REFERENCES = {
    "subject_id": "xnat:subjectData",
    "imagesession_id": "xnat:imageSessionData",
    "image_session_id": "xnat:imageSessionData",
}
#: Elements whose fields have short names, and yet come back under their paths when asked for by path.
_KEEP_THEIR_PATHS = frozenset({"xnat:mrSessionData", "xnat:petSessionData", "xnat:mrScanData"})
_KEYS = {"xnat_imagescandata_id", "xnat_reconstructedimagedata_id"}


def node_of(each: DataType) -> Node:
    """Return the node that items of this type are."""
    if each.family is not Family.EXPERIMENT:
        return _FAMILY_NODES.get(each.family, Node.EXPERIMENT)
    if REGISTRY.is_a(each.name, "xnat:imageSessionData"):
        return Node.SESSION
    return Node.ASSESSOR if REGISTRY.is_a(each.name, "xnat:derivedData") else Node.EXPERIMENT


class Resolver:
    """Resolves names of columns for one root type.

    Parameters
    ----------
    kind
        Which listing; gives the short names.
    root
        The type that gives one row each.
    """

    def __init__(self, kind: ListKind, root: DataType) -> None:
        self._kind = kind
        self.root = root
        self.root_node = node_of(root)
        self._by_target = {
            target.lower(): alias
            for alias, target in reversed(kind.aliases.items())
            if target.partition("/")[0] not in _KEEP_THEIR_PATHS
        }
        self._types: dict[Node, set[str]] = {}

    def column(self, name: str) -> Column | None:
        """Resolve an alias or ``element/path``; None for a name that means nothing.

        Raises
        ------
        Broken
            The element is known and has no such field.
        """
        target = self._kind.aliases.get(name, name)
        element, _, path = target.partition("/")
        each = REGISTRY.find(element)
        if each is None or not path:
            return None
        return self._typed(each, path, self._header(name, target))

    def _header(self, name: str, target: str) -> str:
        if name in self._kind.aliases:
            return name
        # several aliases share a target (UID, studyInstanceUID): the first one names the column
        return self._by_target.get(target.lower(), target.lower())

    def _typed(self, each: DataType, path: str, header: str) -> Column:
        for prefix, child in _CHILDREN.items():
            if path.lower().startswith(prefix):
                return self._typed(REGISTRY.get(child), path[len(prefix) :], header)
        reference = _REFERENCES.get(path.lower())
        if reference is not None:
            each, path = REGISTRY.get(reference), "ID"
        source = Source(node=self._node(each))
        for prefix, relation in _RELATIONS.items():
            if path.lower().startswith(prefix):
                source = Source(node=source.node, relation=relation)
                return _related(source, path[len(prefix) :], header)
        return _own(each, source, path, header)

    @staticmethod
    def _is_experiment(each: DataType) -> bool:
        return each.family is Family.EXPERIMENT

    def _node(self, each: DataType) -> Node:
        node = node_of(each)
        if self._is_root(each, node):
            return self.root_node
        self._types.setdefault(node, set()).update(REGISTRY.concrete(each))
        return node

    def _is_root(self, each: DataType, node: Node) -> bool:
        if node is self.root_node:
            return True
        both_experiments = self._is_experiment(each) and self._is_experiment(self.root)
        # experimentData and subjectAssessorData are whatever the root is, and the other way round
        return both_experiments and (
            REGISTRY.is_a(self.root.name, each.name) or REGISTRY.is_a(each.name, self.root.name)
        )

    def types(self) -> dict[Node, tuple[str, ...]]:
        """Return the types that joined nodes are narrowed to by the columns resolved so far."""
        return {node: tuple(sorted(names)) for node, names in self._types.items()}


_SHARE_FIELDS = frozenset({"project", "label"})
_RESOURCE_FIELDS = frozenset(
    [
        *("label", "file_count", "file_size", "format", "content", "description", "tags"),
        "xnat_abstractresource_id",
    ]
)


def _related(source: Source, path: str, header: str) -> Column:
    known = _SHARE_FIELDS if source.relation is Relation.SHARE else _RESOURCE_FIELDS
    if path.lower() not in known:
        raise Broken(f"no such field: {header}")
    kind = Kind.INT if path.lower().startswith("file_") else Kind.STRING
    return Column(source=source, path=path.lower(), header=header, kind=kind)


def _own(each: DataType, source: Source, path: str, header: str) -> Column:
    meta = _META_PATHS.get(path.lower())
    if meta is not None or path.lower() in _KEYS:
        # "last_modified" of an untyped experiment is the row's own, of a concrete type that of all below it
        untyped = each.name == "xnat:experimentData" and meta == "meta/last_modified"
        return Column(source=source, path="meta/saved_at" if untyped else meta or "key", header=header)
    found = resolve_field(REGISTRY, each, path)
    if found is None:
        raise Broken(f"{each.name} has no field {path}")
    return Column(source=source, path=found.path, header=header, kind=found.kind)


def choose_root(kind: ListKind, xsi_type: str, names: Iterable[str]) -> DataType:
    """Return the type that a listing is of: as asked, or the most special one that its columns mention.

    Raises
    ------
    Broken
        The type asked for does not exist, or is none of this list.
    """
    default = REGISTRY.get(kind.root)
    if xsi_type and "," not in xsi_type:
        asked = REGISTRY.find(xsi_type)
        if asked is None or asked.family is not default.family:
            raise Broken(f"{xsi_type} is no type of {kind.name}")
        return asked
    best = default
    for name in names:
        element = kind.aliases.get(name, name).partition("/")[0]
        each = REGISTRY.find(element)
        if each is not None and default.family is Family.EXPERIMENT and REGISTRY.is_a(each.name, best.name):
            best = each
    return best


def plan(kind: ListKind, parameters: Mapping[str, str]) -> tuple[Resolver, tuple[Column, ...]]:
    """Resolve the columns of a listing from the request's parameters (``columns``, ``xsiType``, filters).

    Raises
    ------
    Broken
        A column names a field that its element does not have.
    """
    wanted = [name.strip() for name in parameters.get("columns", "").split(",") if name.strip()]
    filters = [name for name in parameters if name not in RESERVED]
    if kind.name == "scans" and wanted and not {"ID", "DEFAULT"} & set(wanted):
        raise Broken("ID must be among the columns of a list of scans")
    root = choose_root(kind, parameters.get("xsiType", ""), [*wanted, *filters])
    resolver = Resolver(kind, root)
    names = [_key_name(kind, root), *_with_defaults(kind, root, wanted), *kind.always]
    columns: dict[str, Column] = {}
    for name in names:
        column = resolver.column(name)
        if column is not None:
            columns.setdefault(column.header, column)
    return resolver, tuple(columns.values())


def _key_name(kind: ListKind, root: DataType) -> str:
    return f"{root.name}/ID" if root.family is Family.EXPERIMENT else kind.key


def _with_defaults(kind: ListKind, root: DataType, wanted: list[str]) -> list[str]:
    defaults = list(kind.defaults)
    if kind.name == "experiments" and kind.root == "xnat:experimentData":
        if REGISTRY.is_a(root.name, "xnat:subjectAssessorData"):
            defaults += ["subject_ID", "subject_label"]
        if REGISTRY.is_a(root.name, "xnat:imageAssessorData"):
            defaults += ["session_ID", "session_label"]
    if not wanted:
        return defaults
    return [each for name in wanted for each in (defaults if name == "DEFAULT" else [name])]


#: Parameters of a listing that are not filters.
RESERVED = frozenset(
    {
        "format", "columns", "xsiType", "sortBy", "sortOrder", "limit", "offset", "req_format", "fields",
        "concealHiddenFields", "includeHistory", "includeHeaders", "requested_screen", "handler",
        "XNAT_CSRF", "all", "file_stats", "recent", "timestamp",
    }
)  # fmt: skip
