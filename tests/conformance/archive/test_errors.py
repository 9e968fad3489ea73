"""The shape of error answers, which clients depend on (XNAT REST reference, section 8.5)."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from support.rest import Rest


def test_status_page(rest: Rest) -> None:
    """An error below ``/data`` is XNAT's status page: its beginning, its heading, and no DOCTYPE."""
    answer = rest.get("/data/experiments/NOSUCHID", {"format": "json"})
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<html>\n<head>")
    for part in ("<title>Status page</title>", "<h3>", "</h3>", "You can get technical details"):
        assert part in answer.text


@pytest.mark.parametrize(
    "uri", ["/data/experiments/NOSUCHID", "/data/projects/NOSUCHPROJECT", "/data/nothing"]
)
def test_status_page_is_not_well_formed(rest: Rest, uri: str) -> None:
    """The status page is not XML, or pyxnat fails on it with an error of its own."""
    with pytest.raises(ET.ParseError):
        ET.fromstring(rest.get(uri, {"format": "json"}).text)


@pytest.mark.parametrize("uri", ["/xapi/schemas/nosuch", "/xapi/nothing"])
def test_xapi_error(rest: Rest, uri: str) -> None:
    """An error below ``/xapi`` is no HTML page of that kind."""
    answer = rest.get(uri)
    assert (404, False) == (answer.status_code, answer.text.startswith("<html>"))


def test_method_not_allowed(rest: Rest) -> None:
    """A method that a resource does not have is 405."""
    assert 405 == rest.get("/data/search").status_code
