"""What the embedded archive does not serve, or serves in its own way, is answered as its page says.

Only on the embedded archive: a real XNAT has these things.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archive import RunningArchive
from support.fill import Fill
from support.rest import Rest
from support.site import new_project_id

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "archive.md"


def _table(heading: str) -> Iterator[list[str]]:
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def _refused() -> Iterator[tuple[str, str, int]]:
    for address, methods, answer, *_ in _table("What XNAT has and the archive has not"):
        yield from ((method, address, int(answer[:3])) for method in methods.split())
    for address, methods, state, answer, _ in _table("Addresses outside the tree"):
        if state == "not served":
            yield from ((method, address, int(answer[:3])) for method in methods.split())


@pytest.fixture
def client(embedded: RunningArchive) -> Iterator[Rest]:
    with Rest(embedded.url, embedded.auth) as rest:
        yield rest


@pytest.fixture
def place(embedded: RunningArchive) -> str:
    """A session with a scan and a file in a resource Z; its URI."""
    with Fill(embedded.url, embedded.auth) as fill:
        session = fill.session(new_project_id(), "S1", "MR1")
        fill.scan(session, "1", type="T1")
        fill.files(session, "Z", {"f.txt": b"0123456789"})
    return session


def project_of(place: str) -> str:
    return place.partition("/subjects/")[0]


@pytest.mark.parametrize(("method", "address", "status"), list(_refused()))
def test_not_served(client: Rest, place: str, method: str, address: str, status: int) -> None:
    """What is not served is answered with the status that the page names."""
    project = project_of(place).rpartition("/")[2]
    assert status == client.send(method, address.format(project=project)).status_code


def test_remembered(client: Rest, place: str) -> None:
    """Settings without an effect here are remembered."""
    uri = f"{project_of(place)}/scan_type_mapping"
    before = client.get(uri).text
    client.put(f"{uri}/false").raise_for_status()
    assert ("true", "false") == (before, client.get(uri).text)


def test_groups(client: Rest, place: str) -> None:
    """Every project has the three groups of XNAT."""
    rows = client.rows(f"{project_of(place)}/groups")
    assert ["Owners", "Members", "Collaborators"] == [row["displayname"] for row in rows]


@pytest.mark.parametrize("word", ["handler", "requested_screen", "includeHistory", "includeHeaders"])
def test_pages_of_xnat(client: Rest, place: str, word: str) -> None:
    """Words that are for XNAT's own pages change nothing."""
    plain = client.get(place, {"format": "json"}).json()
    assert plain == client.get(place, {"format": "json", word: "x"}).json()


def test_files_in_a_document(client: Rest, place: str) -> None:
    """What a document says of files is passed over: files come by upload only."""
    resource = '<xnat:resource xsi:type="xnat:resourceCatalog" label="NEW" URI="/etc/passwd"/>'
    names = 'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    body = f"<xnat:MRSession {names}><xnat:resources>{resource}</xnat:resources></xnat:MRSession>"
    client.send("PUT", place, data=body, headers={"Content-Type": "text/xml"}).raise_for_status()
    assert ["Z"] == [row["label"] for row in client.rows(f"{place}/resources")]


def test_no_hidden_fields(client: Rest, place: str) -> None:
    """A document has no comments with columns of a database."""
    assert "hidden_fields" not in client.get(place, {"format": "xml"}).text


def test_server_path(client: Rest, place: str) -> None:
    """A path on the server is not read."""
    answer = client.put(f"{place}/resources/R/files/x", {"reference": "/etc/hostname"})
    assert (500, 404) == (answer.status_code, client.get(f"{place}/resources/R/files/x").status_code)


def test_locator(client: Rest, place: str) -> None:
    """Lists of files never name paths on the server."""
    plain = client.rows(f"{place}/resources/Z/files")
    assert plain == client.rows(f"{place}/resources/Z/files", {"locator": "absolutePath"})


def test_ranges(client: Rest, place: str) -> None:
    """A part of a file can be asked for, and a file has an ETag."""
    answer = client.send("GET", f"{place}/resources/Z/files/f.txt", headers={"Range": "bytes=2-4"})
    assert (206, b"234") == (answer.status_code, answer.content)
    assert answer.headers["etag"]


@pytest.mark.parametrize(
    ("since", "status"), [("Fri, 01 Jan 2100 00:00:00 GMT", 304), ("Thu, 01 Jan 1970 00:00:00 GMT", 200)]
)
@pytest.mark.parametrize("form", ["xml", "json"])
def test_document_if_modified(client: Rest, place: str, *, form: str, since: str, status: int) -> None:
    """A document is sent only to a client that has not its latest state."""
    answer = client.send("GET", place, {"format": form}, headers={"If-Modified-Since": since})
    assert (status, status == 304) == (answer.status_code, not answer.content)
