"""What a private project holds is told by no list, search, filter or refusal (REST reference, section 1.5).

Only on the embedded archive: accounts that a test makes on a real XNAT could not be removed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.archive import RunningArchive
from support.fill import Fill
from support.rest import Rest
from support.site import new_project_id

#: Stands in every label, field and file name of the private project.
SECRET = "Geheimnis"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A public project, a private one in which its subject S is used as well, and who asks."""

    public: str
    private: str
    admin: Rest
    bob: Rest

    def told(self, method: str, uri: str, parameters: dict[str, str], body: str | None = None) -> list[bool]:
        """Ask as the administrator and as somebody without a role whether the answer has the secret in it."""
        uri = uri.format(public=self.public, private=self.private)
        answers = [who.send(method, uri, parameters, data=body) for who in (self.admin, self.bob)]
        assert {200} == {answer.status_code for answer in answers}
        return [SECRET in answer.text for answer in answers]


@pytest.fixture(scope="module")
def place(embedded: RunningArchive) -> Iterator[Place]:
    public, private = new_project_id(), new_project_id()
    with Fill(embedded.url, embedded.auth) as fill:
        fill_both(fill, public, private)
        login = (f"bob{public.lower()}", "a password")
        account = {"username": login[0], "password": login[1], "email": "bob@example.org"}
        fill.http.post(f"{fill.url}/xapi/users", json=account, timeout=60).raise_for_status()
    with Rest(embedded.url, embedded.auth) as admin, Rest(embedded.url, login) as bob:
        yield Place(public=public, private=private, admin=admin, bob=bob)


def fill_both(fill: Fill, public: str, private: str) -> None:
    """Make both projects; the private one's session and tasks are of the public one's subject."""
    fill.scan(fill.session(public, "S", "E"), "1", type="T1")
    fill.put(f"/data/projects/{public}/accessibility/public")
    fill.put(f"/data/projects/{private}", {"name": f"{SECRET}{private}"})
    fill.put(f"/data/projects/{public}/subjects/S/projects/{private}")
    session = f"/data/projects/{private}/subjects/S/experiments/{SECRET}E"
    fill.put(session, {"xsiType": "xnat:mrSessionData", "note": SECRET, "scanner": SECRET})
    fill.files(fill.scan(session, f"{SECRET}1", type=SECRET), SECRET, {SECRET: SECRET.encode()})
    fill.put(f"{session}/reconstructions/{SECRET}R", {"type": SECRET})
    fill.assessor(session, f"{SECRET}A", procstatus=SECRET)
    task = f"/data/projects/{private}/subjects/S/experiments/{SECRET}T"
    fill.put(task, {"xsiType": "proc:subjGenProcData", "proc:subjGenProcData/procstatus": SECRET})


def search(root: str, *fields: str) -> str:
    """Return a search document that asks for fields by their paths."""
    wanted = "".join(
        f"<xdat:search_field><xdat:element_name>{field.partition('/')[0]}</xdat:element_name>"
        f"<xdat:field_ID>{field}</xdat:field_ID><xdat:sequence>{number}</xdat:sequence></xdat:search_field>"
        for number, field in enumerate(fields)
    )
    name = f"<xdat:root_element_name>{root}</xdat:root_element_name>"
    return f'<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security">{name}{wanted}</xdat:bundle>'


@pytest.mark.parametrize(
    "fields",
    [
        ("xnat:projectData/name",),
        ("xnat:subjectData/ID", "xnat:mrSessionData/label"),
        ("xnat:subjectData/ID", "proc:subjGenProcData/label"),
        ("xnat:mrSessionData/label",),
        ("xnat:mrSessionData/ID", "proc:subjGenProcData/label"),
        ("xnat:imageSessionData/note",),
        ("xnat:imageScanData/ID",),
        ("xnat:mrScanData/ID", "xnat:mrSessionData/label"),
        ("xnat:reconstructedImageData/ID",),
        ("proc:genProcData/procstatus",),
        ("proc:subjGenProcData/procstatus",),
    ],
    ids=" ".join,
)
def test_search(place: Place, fields: tuple[str, ...]) -> None:
    """A search finds nothing of it, whatever it is for, nor beside what may be seen."""
    root = fields[0].partition("/")[0]
    told = place.told("POST", "/data/search", {"format": "csv"}, search(root, *fields))
    assert [True, False] == told


@pytest.mark.parametrize("element", ["xnat:mrSessionData", "xnat:imageScanData", "xnat:mrScanData"])
def test_stored_search(place: Place, element: str) -> None:
    """Nor does the stored search that every type has."""
    assert [True, False] == place.told("GET", f"/data/search/saved/@{element}/results", {"format": "csv"})


@pytest.mark.parametrize(
    "column",
    [
        *("xnat:mrSessionData/label", "xnat:imageScanData/type", "proc:genProcData/procstatus"),
        *("proc:subjGenProcData/procstatus", "xnat:imageScanData/file/label"),
    ],
)
@pytest.mark.parametrize("uri", ["/data/subjects", "/data/projects/{public}/subjects"])
def test_joined_column(place: Place, uri: str, column: str) -> None:
    """A list of subjects that may be seen has no columns from sessions that may not."""
    assert [True, False] == place.told("GET", uri, {"format": "csv", "columns": f"ID,{column}"})


@pytest.mark.parametrize("below", ["", "/{public}/subjects/S/experiments/E/scans"])
def test_joined_column_of_the_subject(place: Place, below: str) -> None:
    """Neither has a list of sessions or scans, by way of the subject."""
    uri = f"/data/projects{below}" if below else "/data/experiments"
    columns = {"format": "csv", "columns": "ID,xnat:mrSessionData/ID,proc:subjGenProcData/procstatus"}
    assert [True, False] == place.told("GET", uri, columns)


@pytest.mark.parametrize("name", ["xnat:mrSessionData/label", "xnat:imageScanData/ID"])
def test_filter(place: Place, name: str) -> None:
    """Whether something is there cannot be guessed by filters."""
    found = [who.rows("/data/subjects", {name: f"{SECRET}*"}) for who in (place.admin, place.bob)]
    assert [True, False] == [bool(rows) for rows in found]


def test_refusal(place: Place) -> None:
    """That a name is taken is said, and not by what."""
    answer = place.bob.put(f"/data/projects/{new_project_id()}", {"name": f"{SECRET}{place.private}"})
    assert (409, False) == (answer.status_code, place.private in answer.text.replace(SECRET, ""))
