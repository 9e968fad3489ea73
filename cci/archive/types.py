"""What a data type is: its name, its parent, its fields. The types themselves are listed in `typedefs`.

Names of types and of elements are compared without regard to case, as XNAT does; the registry gives the
proper spelling back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cci.archive.errors import BadRequest


class Kind(StrEnum):
    """How the text of a field is read."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"


class Family(StrEnum):
    """The kind of item that a type describes; each has a table of its own in the store."""

    PROJECT = "project"
    SUBJECT = "subject"
    EXPERIMENT = "experiment"
    SCAN = "scan"
    RECONSTRUCTION = "reconstruction"
    RESOURCE = "resource"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a type.

    Attributes
    ----------
    path
        As clients write it after the type's name: ``validation/status``.
    xml_path
        The same with ``@`` before the part that is an XML attribute: ``validation/@status``.
    max_length
        In characters; 0 for no limit.
    """

    path: str
    xml_path: str
    kind: Kind = Kind.STRING
    max_length: int = 0


@dataclass(frozen=True, kw_only=True)
class DataType:
    """A data type: ``xnat:mrSessionData``.

    Attributes
    ----------
    proper
        Name of the root element in XML documents, with its prefix: ``xnat:MRSession``.
    parent
        Name of the type that it extends, empty for a root.
    own_fields
        Without those inherited.
    abstract
        Whether no item can be of just this type.
    """

    name: str
    proper: str
    parent: str
    family: Family
    own_fields: tuple[Field, ...]
    singular: str
    plural: str
    abstract: bool


_FIELD = re.compile(r"(?P<path>[^:<]+)(:(?P<kind>\w+))?(<(?P<max>\d+))?")


def parse_fields(text: str) -> tuple[Field, ...]:
    """Read a compact list of fields: ``@ID date:date note<2500 validation/@status``."""
    return tuple(_parse_field(token) for token in text.split())


def _parse_field(token: str) -> Field:
    match = _FIELD.fullmatch(token)
    assert match is not None, token
    xml_path = match["path"]
    return Field(
        path=xml_path.replace("@", ""),
        xml_path=xml_path,
        kind=Kind(match["kind"] or "string"),
        max_length=int(match["max"] or 0),
    )


class Registry:
    """All data types of an archive, by name without regard to case."""

    def __init__(self, types: tuple[DataType, ...]) -> None:
        self._types = {each.name.lower(): each for each in types}
        self._by_proper = {each.proper.lower(): each for each in types if not each.abstract}
        self._fields = {name: self._collect(each) for name, each in self._types.items()}
        self._above = {
            name: frozenset(up.name.lower() for up in self.lineage(each))
            for name, each in self._types.items()
        }
        self._below = {name: self._descendants(each) for name, each in self._types.items()}

    def __iter__(self) -> Iterator[DataType]:
        return iter(self._types.values())

    def find(self, name: str) -> DataType | None:
        """Return the type of this name, None if there is none."""
        return self._types.get(name.lower())

    def get(self, name: str) -> DataType:
        """Return the type of this name.

        Raises
        ------
        BadRequest
            The archive has no such type.
        """
        found = self.find(name)
        if found is None:
            raise BadRequest(f"this archive has no data type {name}")
        return found

    def by_element(self, name: str) -> DataType | None:
        """Return the type whose documents have this root element (``xnat:MRSession``)."""
        return self._by_proper.get(name.lower()) or self.find(name)

    def lineage(self, each: DataType) -> Iterator[DataType]:
        """Yield the type and its ancestors, from the most special one up."""
        current: DataType | None = each
        while current is not None:
            yield current
            current = self.find(current.parent) if current.parent else None

    def is_a(self, name: str, ancestor: str) -> bool:
        """Whether the first type is the second one or extends it."""
        return ancestor.lower() in self._above.get(name.lower(), ())

    def concrete(self, each: DataType) -> tuple[str, ...]:
        """Names of the types that items of this type can have: itself and everything below it."""
        return self._below[each.name.lower()]

    def fields(self, each: DataType) -> Mapping[str, Field]:
        """Fields of the type, inherited ones first, by path in lower case."""
        return self._fields[each.name.lower()]

    def by_column_name(self, each: DataType, path: str) -> Field | None:
        """Find an attribute by XNAT's other spelling of it: ``program_version`` is ``program/version``."""
        wanted = path.lower()
        found = (field for field in self.fields(each).values() if "/@" in field.xml_path)
        return next((field for field in found if field.xml_path.replace("/@", "_").lower() == wanted), None)

    def _collect(self, each: DataType) -> dict[str, Field]:
        ancestors = reversed(list(self.lineage(each)))
        return {field.path.lower(): field for up in ancestors for field in up.own_fields}

    def _ancestors(self, each: DataType) -> frozenset[str]:
        return frozenset(up.name.lower() for up in self.lineage(each))

    def _descendants(self, each: DataType) -> tuple[str, ...]:
        return tuple(low.name for low in self if self.is_a(low.name, each.name))


_REPEATED = re.compile(r"(?P<group>[\w/]+)\[(?:@?name)=(?P<name>[^\]]*)\]/(?P<leaf>\w+)", re.IGNORECASE)
#: Groups of named values, which every client may fill with names of its own, in their proper spelling.
_NAMED_GROUPS = {
    "fields/field": "fields/field",
    "parameters/addparam": "parameters/addParam",
    "demographics/addfield": "demographics/addField",
}
#: XNAT takes either word for the value of a named entry.
NAMED_VALUE = {
    "fields/field": "field",
    "parameters/addParam": "addField",
    "demographics/addField": "addField",
}


def canonical_path(path: str) -> str:
    """Take the type out of a path (``a[@xsi:type=b]/c`` is ``a/c``) and spell named entries one way."""
    path = re.sub(r"\[@xsi:type=[^\]]*\]", "", path, flags=re.IGNORECASE)
    match = _REPEATED.fullmatch(path)
    if match is None:
        return path
    group = _NAMED_GROUPS.get(match["group"].lower(), match["group"])
    return f"{group}[name={match['name']}]/{NAMED_VALUE.get(group, match['leaf'])}"


def named_entry(path: str) -> tuple[str, str] | None:
    """Split the canonical path of a named entry into group and name; None for other paths."""
    match = _REPEATED.fullmatch(path)
    return (match["group"], match["name"]) if match is not None else None


def resolve_field(registry: Registry, each: DataType, path: str) -> Field | None:
    """Return the field that *path* names on this type, None if the type has none such."""
    path = canonical_path(path)
    entry = named_entry(path)
    if entry is not None and entry[0] in NAMED_VALUE:
        return Field(path=path, xml_path=path)
    return registry.fields(each).get(path.lower()) or registry.by_column_name(each, path)
