"""The XSDs that the embedded archive hands out, without a server."""

from __future__ import annotations

from importlib import resources

import pytest
from lxml import etree

from cci.archive.xsd import read_schema, schema_names

XS = "{http://www.w3.org/2001/XMLSchema}"


def test_schema_names() -> None:
    """A schema is named by its folder where the file has the same name, else by folder and file."""
    expected = ["birn/birnprov", "catalog", "proc", "security", "xdat", "xnat"]
    assert expected == schema_names()


@pytest.mark.parametrize("name", schema_names())
def test_schema_is_valid(name: str) -> None:
    """Each schema, with what it imports, is valid W3C XML Schema."""
    folder, _, file = name.partition("/")
    with resources.as_file(resources.files("cci.archive") / "schemas") as schemas:
        etree.XMLSchema(etree.parse(schemas / folder / f"{file or folder}.xsd"))


@pytest.mark.parametrize("name", schema_names())
def test_schema_suits_xnatpy(name: str) -> None:
    """A schema begins with ``xs:schema`` and its prefixes, and uses neither group nor attributeGroup."""
    text = read_schema(name) or b""
    root = etree.fromstring(text)
    assert text.splitlines()[1].startswith(b"<xs:schema xmlns:xs=")
    assert [] == root.findall(f".//{XS}group") + root.findall(f".//{XS}attributeGroup")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("xnat", True),
        ("xnat/xnat", True),
        ("xnat/xnat.xsd", True),
        ("birn/birnprov", True),
        ("birn", False),
        ("", False),
        ("../xsd", False),
        ("xnat/../xnat", False),
    ],
)
def test_read_schema(name: str, found: bool) -> None:
    """Only the names of schemas read anything; no path leads elsewhere."""
    assert found == (read_schema(name) is not None)


@pytest.mark.parametrize("name", ["genProcData", "subjGenProcData"])
def test_proc_fields(name: str) -> None:
    """Both task types have every field that a daemon writes."""
    root = etree.fromstring(read_schema("proc"))
    (type_,) = root.xpath(f"xs:complexType[@name='{name}']", namespaces={"xs": XS.strip("{}")})
    expected = {
        *("procstatus", "proctype", "procversion", "jobid", "walltimeused", "memusedmb", "jobstartdate"),
        *(
            "memused",
            "jobnode",
            "inputs",
            "dax_processor_version",
            "dax_processor_name",
            "dax_spider_version",
        ),
        *("dax_spider_name", "dax_code_version", "dax_docker_version", "dax_version", "dax_version_hash"),
    }
    assert expected == {element.get("name") for element in type_.iter(f"{XS}element")} - {"scans", "scan"}
