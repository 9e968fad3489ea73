"""The XML document of an item, as XNAT writes it. No reading: that is `xmlread`."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from cci.archive.documents import Document, identity, resource_fields, resource_path
from cci.archive.protocols import protocol_elements
from cci.archive.typedefs import NAMESPACES, REGISTRY
from cci.archive.types import DataType, Field, named_entry
from cci.archive.xmlread import STEPS
from cci.archive.xmlsafe import parse_xml
from cci.archive.xsd import element_order

_XSI_TYPE = f"{{{NAMESPACES['xsi']}}}type"
_XNAT = "xnat"
#: As XNAT writes it; lxml has other quotes.
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def document_xml(document: Document, site_url: str = "") -> bytes:
    """Return the document of an item, with its children whole; schemas are said to be at *site_url*."""
    each = REGISTRY.get(document.item.xsi_type)
    prefix, _, name = each.proper.partition(":")
    root = etree.Element(f"{{{NAMESPACES[prefix]}}}{name}", nsmap=NAMESPACES)
    locations = (f"{uri} {site_url}/schemas/{prefix}/{prefix}.xsd" for prefix, uri in _documented())
    root.set(f"{{{NAMESPACES['xsi']}}}schemaLocation", " ".join(locations))
    _fill(root, each, document)
    return _DECLARATION + bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=False))


def _documented() -> Iterator[tuple[str, str]]:
    return ((prefix, uri) for prefix, uri in NAMESPACES.items() if prefix in {"xnat", "proc"})


def _fill(element: etree._Element, each: DataType, document: Document) -> None:
    values = {**document.item.data, **identity(document)}
    _shares(element, document)
    lineage = list(REGISTRY.lineage(each))
    for number, up in enumerate(reversed(lineage)):
        prefix = up.name.partition(":")[0]
        for field in up.own_fields:
            if field.path in values:
                _put(element, prefix, field, values[field.path])
        if number == 0:
            _named(element, document)
            _resources(element, document)
    _children(element, document)
    element.extend(protocol_elements(document.item.data))
    _steps(element, document)
    _in_order(element, each)


def _in_order(element: etree._Element, each: DataType) -> None:
    """Put the elements into the order of the schema, which is none of the orders that they come in."""
    places = {name: number for number, name in enumerate(element_order(each.name))}
    element[:] = sorted(element, key=lambda child: places.get(etree.QName(child).localname, len(places)))


def _put(element: etree._Element, prefix: str, field: Field, text: str) -> None:
    parts = field.xml_path.split("/")
    for depth, part in enumerate(parts):
        if part.startswith("@"):
            element.set(part[1:], text)
            return
        # the steps of a provenance are of a namespace of their own
        element = _child(element, "prov" if "processStep" in parts[: depth + 1] else prefix, part)
    element.text = text


def _child(element: etree._Element, prefix: str, name: str) -> etree._Element:
    tag = f"{{{NAMESPACES[prefix]}}}{name}"
    found = element.find(tag)
    if found is not None:
        return found
    made = etree.SubElement(element, tag)
    if name == "demographics":
        made.set(_XSI_TYPE, "xnat:demographicData")
    return made


def _steps(element: etree._Element, document: Document) -> None:
    """Put a provenance of several steps in the place of the one that the fields make."""
    text = document.item.data.get(STEPS)
    made = element.find(f"{{{NAMESPACES[_XNAT]}}}provenance")
    if text and made is not None:
        element.replace(made, parse_xml(text.encode()))


def _shares(element: etree._Element, document: Document) -> None:
    for project, label in document.shares:
        sharing = _child(element, _XNAT, "sharing")
        etree.SubElement(sharing, f"{{{NAMESPACES[_XNAT]}}}share", label=label, project=project)


def _named(element: etree._Element, document: Document) -> None:
    for path, text in document.item.data.items():
        entry = named_entry(path)
        if entry is not None:
            group, _, leaf = entry[0].rpartition("/")
            made = etree.SubElement(_child(element, _XNAT, group), f"{{{NAMESPACES[_XNAT]}}}{leaf}")
            made.set("name", entry[1])
            made.text = text


def _resources(element: etree._Element, document: Document) -> None:
    for row in document.resources:
        *outer, leaf = resource_path(document.item, row.grouping).split("/")
        holder = _child(element, _XNAT, outer[0]) if outer else element
        made = etree.SubElement(holder, f"{{{NAMESPACES[_XNAT]}}}{leaf}")
        made.set(_XSI_TYPE, "xnat:resourceCatalog")
        for name, value in resource_fields(row).items():
            made.set(name, str(value))


def _children(element: etree._Element, document: Document) -> None:
    groups = {
        ("scans", "scan"): document.scans,
        ("reconstructions", "reconstructedImage"): document.reconstructions,
        ("assessors", "assessor"): document.assessors,
        ("experiments", "experiment"): document.experiments,
    }
    for (outer, leaf), children in groups.items():
        for child in children:
            holder = _child(element, _XNAT, outer)
            made = etree.SubElement(holder, f"{{{NAMESPACES[_XNAT]}}}{leaf}")
            made.set(_XSI_TYPE, child.item.xsi_type)
            _fill(made, REGISTRY.get(child.item.xsi_type), child)
