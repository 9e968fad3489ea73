"""Reads XML from outside: nothing is fetched, nothing is expanded, nothing is too deep or too large."""

from __future__ import annotations

from lxml import etree

from cci.archive.errors import Unprocessable


def is_xml(body: bytes) -> bool:
    """Whether a body is meant as a document: it begins as one, in UTF-16 or in an encoding like ASCII."""
    return body.startswith((b"\xff\xfe", b"\xfe\xff")) or body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def parse_xml(body: bytes) -> etree._Element:
    """Return the root of a document.

    libxml2's own limits hold: 256 levels, 10 MB for one text.

    Raises
    ------
    Unprocessable
        It is not XML, or has a DOCTYPE: entities have no use here, and bombs are made of them.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unprocessable(f"the document is not XML: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unprocessable("a document with a DOCTYPE is not read")
    return root
