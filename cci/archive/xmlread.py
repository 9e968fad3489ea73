"""Reads the XML document of an item that a client sends. Values in it are not escaped a second time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from cci.archive.changes import Changes
from cci.archive.errors import Unprocessable
from cci.archive.protocols import KEY as PROTOCOLS
from cci.archive.protocols import read_protocols
from cci.archive.typedefs import NAMESPACES, REGISTRY
from cci.archive.types import NAMED_VALUE, DataType, Family, canonical_path, resolve_field
from cci.archive.values import normalise
from cci.archive.xmlsafe import parse_xml

_XSI = f"{{{NAMESPACES['xsi']}}}"
_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
#: Elements that hold children: path below the item → collection.
_COLLECTIONS = {
    "scans/scan": "scans",
    "reconstructions/reconstructedImage": "reconstructions",
    "assessors/assessor": "assessors",
    "experiments/experiment": "experiments",
}
#: Elements that describe files: these come by upload only.
_IGNORED = frozenset({"resources/resource", "file", "in/file", "out/file"})
_STEP = "provenance/processStep"
#: Where the text of a provenance with several steps is kept among an item's data; no field.
STEPS = "_provenance"
_IDENTITY = {"ID": "id", "label": "label", "project": "project"}


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """An item as a document describes it.

    Attributes
    ----------
    children
        By collection.
    shares
        (project, label) for each project to share it into.
    """

    data_type: DataType
    changes: Changes
    children: Mapping[str, tuple[Parsed, ...]] = field(default_factory=dict)
    shares: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The label if there is one, else the id."""
        return self.changes.identity.get("label") or self.changes.identity.get("id", "")


def parse_document(body: bytes) -> Parsed:
    """Read a document.

    Raises
    ------
    Unprocessable
        It is not XML, has a DOCTYPE, or its root is no type that the archive knows.
    BadRequest
        A value is not of its field's kind or too long.
    """
    root = parse_xml(body)
    name = etree.QName(root)
    prefix = _PREFIXES.get(name.namespace or "", "")
    each = REGISTRY.by_element(f"{prefix}:{name.localname}")
    if each is None:
        raise Unprocessable(f"the archive knows no item that is called {name.localname}")
    return _parse(root, each)


def _parse(element: etree._Element, each: DataType) -> Parsed:
    fields: dict[str, str | None] = {}
    identity: dict[str, str] = {}
    for path, text in _values(element, ""):
        if path in _IDENTITY:
            identity[_IDENTITY[path]] = text
        else:
            known = resolve_field(REGISTRY, each, canonical_path(path))
            if known is not None:
                fields[known.path] = normalise(known, text)
    protocols = read_protocols(element) if each.family is Family.PROJECT else ""
    if protocols:
        fields[PROTOCOLS] = protocols
    provenance = element.find("{*}provenance")
    if provenance is not None:
        fields.update(_steps(provenance))
    return Parsed(
        data_type=each,
        changes=Changes(fields=fields, identity=identity),
        children=_children(element),
        shares=tuple(_shares(element)),
    )


def _steps(provenance: etree._Element) -> dict[str, str | None]:
    """Return the text of a provenance of several steps; of a single one the fields say it all."""
    several = len(provenance.findall("{*}processStep")) > 1
    return {STEPS: str(etree.tostring(provenance, encoding="unicode", with_tail=False)) if several else None}


def _values(element: etree._Element, path: str) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every attribute and text that belongs to this item itself."""
    for name, value in element.attrib.items():
        if not str(name).startswith("{"):
            yield f"{path}/{name}".lstrip("/"), str(value)
    for child in element.iterchildren("*"):
        below = f"{path}/{etree.QName(child).localname}".lstrip("/")
        if below in _COLLECTIONS or below in _IGNORED or below in {"sharing", "studyProtocol"}:
            continue
        if below == _STEP and child.getnext() is not None:
            # the fields are those of the last step
            continue
        if below in NAMED_VALUE:
            yield f"{below}[name={child.get('name', '')}]/{NAMED_VALUE[below]}", child.text or ""
            continue
        if child.text and child.text.strip():
            yield below, child.text
        yield from _values(child, below)


def _children(element: etree._Element) -> dict[str, tuple[Parsed, ...]]:
    found: dict[str, tuple[Parsed, ...]] = {}
    for path, collection in _COLLECTIONS.items():
        outer, leaf = path.split("/")
        children = element.iterfind(f"{{*}}{outer}/{{*}}{leaf}")
        parsed = tuple(_parse(child, _child_type(child)) for child in children)
        if parsed:
            found[collection] = parsed
    return found


def _child_type(element: etree._Element) -> DataType:
    name = element.get(f"{_XSI}type") or ""
    each = REGISTRY.find(name)
    if each is None:
        raise Unprocessable(f"the archive has no data type {name or '(no xsi:type)'}")
    return each


def _shares(element: etree._Element) -> Iterator[tuple[str, str]]:
    for share in element.iterfind("{*}sharing/{*}share"):
        yield str(share.get("project", "")), str(share.get("label", ""))
