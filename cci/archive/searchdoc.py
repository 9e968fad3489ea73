"""Search documents (``xdat:bundle``) and the display fields that they ask for. Reading only; no database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lxml import etree

from cci.archive.aliases import ListKind
from cci.archive.errors import Broken, Unprocessable
from cci.archive.listing import Column, Compare, Condition, Group, Listing, Resolver
from cci.archive.typedefs import REGISTRY
from cci.archive.types import DataType, Family, Kind
from cci.archive.xmlsafe import parse_xml

_OPERATORS = frozenset(
    {"=", "!=", "<>", "<", ">", "<=", ">=", "LIKE", "BETWEEN", "IN", "IS NULL", "IS NOT NULL"}
)
#: Comparisons whose value is the word NULL.
_NULLS = {"IS": "IS NULL", "IS NOT": "IS NOT NULL"}


@dataclass(frozen=True, kw_only=True)
class DisplayField:
    """A field that a search can show: its id, and the path below the type that it shows."""

    id: str
    path: str
    header: str
    type: str


@dataclass(frozen=True, kw_only=True)
class SearchDocument:
    """A search, ready to be run; *keys* describe its columns, one by one."""

    root: DataType
    listing: Listing
    keys: tuple[Key, ...]


@dataclass(frozen=True, kw_only=True)
class Key:
    """A column of a search as its document asks for it; *key* is what the answer calls it."""

    key: str
    element: str
    id: str
    header: str
    type: str


@dataclass(frozen=True, kw_only=True)
class Imprint:
    """What a document says of itself and not of what it looks for.

    Attributes
    ----------
    name
        ``brief-description``, the name of a saved search.
    users
        Logins of those that it is saved for.
    public
        Whether it is for everybody: for nobody in particular, and not secured.
    """

    name: str
    description: str
    users: tuple[str, ...]
    public: bool


def read_imprint(body: bytes) -> Imprint:
    """Read what a search document says of itself.

    Raises
    ------
    Unprocessable
        It is not XML.
    """
    root = parse_xml(body)
    users = tuple(str(login.text or "").strip() for login in root.iterfind("{*}allowed_user/{*}login"))
    return Imprint(
        name=root.get("brief-description") or "",
        description=root.get("description") or "",
        users=users,
        public=not users and root.get("secure") in {"false", "0"},
    )


#: Display fields that are not simply a field's name in capitals: by family or type, id → path.
_SPECIAL: dict[str, dict[str, str]] = {
    "xnat:projectData": {
        "ID": "ID",
        "PROJECT_PI": "PI/lastname",
        "PROJECT_ACCESS": "meta/accessibility",
        "PROJECT_OWNERS": "meta/owners",
        "PROJ_MR_COUNT": "meta/mr_count",
        "PROJ_CT_COUNT": "meta/ct_count",
        "PROJ_PET_COUNT": "meta/pet_count",
        "PROJ_UT_COUNT": "meta/ut_count",
        "SECONDARY_ID": "secondary_ID",
        "INSERT_DATE": "meta/insert_date",
        "INSERT_USER": "meta/insert_user",
    },
    "xnat:subjectData": {
        "SUBJECT_ID": "ID",
        "SUBJECTID": "ID",
        "SUBJECT_LABEL": "label",
        "PROJECT": "project",
        "GENDER_TEXT": "demographics/gender",
        "HANDEDNESS_TEXT": "demographics/handedness",
        "DOB": "demographics/dob",
        "EDUC": "demographics/education",
        "SES": "demographics/ses",
        "RACE": "demographics/race",
        "ETHNICITY": "demographics/ethnicity",
        "SUB_GROUP": "group",
        "INSERT_DATE": "meta/insert_date",
        "INSERT_USER": "meta/insert_user",
    },
    "xnat:experimentData": {
        "EXPT_ID": "ID",
        "SESSION_ID": "ID",
        "PROJECTS": "project",
        "INSERT_DATE": "meta/insert_date",
        "INSERT_USER": "meta/insert_user",
        "LAST_MODIFIED": "meta/last_modified",
        "QC_STATUS": "validation/status",
        "QC_NOTES": "validation/notes",
        "QC_USER": "validation/validated_by",
        "QC_DATE": "validation/date",
    },
    "xnat:imageScanData": {"INSERT_DATE": "meta/insert_date"},
}
_TYPES = {Kind.INT: "integer", Kind.FLOAT: "float", Kind.DATE: "date", Kind.DATETIME: "timestamp"}


def display_fields(each: DataType) -> dict[str, DisplayField]:
    """Return the display fields of a type by id, those that people know first."""
    found: dict[str, DisplayField] = {}
    for up in REGISTRY.lineage(each):
        for name, path in _SPECIAL.get(up.name, {}).items():
            found.setdefault(name, DisplayField(id=name, path=path, header=_header(name), type="string"))
    for field in REGISTRY.fields(each).values():
        name = field.path.replace("/", "_").upper()
        kind = _TYPES.get(field.kind, "string")
        found.setdefault(name, DisplayField(id=name, path=field.path, header=_header(name), type=kind))
    if each.family is Family.EXPERIMENT:
        label = DisplayField(id="SUBJECT_LABEL", path="", header="Subject", type="string")
        found.setdefault("SUBJECT_LABEL", label)
    return found


def _header(name: str) -> str:
    return name.replace("_", " ").capitalize()


def parse_search(body: bytes) -> SearchDocument:
    """Read a search document.

    Raises
    ------
    Unprocessable
        It is not XML, no search, or of a type that the archive does not have.
    """
    root = parse_xml(body)
    if etree.QName(root).localname not in {"bundle", "search", "stored_search"}:
        raise Unprocessable(f"{etree.QName(root).localname} is no search")
    each = REGISTRY.find(_text(root, "root_element_name"))
    if each is None:
        raise Unprocessable(f"the archive has no data type {_text(root, 'root_element_name')!r}")
    return _document(root, each)


def search_everything(each: DataType) -> SearchDocument:
    """Return the search for all items of a type with the fields that people know."""
    return _document(etree.Element("search"), each)


def _document(root: etree._Element, each: DataType) -> SearchDocument:
    kind = ListKind(name="search", root=each.name, key="ID", aliases={}, defaults=())
    resolver = Resolver(kind, each)
    asked = list(_asked(root)) or _default_fields(each)
    columns: dict[str, Column] = {}
    keys = []
    for element, field_id, header in asked:
        column = _column(resolver, element, field_id)
        if column is not None and column.header not in columns:
            columns[column.header] = column
            keys.append(_key(column, element, field_id, header))
    where = Group(members=tuple(_groups(resolver, root)))
    listing = Listing(
        root=each,
        root_node=resolver.root_node,
        columns=tuple(columns.values()),
        where=where,
        types=resolver.types(),
    )
    return SearchDocument(root=each, listing=listing, keys=tuple(keys))


def _key(column: Column, element: str, field_id: str, header: str) -> Key:
    kind = _TYPES.get(column.kind, "string")
    return Key(key=column.header, element=element, id=field_id, header=header or field_id, type=kind)


def _asked(root: etree._Element) -> Iterator[tuple[str, str, str]]:
    fields = root.findall("{*}search_field")
    for field in sorted(fields, key=_sequence):
        yield _text(field, "element_name"), _text(field, "field_ID"), _text(field, "header")


def _sequence(field: etree._Element) -> int:
    text = _text(field, "sequence")
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else 0


def _default_fields(each: DataType) -> list[tuple[str, str, str]]:
    known = {name for up in REGISTRY.lineage(each) for name in _SPECIAL.get(up.name, {})}
    known |= {"ID", "LABEL", "PROJECT", "NAME"}
    names = [name for name in display_fields(each) if name in known]
    return [(each.name, name, _header(name)) for name in names]


def _column(resolver: Resolver, element: str, field_id: str) -> Column | None:
    each = REGISTRY.find(element)
    if each is None:
        return None
    own = each.name.lower() == resolver.root.name.lower()
    header = field_id.lower() if own else f"{each.name.replace(':', '_')}_{field_id}".lower()
    if "/" in field_id:
        target = field_id
        header = _path_header(each, field_id)
    else:
        target = _target(each, field_id)
    try:
        column = resolver.column(target)
    except Broken:
        return None
    return None if column is None else replace(column, header=header)


#: Paths that are display fields, too: as columns they are called as these.
_SHOWN = {"id": "session_id", "project": "project", "subject_id": "subject_id"}


def _path_header(each: DataType, path: str) -> str:
    shown = _SHOWN.get(path.partition("/")[2].lower())
    if shown is not None and REGISTRY.is_a(each.name, "xnat:experimentData"):
        return shown
    return f"xnat_col_{path.partition(':')[2].replace('/', '')}".lower()


def _target(each: DataType, field_id: str) -> str:
    name = field_id.upper().partition("=")[0]
    known = display_fields(each).get(name)
    if known is not None and not known.path:
        return "xnat:subjectData/label"
    return f"{each.name}/{known.path if known is not None else field_id}"


def _groups(resolver: Resolver, root: etree._Element) -> Iterator[Condition]:
    for where in root.findall("{*}search_where"):
        yield _group(resolver, where)


def _group(resolver: Resolver, element: etree._Element) -> Group:
    members: list[Condition] = []
    for child in element.iterchildren("*"):
        name = etree.QName(child).localname
        if name == "child_set":
            members.append(_group(resolver, child))
        elif name == "criteria":
            members.append(_criterion(resolver, child))
    return Group(method=(element.get("method") or "AND").upper(), members=tuple(members))


def _criterion(resolver: Resolver, element: etree._Element) -> Condition:
    field, operator = _text(element, "schema_field"), _text(element, "comparison_type").upper() or "="
    value = _text(element, "value")
    if value.upper() == "NULL":
        operator = _NULLS.get(operator, operator)
    # the list of display fields has them with a point
    name, _, rest = field.partition("/" if "/" in field else ".")
    each = REGISTRY.find(name)
    column = None if each is None else _column(resolver, name, rest if "/" not in rest else field)
    if column is None:
        raise Unprocessable(f"the search compares {field!r}, which is no field of the archive")
    if operator not in _OPERATORS:
        raise Unprocessable(f"{operator!r} is no comparison")
    return Compare(column=column, operator=operator, values=_values(operator, value))


def _values(operator: str, value: str) -> tuple[str, ...]:
    if operator == "IN":
        return tuple(part.strip().strip("'") for part in value.strip("()").split(","))
    if operator == "BETWEEN":
        low, _, high = value.partition(" AND ")
        return low.strip(), high.strip()
    return (value,)


def _text(element: etree._Element, name: str) -> str:
    return (element.findtext(f"{{*}}{name}") or "").strip()
