"""A project's protocols: which custom variables it defines for which kind of data. XML in, XML and JSON out.

They are kept beside the project's fields as they came, in one text; the archive takes variables of any name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from cci.archive.typedefs import NAMESPACES, REGISTRY
from cci.archive.xmlsafe import parse_xml

#: Where the text is kept among an item's data; no field, and in no list.
KEY = "_protocols"
_XNAT = f"{{{NAMESPACES['xnat']}}}"
_XSI_TYPE = f"{{{NAMESPACES['xsi']}}}type"
_TYPE = "xnat:datatypeProtocol"
#: Elements that hold lists, and the element that is repeated in each.
_LISTS = {"definitions": "definition", "fields": "field", "possibleValues": "possibleValue"}
Json = dict[str, Any]


def read_protocols(project: etree._Element) -> str:
    """Return the protocols in a project's document as the text to keep; empty if it has none."""
    found = project.findall("{*}studyProtocol")
    if not found:
        return ""
    root = etree.Element("protocols", nsmap=NAMESPACES)
    for each in found:
        copy = etree.fromstring(etree.tostring(each))
        copy.tail = None
        root.append(copy)
    return str(etree.tostring(root, encoding="unicode"))


def completed(text: str, project: str) -> str:
    """Fill in what a protocol needs and a client may leave out, as XNAT does: id, name, the default set."""
    root = parse_xml(text.encode())
    for each in root:
        data_type = each.get("data-type")
        known = REGISTRY.find(data_type) if data_type else None
        if known is None:
            continue
        each.set(_XSI_TYPE, _TYPE)
        _default(each, "ID", f"{project}_{known.name.replace(':', '_')}")
        _default(each, "name", known.plural)
        if each.find(f"{_XNAT}definitions/{_XNAT}definition[@ID='default']") is None:
            definitions = each.find(f"{_XNAT}definitions")
            holder = etree.SubElement(each, f"{_XNAT}definitions") if definitions is None else definitions
            words = {"ID": "default", "data-type": known.name, "project-specific": "0"}
            holder.insert(0, etree.Element(f"{_XNAT}definition", words))
    return str(etree.tostring(root, encoding="unicode"))


def _default(element: etree._Element, name: str, value: str) -> None:
    if not element.get(name):
        element.set(name, value)


def protocol_elements(data: Mapping[str, str]) -> Iterator[etree._Element]:
    """Yield the elements ``studyProtocol`` of a project's document."""
    text = data.get(KEY)
    if text:
        yield from list(parse_xml(text.encode()))


def protocol_items(data: Mapping[str, str]) -> list[Json]:
    """Return the protocols as JSON documents have them."""
    return [_item(each, _TYPE) for each in protocol_elements(data)]


def _item(element: etree._Element, xsi_type: str = "") -> Json:
    fields = {
        str(name): str(value) for name, value in element.attrib.items() if not str(name).startswith("{")
    }
    children = []
    for child in element.iterchildren("*"):
        name = etree.QName(child).localname
        if name in _LISTS:
            items = [_item(each) for each in child.iterchildren(f"{{*}}{_LISTS[name]}")]
            children += [{"field": f"{name}/{_LISTS[name]}", "items": items}] if items else []
        elif child.text and child.text.strip():
            fields[name] = child.text
    if etree.QName(element).localname == "possibleValue":
        fields["possibleValue"] = element.text or ""
    meta = {"isHistory": False, **({"xsi:type": xsi_type} if xsi_type else {})}
    return {"children": children, "meta": meta, "data_fields": fields}
