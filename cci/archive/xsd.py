"""The XML schemas that the archive shows to its clients, and the order of elements that they ask for.

What clients send is not validated with them.

A schema's name is its folder where the file has the same name (``xnat`` is ``xnat/xnat.xsd``), else
``folder/file`` (``birn/birnprov``), as on a real XNAT.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from lxml import etree

_SUFFIX = ".xsd"
_XS = {"xs": "http://www.w3.org/2001/XMLSchema"}


def _name(folder: str, file_name: str) -> str:
    stem = file_name.removesuffix(_SUFFIX)
    return folder if folder == stem else f"{folder}/{stem}"


@cache
def _files() -> dict[str, Traversable]:
    folders = (entry for entry in (resources.files("cci.archive") / "schemas").iterdir() if entry.is_dir())
    return {
        _name(folder.name, file.name): file
        for folder in sorted(folders, key=lambda entry: entry.name)
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if file.name.endswith(_SUFFIX)
    }


def schema_names() -> list[str]:
    """Return the names of all schemas, sorted."""
    return sorted(_files())


def read_schema(name: str) -> bytes | None:
    """Return a schema's text, or None where there is none of this name.

    Parameters
    ----------
    name
        As `schema_names` gives it; ``folder/file`` and ``folder/file.xsd`` are understood as well.
    """
    folder, _, file_name = name.removesuffix(_SUFFIX).partition("/")
    file = _files().get(_name(folder, file_name) if file_name else folder)
    return file.read_bytes() if file is not None else None


@cache
def element_order(type_name: str) -> tuple[str, ...]:
    """Return the names of a type's elements in the order that documents must keep, inherited ones first.

    Parameters
    ----------
    type_name
        With its prefix, in the proper spelling: ``xnat:mrSessionData``. Empty for types without a schema.
    """
    prefix, _, name = type_name.partition(":")
    schema = _tree(prefix)
    found = schema.find(f"xs:complexType[@name='{name}']", _XS) if schema is not None else None
    if found is None:
        return ()
    extension = found.find("xs:complexContent/xs:extension", _XS)
    inherited = element_order(extension.get("base")) if extension is not None else ()
    content = found if extension is None else extension
    return inherited + tuple(each.get("name") for each in content.iterfind("xs:sequence/xs:element", _XS))


@cache
def _tree(name: str) -> etree._Element | None:
    text = read_schema(name)
    return etree.fromstring(text) if text is not None else None
