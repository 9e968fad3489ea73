"""The types that the embedded archive stores and the schemas that it hands out say the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lxml import etree

from cci.archive.typedefs import REGISTRY
from cci.archive.types import Field, Kind
from cci.archive.xsd import element_order, read_schema

XS = {"xs": "http://www.w3.org/2001/XMLSchema"}
SCHEMAS = {
    prefix: etree.fromstring(read_schema(name))
    for prefix, name in (("xnat", "xnat"), ("proc", "proc"), ("prov", "birn/birnprov"))
}
#: The elements of these types always hold the one type that extends them.
CONCRETE = {
    "xnat:abstractDemographicData": "xnat:demographicData",
    "xnat:abstractSubjectMetadata": "xnat:subjectMetadata",
}
KINDS = {
    Kind.STRING: {"xs:string"},
    Kind.INT: {"xs:integer", "xs:long"},
    Kind.FLOAT: {"xs:float"},
    Kind.DATE: {"xs:date"},
    Kind.TIME: {"xs:time"},
    Kind.DATETIME: {"xs:dateTime"},
    Kind.BOOL: {"xs:boolean"},
}
#: A database key that stands in no document, and one that the archive keeps as one text.
NOT_IN_SCHEMA = {"xnat_abstractresource_id", "computations"}


def complex_type(name: str) -> etree._Element | None:
    prefix, _, local = name.partition(":")
    return SCHEMAS[prefix].find(f"xs:complexType[@name='{local}']", XS) if prefix in SCHEMAS else None


def declarations(node: etree._Element) -> Iterator[etree._Element]:
    """Yield the elements and attributes of a complex type, inherited ones first."""
    extension = node.find("*/xs:extension", XS)
    if extension is not None:
        base = complex_type(extension.get("base"))
        yield from declarations(base) if base is not None else ()
        node = extension
    yield from node.iterfind("xs:sequence/xs:element", XS)
    yield from node.iterfind("xs:attribute", XS)


def inner_type(declaration: etree._Element) -> etree._Element | None:
    """Return the complex type of a declaration, None for simple ones."""
    name = declaration.get("type")
    return complex_type(CONCRETE.get(name, name)) if name else declaration.find("xs:complexType", XS)


def declared(type_name: str, field: Field) -> etree._Element | None:
    """Return the declaration at the end of a field's path."""
    node, found = complex_type(type_name), None
    for part in field.xml_path.split("/"):
        wanted = ("attribute" if part.startswith("@") else "element", part.lstrip("@"))
        candidates = declarations(node) if node is not None else ()
        found = next(
            (each for each in candidates if (etree.QName(each).localname, each.get("name")) == wanted), None
        )
        node = inner_type(found) if found is not None else None
    return found


def simple_name(declaration: etree._Element) -> str:
    """Return the simple type of a declaration's text."""
    inner = inner_type(declaration)
    if inner is not None:
        return str(inner.find("xs:simpleContent/xs:extension", XS).get("base"))
    restriction = declaration.find("xs:simpleType/xs:restriction", XS)
    return str(restriction.get("base") if restriction is not None else declaration.get("type"))


@pytest.mark.parametrize("name", [each.name for each in REGISTRY])
def test_fields_are_in_the_schema(name: str) -> None:
    """Every field that is stored has a declaration of its type."""
    fields = [f for f in REGISTRY.fields(REGISTRY.get(name)).values() if f.path not in NOT_IN_SCHEMA]
    found = {field.xml_path: declared(name, field) for field in fields}
    assert [] == [path for path, declaration in found.items() if declaration is None]
    wrong = {
        field.xml_path: simple_name(declaration)
        for field in fields
        if (declaration := found[field.xml_path]) is not None
        and simple_name(declaration) not in KINDS[field.kind]
    }
    assert {} == wrong


@pytest.mark.parametrize("name", [each.name for each in REGISTRY])
def test_parents_are_those_of_the_schema(name: str) -> None:
    """A type extends the same type in both."""
    extension = complex_type(name).find("xs:complexContent/xs:extension", XS)  # type: ignore[union-attr]
    assert (REGISTRY.get(name).parent or None) == (extension.get("base") if extension is not None else None)


def test_order_begins_with_what_is_inherited() -> None:
    """Inherited elements come first, in the order of the schema."""
    order = element_order("proc:genProcData")
    places = [order.index(name) for name in ("date", "validation", "provenance", "out", "scans", "inputs")]
    assert sorted(places) == places


def test_order_of_an_unknown_type() -> None:
    """A type without a schema has no order."""
    assert ((), ()) == (element_order("none:such"), element_order("xnat:such"))
